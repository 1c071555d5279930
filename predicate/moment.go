package predicate

import (
	"math"

	"frostline/coltype"
)

// finite reports whether a timestamp is not ±infinity.
func finite(us int64) bool { return us != math.MaxInt64 && us != math.MinInt64 }

func finiteDate(days int64) bool { return days != math.MaxInt32 && days != math.MinInt32 }

// addDuration is timestamp_pl_interval: the months first, where the day of a shorter month is its last, then the days, then the
// time. sign is 1 or -1.
func addDuration(us int64, d duration, sign int64) (int64, error) {
	switch {
	case !finite(us):
		return us, nil
	case d.isInf():
		return 0, errRange
	}
	days, clock := splitDay(us)
	var err error
	if d.months != 0 {
		days = coltype.AddMonths(days, sign*int64(d.months))
		if _, err = joinDay(days, clock); err != nil {
			return 0, err
		}
	}
	if d.days != 0 {
		days += sign * int64(d.days)
		if _, err = joinDay(days, clock); err != nil {
			return 0, err
		}
	}
	more, rest := splitDay(d.us)
	return joinDay(days+sign*more, clock+sign*rest)
}

// joinDay is the timestamp of a day and µs, which may reach beyond that day.
func joinDay(days, clock int64) (int64, error) {
	const first, last = coltype.MinDate - 2, coltype.MaxTimestamp/dayMicros + 2
	if days < first || days > last {
		return 0, errRange
	}
	more, rest := splitDay(clock)
	if days += more; days < coltype.MinDate || days > coltype.MaxTimestamp/dayMicros {
		return 0, errRange
	}
	return days*dayMicros + rest, nil
}

// splitDay is whole days, rounded down, and the µs beyond.
func splitDay(us int64) (days, rest int64) {
	days, rest = us/dayMicros, us%dayMicros
	if rest < 0 {
		days, rest = days-1, rest+dayMicros
	}
	return days, rest
}

// since is timestamp_mi: whole days and the rest, of one sign.
func since(a, b int64) (duration, error) {
	us := a - b
	if !finite(a) || !finite(b) || (us < a) != (b > 0) && b != 0 {
		return duration{}, errRange
	}
	return duration{days: int32(us / dayMicros), us: us % dayMicros}, nil
}

// dayToMicros is a date as a timestamp.
func dayToMicros(days int64) (int64, error) {
	us, ok := midnight(days)
	if !ok {
		return 0, errRange
	}
	return us, nil
}

// microsToDay is the date of a timestamp.
func microsToDay(us int64) int64 {
	switch us {
	case math.MaxInt64:
		return math.MaxInt32
	case math.MinInt64:
		return math.MinInt32
	}
	days, _ := splitDay(us)
	return days
}

func addDays(day, n int64) (int64, error) {
	if !finiteDate(day) {
		return day, nil
	}
	if day += n; day < coltype.MinDate || day > coltype.MaxDate {
		return 0, errRange
	}
	return day, nil
}

func daysBetween(a, b int64) (int64, error) {
	if !finiteDate(a) || !finiteDate(b) {
		return 0, errRange
	}
	return a - b, nil
}

// clockPlus is time_pl_interval: the time of day goes round, months and days do not count.
func clockPlus(us int64, d duration, sign int64) (int64, error) {
	if d.isInf() {
		return 0, errRange
	}
	_, rest := splitDay(d.us)
	if us = (us + sign*rest) % dayMicros; us < 0 {
		us += dayMicros
	}
	return us, nil
}
