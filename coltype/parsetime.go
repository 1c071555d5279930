package coltype

import (
	"math"
	"strconv"
	"strings"
)

// moment is what a date, time or timestamp literal says.
type moment struct {
	year       int64 // 0 is 1 BC
	month, day int
	us         int64 // since midnight, up to 24:00:00 included
	zone       int64 // seconds east of Greenwich
	clock, t   bool  // a time of day was given, after a T
}

// parseDateTime reads the ISO forms: [date][{space|T}time][zone][BC|AD], epoch, ±infinity. A date
// takes the day of a timestamp, a time its time of day (not after a T), and all but timestamptz ignore the zone, as in
// PostgreSQL.
func parseDateTime(t Type, s string) (Value, error) {
	text := strings.ToUpper(trimSpace(s))
	if t.Kind != Time {
		if v, ok := parseWord(t.Kind, text); ok {
			return v, nil
		}
	}
	p := timeParser{rest: text}
	var m moment
	var ok bool
	if t.Kind == Time && !p.startsDate() {
		p.accept("T")
		ok = p.clock(&m) && p.zone(&m) && p.rest == ""
	} else {
		ok = p.dateTime(&m) && (t.Kind != Time || m.clock && !m.t)
	}
	if !ok {
		if p.outside {
			return Value{}, invalid(t, s, "a field is out of range")
		}
		return Value{}, invalid(t, s, "want %s", isoForm(t.Kind))
	}
	if t.Kind == Time {
		return Value{Kind: Time, I: m.us}, nil
	}
	return m.value(t, s)
}

func isoForm(k Kind) string {
	switch k {
	case Date:
		return "YYYY-MM-DD"
	case Time:
		return "HH:MM:SS.ffffff"
	case Timestamp:
		return "YYYY-MM-DD HH:MM:SS.ffffff"
	}
	return "YYYY-MM-DD HH:MM:SS.ffffff+HH:MM"
}

func parseWord(k Kind, text string) (Value, bool) {
	least, most := int64(math.MinInt64), int64(math.MaxInt64)
	epoch := int64(-UnixToPGMicros)
	if k == Date {
		least, most, epoch = math.MinInt32, math.MaxInt32, -UnixToPGDays
	}
	switch text {
	case "INFINITY":
		return Value{Kind: k, I: most}, true
	case "-INFINITY":
		return Value{Kind: k, I: least}, true
	case "EPOCH":
		return Value{Kind: k, I: epoch}, true
	}
	return Value{}, false
}

// value is the moment as a date or a timestamp, checked against PostgreSQL's range.
func (m moment) value(t Type, s string) (Value, error) {
	days := civilDays(m.year, m.month, m.day)
	if t.Kind == Date {
		if days < MinDate || days > MaxDate {
			return Value{}, invalid(t, s, "out of range, want 4714-11-24 BC to 5874897-12-31")
		}
		return Value{Kind: Date, I: days}, nil
	}
	// A day on either side of the range keeps the sum below within int64.
	const lastDay = MaxTimestamp / MicrosPerDay
	if days < MinDate-1 || days > lastDay+1 {
		return Value{}, invalid(t, s, "out of range, want 4714-11-24 BC to 294276-12-31")
	}
	shift := m.us
	if t.Kind == TimestampTZ {
		shift -= m.zone * 1000000
	}
	for shift < 0 {
		shift, days = shift+MicrosPerDay, days-1
	}
	days, shift = days+shift/MicrosPerDay, shift%MicrosPerDay
	if days < MinDate || days > lastDay {
		return Value{}, invalid(t, s, "out of range, want 4714-11-24 BC to 294276-12-31")
	}
	return Value{Kind: t.Kind, I: days*MicrosPerDay + shift}, nil
}

// timeParser reads upper-case text from its beginning; what it has read is cut off rest.
type timeParser struct {
	rest    string
	outside bool // the form was right, a field was not
}

func (p *timeParser) accept(prefix string) bool {
	if !strings.HasPrefix(p.rest, prefix) {
		return false
	}
	p.rest = p.rest[len(prefix):]
	return true
}

// number reads least to most digits.
func (p *timeParser) number(least, most int) (int64, bool) {
	n := 0
	for n < len(p.rest) && p.rest[n] >= '0' && p.rest[n] <= '9' {
		n++
	}
	if n < least || n > most {
		return 0, false
	}
	v, err := strconv.ParseInt(p.rest[:n], 10, 64)
	p.rest = p.rest[n:]
	return v, err == nil
}

func (p *timeParser) space() bool {
	cut := strings.TrimLeft(p.rest, " \t\n\v\f\r")
	found := len(cut) < len(p.rest)
	p.rest = cut
	return found
}

func (p *timeParser) outOfRange() bool { p.outside = true; return false }

func (p *timeParser) dateTime(m *moment) bool {
	var ok bool
	var month, day int64
	if m.year, ok = p.number(3, 9); !ok || !p.accept("-") {
		return false
	}
	if month, ok = p.number(1, 2); !ok || !p.accept("-") {
		return false
	}
	if day, ok = p.number(1, 2); !ok {
		return false
	}
	separated := p.space()
	m.t = p.accept("T")
	if m.t || separated && p.startsClock() {
		if !p.clock(m) {
			return false
		}
	}
	if !separated && !m.clock && strings.HasPrefix(p.rest, "-") || !p.zone(m) {
		return false
	}
	p.space()
	if m.year == 0 {
		return p.outOfRange()
	}
	if p.accept("BC") {
		m.year = 1 - m.year
	} else {
		p.accept("AD")
	}
	if p.rest != "" {
		return false
	}
	if month < 1 || month > 12 || day < 1 || int(day) > daysInMonth(m.year, int(month)) {
		return p.outOfRange()
	}
	m.month, m.day = int(month), int(day)
	return true
}

// startsDate reports whether the text is digits and a hyphen at its beginning.
func (p *timeParser) startsDate() bool {
	return p.startsClock() && strings.HasPrefix(strings.TrimLeft(p.rest, "0123456789"), "-")
}

func (p *timeParser) startsClock() bool {
	return p.rest != "" && p.rest[0] >= '0' && p.rest[0] <= '9'
}

// clock reads H:MM[:SS[.fraction]]. The fraction is rounded to µs, half to even, as a double: that is
// what ParseFractionalSecond of src/backend/utils/adt/datetime.c does.
func (p *timeParser) clock(m *moment) bool {
	hour, ok := p.number(1, 2)
	if !ok || !p.accept(":") {
		return false
	}
	minute, ok := p.number(1, 2)
	if !ok {
		return false
	}
	var sec, frac int64
	if p.accept(":") {
		if sec, ok = p.number(1, 2); !ok {
			return false
		}
		if p.accept(".") {
			n := len(p.rest) - len(strings.TrimLeft(p.rest, "0123456789"))
			f, err := strconv.ParseFloat("0."+p.rest[:n]+"0", 64)
			if err != nil {
				return false
			}
			frac = int64(math.RoundToEven(f * 1000000))
			p.rest = p.rest[n:]
		}
	}
	m.clock = true
	m.us = (hour*3600+minute*60+sec)*1000000 + frac
	if hour > 24 || minute > 59 || sec > 60 || m.us > MicrosPerDay {
		return p.outOfRange()
	}
	return true
}

// zone reads nothing, Z, UTC, GMT, or a sign and HH, HHMM, HH:MM or HH:MM:SS, after white space or not.
func (p *timeParser) zone(m *moment) bool {
	p.space()
	for _, word := range []string{"ZULU", "Z", "UTC", "GMT", "UT"} {
		if p.accept(word) {
			return p.rest == "" || p.rest[0] < 'A' || p.rest[0] > 'Z'
		}
	}
	sign := int64(1)
	switch {
	case p.accept("-"):
		sign = -1
	case !p.accept("+"):
		return true
	}
	digits := len(p.rest) - len(strings.TrimLeft(p.rest, "0123456789"))
	hour, ok := p.number(1, 4)
	if !ok {
		return false
	}
	var minute, sec int64
	switch {
	case p.accept(":"):
		if minute, ok = p.number(1, 2); !ok {
			return false
		}
		if p.accept(":") {
			if sec, ok = p.number(1, 2); !ok {
				return false
			}
		}
	case digits > 2:
		hour, minute = hour/100, hour%100
	}
	if hour > 15 || minute > 59 || sec > 59 { // MAX_TZDISP_HOUR
		return p.outOfRange()
	}
	m.zone = sign * (hour*3600 + minute*60 + sec)
	return true
}
