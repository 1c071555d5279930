package coltype

import "math"

// PostgreSQL counts from 2000-01-01, Arrow and Iceberg from 1970-01-01.
const (
	UnixToPGDays   = 10957               // days from 1970-01-01 to 2000-01-01
	UnixToPGMicros = 946684800000000     // the same in µs
	MicrosPerDay   = 24 * 3600 * 1000000 // also the value of 24:00:00
)

// The range of PostgreSQL's dates and timestamps (src/include/datatype/timestamp.h), infinities
// left out. Dates are days, timestamps µs since 2000-01-01.
const (
	MinDate      = -2451545            // 4714-11-24 BC
	MaxDate      = 2145031948          // 5874897-12-31
	MinTimestamp = -211813488000000000 // 4714-11-24 00:00:00 BC
	MaxTimestamp = 9223371331199999999 // 294276-12-31 23:59:59.999999
)

// UnixDays is a PostgreSQL date as days since 1970-01-01; ok is false for ±infinity and for what is
// no date.
func UnixDays(days2000 int64) (days int32, ok bool) {
	if days2000 < MinDate || days2000 > MaxDate {
		return 0, false
	}
	return int32(days2000 + UnixToPGDays), true
}

// UnixMicros is a PostgreSQL timestamp as µs since 1970-01-01; ok is false for ±infinity, for what
// is no timestamp, and for the last 30 years before 294277, whose µs no int64 holds.
func UnixMicros(us2000 int64) (us int64, ok bool) {
	if us2000 < MinTimestamp || us2000 > MaxTimestamp || us2000 > math.MaxInt64-UnixToPGMicros {
		return 0, false
	}
	return us2000 + UnixToPGMicros, true
}

// civilDays is the day number, from 2000-01-01, of a day of the proleptic Gregorian calendar; year
// 0 is 1 BC. The algorithm counts in eras of 400 years that begin on 1 March.
func civilDays(year int64, month, day int) int64 {
	if month <= 2 {
		year--
	}
	era := floorDiv(year, 400)
	yoe := year - era*400
	doy := int64((153*((month+9)%12)+2)/5 + day - 1)
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146097 + doe - 719468 - UnixToPGDays
}

// civil is the inverse of civilDays.
func civil(days2000 int64) (year int64, month, day int) {
	z := days2000 + UnixToPGDays + 719468
	era := floorDiv(z, 146097)
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := int(doe - (365*yoe + yoe/4 - yoe/100))
	mp := (5*doy + 2) / 153
	day = doy - (153*mp+2)/5 + 1
	month = mp + 3
	if month > 12 {
		month -= 12
	}
	year = yoe + era*400
	if month <= 2 {
		year++
	}
	return year, month, day
}

func daysInMonth(year int64, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// AddMonths adds months to a finite date of days since 2000-01-01; a day that the month does not have becomes its last.
func AddMonths(days2000, months int64) int64 {
	year, month, day := civil(days2000)
	n := year*12 + int64(month) - 1 + months
	year, month = floorDiv(n, 12), int(n-floorDiv(n, 12)*12)+1
	return civilDays(year, month, min(day, daysInMonth(year, month)))
}
