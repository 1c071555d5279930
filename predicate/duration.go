package predicate

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"frostline/coltype"
)

// duration is an interval: three numbers of which none is made of another.
type duration struct {
	months, days int32
	us           int64
}

// The infinite intervals of PostgreSQL 17 on.
var (
	endless   = duration{math.MaxInt32, math.MaxInt32, math.MaxInt64}
	beginless = duration{math.MinInt32, math.MinInt32, math.MinInt64}
)

func (d duration) isInf() bool { return d == endless || d == beginless }

// compare is interval_cmp: a month has 30 days, a day 24 hours.
func (d duration) compare(e duration) int {
	a, b := d.span(), e.span()
	for i := range a {
		if a[i] != b[i] {
			if a[i] < b[i] {
				return -1
			}
			return 1
		}
	}
	return 0
}

// span is whole days and the µs beyond.
func (d duration) span() [2]int64 {
	days, us := d.us/dayMicros, d.us%dayMicros
	if us < 0 {
		days, us = days-1, us+dayMicros
	}
	return [2]int64{int64(d.months)*30 + int64(d.days) + days, us}
}

// IntervalSpan is the text of an interval as interval_cmp compares it: days, of which a month has 30, and the µs beyond, fewer than
// a day has. Infinity is beyond all others. The errors are of texts that no interval prints.
func IntervalSpan(text string) (days, us int64, err error) {
	d, err := parseDuration(text)
	s := d.span()
	return s[0], s[1], err
}

func fit32(months, days, us *big.Int) (duration, error) {
	in := func(n *big.Int) bool { return n.IsInt64() && n.Int64() == int64(int32(n.Int64())) }
	if !in(months) || !in(days) || !us.IsInt64() {
		return duration{}, errRange
	}
	return duration{int32(months.Int64()), int32(days.Int64()), us.Int64()}, nil
}

func (d duration) add(e duration, sign int64) (duration, error) {
	if d.isInf() || e.isInf() {
		return duration{}, errRange
	}
	sum := func(a, b int64) *big.Int {
		return new(big.Int).Add(big.NewInt(a), new(big.Int).Mul(big.NewInt(b), big.NewInt(sign)))
	}
	return fit32(sum(int64(d.months), int64(e.months)), sum(int64(d.days), int64(e.days)), sum(d.us, e.us))
}

// scale is interval_mul and interval_div of src/backend/utils/adt/timestamp.c: what is left of a month goes to the days, of
// those to the time.
func (d duration) scale(by func(float64) float64) (duration, error) {
	round := func(x float64) float64 { return math.RoundToEven(x*1e6) / 1e6 }
	months, days := by(float64(d.months)), by(float64(d.days))
	if d.isInf() || math.IsNaN(months) || math.Abs(months) > math.MaxInt32 || math.IsNaN(days) || math.Abs(days) > math.MaxInt32 {
		return duration{}, errRange
	}
	restDays := round((months - math.Trunc(months)) * 30)
	rest := round((days - math.Trunc(days) + restDays - math.Trunc(restDays)) * 86400)
	whole := math.Trunc(days)
	if math.Abs(rest) >= 86400 {
		n := math.Trunc(rest / 86400)
		whole, rest = whole+n, rest-n*86400
	}
	whole += math.Trunc(restDays)
	us := math.RoundToEven(by(float64(d.us)) + rest*1e6)
	if math.IsNaN(us) || us < math.MinInt64 || us >= math.MaxInt64 || math.Abs(whole) > math.MaxInt32 {
		return duration{}, errRange
	}
	return duration{int32(math.Trunc(months)), int32(whole), int64(us)}, nil
}

// text is what interval_out prints with IntervalStyle postgres.
func (d duration) text() string {
	switch d {
	case endless:
		return "infinity"
	case beginless:
		return "-infinity"
	}
	var b strings.Builder
	before := false
	part := func(n int32, unit string) {
		if n == 0 {
			return
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		if before && n > 0 {
			b.WriteByte('+')
		}
		b.WriteString(strconv.Itoa(int(n)) + " " + unit)
		if n != 1 {
			b.WriteByte('s')
		}
		before = n < 0
	}
	part(d.months/12, "year")
	part(d.months%12, "mon")
	part(d.days, "day")
	if b.Len() > 0 && d.us == 0 {
		return b.String()
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	if d.us < 0 {
		b.WriteByte('-')
	} else if before {
		b.WriteByte('+')
	}
	us := magnitude(d.us)
	fmt.Fprintf(&b, "%02d:%02d:%02d", us/3600e6, us/60e6%60, us/1e6%60)
	if us%1e6 != 0 {
		b.WriteString(strings.TrimRight(fmt.Sprintf(".%06d", us%1e6), "0"))
	}
	return b.String()
}

// unit is how many months, days or µs one of it has.
type unit struct{ months, days, us int64 }

var units = func() map[string]unit {
	out := map[string]unit{}
	for names, u := range map[string]unit{
		"microsecond microseconds us usec usecs": {us: 1}, "millisecond milliseconds ms msec msecs": {us: 1000},
		"second seconds sec secs s": {us: 1e6}, "minute minutes min mins m": {us: 60e6}, "hour hours hr hrs h": {us: 3600e6},
		"day days d": {days: 1}, "week weeks w": {days: 7}, "month months mon mons": {months: 1}, "year years yr yrs y": {months: 12},
		"decade decades": {months: 120}, "century centuries": {months: 1200}, "millennium millennia": {months: 12000},
	} {
		for _, s := range strings.Fields(names) {
			out[s] = u
		}
	}
	return out
}()

// parseDuration reads `1 year 2 mons -3 days 04:05:06.7`, with ago or without, and P1Y2M3DT4H5M6.7S. Fractions, of six
// digits at most, are for weeks and smaller units.
func parseDuration(s string) (duration, error) {
	bad := func(why string) (duration, error) {
		if len(s) > 80 {
			s = strings.ToValidUTF8(s[:80], "") + "…"
		}
		return duration{}, fmt.Errorf("%w for type interval: %q: %s", coltype.ErrValue, s, why)
	}
	words := strings.Fields(lowerASCII(s))
	switch {
	case len(words) == 0:
		return bad("it is empty")
	case len(words) == 1 && (words[0] == "infinity" || words[0] == "+infinity"):
		return endless, nil
	case len(words) == 1 && words[0] == "-infinity":
		return beginless, nil
	case len(words) == 1 && words[0][0] == 'p':
		if words = isoWords(words[0][1:]); words == nil {
			return bad("want P1Y2M3DT4H5M6S")
		}
	}
	total := [3]*big.Int{new(big.Int), new(big.Int), new(big.Int)}
	last := len(words) - 1
	ago := last > 0 && words[last] == "ago"
	if ago {
		words = words[:last]
	}
	for i := 0; i < len(words); i++ {
		w := words[i]
		n := len(w) - len(strings.TrimLeft(w, "+-0123456789."))
		number, name := w[:n], w[n:]
		u, known := units[name]
		var part [3]*big.Int
		ok := false
		switch {
		case strings.HasPrefix(name, ":"):
			part, ok = clockParts(w)
		case name == "" && i+1 < len(words) && units[words[i+1]] != unit{}:
			i++
			part, ok = u2parts(number, units[words[i]])
		case name == "" && i == len(words)-1:
			part, ok = u2parts(number, unit{us: 1e6})
		case known:
			part, ok = u2parts(number, u)
		}
		if !ok {
			return bad("want a list like 1 year 2 months 3 days 04:05:06")
		}
		for k := range total {
			total[k].Add(total[k], part[k])
		}
	}
	if ago {
		for k := range total {
			total[k].Neg(total[k])
		}
	}
	d, err := fit32(total[0], total[1], total[2])
	if err != nil {
		return bad("a field is out of range")
	}
	return d, nil
}

// isoWords cuts 1Y2M3DT4H into numbers with units; nil is something else.
func isoWords(s string) (out []string) {
	names := map[byte]string{'y': "year", 'm': "month", 'w': "week", 'd': "day"}
	for s != "" {
		if s[0] == 't' {
			names = map[byte]string{'h': "hour", 'm': "minute", 's': "second"}
			if s = s[1:]; s == "" {
				return nil
			}
			continue
		}
		n := len(s) - len(strings.TrimLeft(s, "+-0123456789."))
		if n == 0 || n == len(s) || names[s[n]] == "" {
			return nil
		}
		out = append(out, s[:n]+names[s[n]])
		s = s[n+1:]
	}
	return out
}

// u2parts is number × u as months, days and µs.
func u2parts(number string, u unit) (out [3]*big.Int, ok bool) {
	whole, frac, _ := strings.Cut(strings.TrimLeft(number, "+-"), ".")
	if len(number)-len(strings.TrimLeft(number, "+-")) > 1 || whole+frac == "" || strings.Trim(whole+frac, "0123456789") != "" || len(frac) > 6 || len(whole) > 20 {
		return out, false
	}
	frac += strings.Repeat("0", 6-len(frac))
	n, _ := new(big.Int).SetString("0"+whole+frac, 10) // millionths
	if u.months > 0 && frac != "000000" {
		return out, false
	}
	if number[0] == '-' {
		n.Neg(n)
	}
	million := big.NewInt(1e6)
	product := func(by int64) *big.Int { return new(big.Int).Mul(n, big.NewInt(by)) }
	days, rest := new(big.Int).QuoRem(product(u.days), million, new(big.Int))
	us := quotient(product(u.us), million)
	us.Add(us, quotient(rest.Mul(rest, big.NewInt(dayMicros)), million))
	return [3]*big.Int{new(big.Int).Quo(product(u.months), million), days, us}, true
}

// clockParts reads [-]H:MM[:SS[.ffffff]].
func clockParts(s string) (out [3]*big.Int, ok bool) {
	text := strings.TrimLeft(s, "+-")
	parts := strings.Split(text, ":")
	if len(s)-len(text) > 1 || len(parts) > 3 {
		return out, false
	}
	us := new(big.Int)
	for i, p := range parts {
		if i > 0 && len(p) > 0 && (len(strings.SplitN(p, ".", 2)[0]) > 2 || p >= "60" && len(p) > 1) || i < 2 && strings.Contains(p, ".") || p == "" || strings.ContainsAny(p, "+-") {
			return out, false
		}
		part, ok := u2parts(p, []unit{{us: 3600e6}, {us: 60e6}, {us: 1e6}}[i])
		if !ok {
			return out, false
		}
		us.Add(us, part[2])
	}
	if s[0] == '-' {
		us.Neg(us)
	}
	return [3]*big.Int{new(big.Int), new(big.Int), us}, true
}
