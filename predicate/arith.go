package predicate

import (
	"math"
	"math/bits"
)

// arithmetic is an operator on some classes; make gives the class of the result.
type arithmetic struct {
	op   string
	l, r func(class) bool
	make func(l, r class) (class, rowFunc)
}

func oneOf(list ...class) func(class) bool {
	return func(c class) bool {
		for _, x := range list {
			if c == x {
				return true
			}
		}
		return false
	}
}

func isNum(c class) bool     { return c.isNumber() && c != oid }
func isMoment(c class) bool  { return c.isMoment() }
func isModulus(c class) bool { return c.isInt() || c == numeric }

var isSmall = oneOf(smallint, integer)

// arithmetics are the operators of pg_operator for numbers, dates, times and intervals.
var arithmetics = []arithmetic{
	{"+", isNum, isNum, func(l, r class) (class, rowFunc) { return numbers(l, r, '+') }},
	{"-", isNum, isNum, func(l, r class) (class, rowFunc) { return numbers(l, r, '-') }},
	{"*", isNum, isNum, func(l, r class) (class, rowFunc) { return numbers(l, r, '*') }},
	{"/", isNum, isNum, func(l, r class) (class, rowFunc) { return numbers(l, r, '/') }},
	{"%", isModulus, isModulus, func(l, r class) (class, rowFunc) { return numbers(l, r, '%') }},

	{"+", oneOf(date), isSmall, func(_, _ class) (class, rowFunc) {
		return date, func(x, y *vec, i int, out *vec) (err error) { out.i[i], err = addDays(x.int(i), y.int(i)); return err }
	}},
	{"+", isSmall, oneOf(date), func(_, _ class) (class, rowFunc) {
		return date, func(x, y *vec, i int, out *vec) (err error) { out.i[i], err = addDays(y.int(i), x.int(i)); return err }
	}},
	{"-", oneOf(date), isSmall, func(_, _ class) (class, rowFunc) {
		return date, func(x, y *vec, i int, out *vec) (err error) { out.i[i], err = addDays(x.int(i), -y.int(i)); return err }
	}},
	{"-", oneOf(date), oneOf(date), func(_, _ class) (class, rowFunc) {
		return integer, func(x, y *vec, i int, out *vec) (err error) {
			out.i[i], err = daysBetween(x.int(i), y.int(i))
			return err
		}
	}},
	{"-", isMoment, isMoment, func(l, r class) (class, rowFunc) {
		return interval, func(x, y *vec, i int, out *vec) error {
			a, err := x.micros(l, i)
			c, err2 := y.micros(r, i)
			if err == nil {
				err = err2
			}
			if err == nil {
				out.iv[i], err = since(a, c)
			}
			return err
		}
	}},
	{"+", isMoment, oneOf(interval), func(l, _ class) (class, rowFunc) { return shift(l, false, 1) }},
	{"-", isMoment, oneOf(interval), func(l, _ class) (class, rowFunc) { return shift(l, false, -1) }},
	{"+", oneOf(interval), isMoment, func(_, r class) (class, rowFunc) { return shift(r, true, 1) }},
	{"+", oneOf(date), oneOf(clock), func(_, _ class) (class, rowFunc) {
		return timestamp, func(x, y *vec, i int, out *vec) (err error) { out.i[i], err = atClock(x.int(i), y.int(i)); return err }
	}},
	{"+", oneOf(clock), oneOf(date), func(_, _ class) (class, rowFunc) {
		return timestamp, func(x, y *vec, i int, out *vec) (err error) { out.i[i], err = atClock(y.int(i), x.int(i)); return err }
	}},
	{"-", oneOf(clock), oneOf(clock), func(_, _ class) (class, rowFunc) {
		return interval, func(x, y *vec, i int, out *vec) error { out.iv[i] = duration{us: x.int(i) - y.int(i)}; return nil }
	}},
	{"+", oneOf(clock), oneOf(interval), func(_, _ class) (class, rowFunc) {
		return clock, func(x, y *vec, i int, out *vec) (err error) {
			out.i[i], err = clockPlus(x.int(i), y.duration(i), 1)
			return err
		}
	}},
	{"-", oneOf(clock), oneOf(interval), func(_, _ class) (class, rowFunc) {
		return clock, func(x, y *vec, i int, out *vec) (err error) {
			out.i[i], err = clockPlus(x.int(i), y.duration(i), -1)
			return err
		}
	}},
	{"+", oneOf(interval), oneOf(clock), func(_, _ class) (class, rowFunc) {
		return clock, func(x, y *vec, i int, out *vec) (err error) {
			out.i[i], err = clockPlus(y.int(i), x.duration(i), 1)
			return err
		}
	}},
	{"+", oneOf(interval), oneOf(interval), func(_, _ class) (class, rowFunc) {
		return interval, func(x, y *vec, i int, out *vec) (err error) {
			out.iv[i], err = x.duration(i).add(y.duration(i), 1)
			return err
		}
	}},
	{"-", oneOf(interval), oneOf(interval), func(_, _ class) (class, rowFunc) {
		return interval, func(x, y *vec, i int, out *vec) (err error) {
			out.iv[i], err = x.duration(i).add(y.duration(i), -1)
			return err
		}
	}},
	{"*", oneOf(interval), isNum, func(_, r class) (class, rowFunc) {
		return interval, func(x, y *vec, i int, out *vec) error { return times(x.duration(i), y, r, i, out) }
	}},
	{"*", isNum, oneOf(interval), func(l, _ class) (class, rowFunc) {
		return interval, func(x, y *vec, i int, out *vec) error { return times(y.duration(i), x, l, i, out) }
	}},
	{"/", oneOf(interval), isNum, func(_, r class) (class, rowFunc) {
		return interval, func(x, y *vec, i int, out *vec) error {
			f, err := y.asFloat(r, i)
			if err == nil && f == 0 {
				err = errDivision
			}
			if err == nil {
				out.iv[i], err = x.duration(i).scale(func(part float64) float64 { return part / f })
			}
			return err
		}
	}},
}

func times(d duration, v *vec, c class, i int, out *vec) error {
	f, err := v.asFloat(c, i)
	if err == nil {
		out.iv[i], err = d.scale(func(part float64) float64 { return part * f })
	}
	return err
}

// micros is a moment as a timestamp.
func (v *vec) micros(c class, i int) (int64, error) {
	if c == date {
		return dayToMicros(v.int(i))
	}
	return v.int(i), nil
}

// shift is moment ± interval, or interval + moment when swapped.
func shift(c class, swapped bool, sign int64) (class, rowFunc) {
	out := c
	if c == date {
		out = timestamp
	}
	return out, func(x, y *vec, i int, v *vec) error {
		if swapped {
			x, y = y, x
		}
		us, err := x.micros(c, i)
		if err == nil {
			v.i[i], err = addDuration(us, y.duration(i), sign)
		}
		return err
	}
}

// atClock is date + time.
func atClock(day, us int64) (int64, error) {
	at, err := dayToMicros(day)
	if err != nil || !finite(at) {
		return at, err
	}
	return joinDay(day, us)
}

// numbers is the class in which PostgreSQL computes l op r, and its function.
func numbers(l, r class, op byte) (class, rowFunc) {
	switch {
	case l == float4 && r == float4:
		return float4, func(x, y *vec, i int, out *vec) (err error) {
			out.f[i], err = floats(x.float(i), y.float(i), op, func(f float64) float64 { return float64(float32(f)) })
			return err
		}
	case l.isFloat() || r.isFloat():
		return float8, func(x, y *vec, i int, out *vec) error {
			a, err := x.asFloat(l, i)
			if err != nil {
				return err
			}
			c, err := y.asFloat(r, i)
			if err == nil {
				out.f[i], err = floats(a, c, op, func(f float64) float64 { return f })
			}
			return err
		}
	case l == numeric || r == numeric:
		f := map[byte]func(a, b num) (num, error){'+': num.add, '-': func(a, b num) (num, error) { return a.add(b.neg()) }, '*': num.mul, '/': num.div, '%': num.mod}[op]
		return numeric, func(x, y *vec, i int, out *vec) (err error) {
			out.n[i], err = f(x.asNum(l, i), y.asNum(r, i))
			return err
		}
	}
	c := max(l, r) // smallint, integer, bigint stand in this order
	least := leastOf(c)
	return c, func(x, y *vec, i int, out *vec) (err error) {
		out.i[i], err = integers(x.int(i), y.int(i), op, least)
		return err
	}
}

// integers computes in the type whose least value is least.
func integers(a, b int64, op byte, least int64) (int64, error) {
	var n int64
	switch op {
	case '+':
		if n = a + b; (n > a) != (b > 0) && b != 0 {
			return 0, errRange
		}
	case '-':
		if n = a - b; (n < a) != (b > 0) && b != 0 {
			return 0, errRange
		}
	case '*':
		hi, lo := bits.Mul64(magnitude(a), magnitude(b))
		negative := (a < 0) != (b < 0)
		if hi != 0 || lo > 1<<63 || lo == 1<<63 && !negative {
			return 0, errRange
		}
		n = a * b
	default:
		if b == 0 {
			return 0, errDivision
		}
		if op == '%' {
			if b == -1 {
				return 0, nil
			}
			return a % b, nil
		}
		if b == -1 && a == least {
			return 0, errRange
		}
		n = a / b
	}
	if n < least || n > -(least+1) {
		return 0, errRange
	}
	return n, nil
}

// floats computes as float8pl and its like: an overflow and an underflow are errors. cut brings the result to the type.
func floats(a, b float64, op byte, cut func(float64) float64) (float64, error) {
	var f float64
	under := false
	switch op {
	case '+':
		f = cut(a + b)
	case '-':
		f = cut(a - b)
	case '*':
		f = cut(a * b)
		under = f == 0 && a != 0 && b != 0
	default:
		if b == 0 && !math.IsNaN(a) {
			return 0, errDivision
		}
		f = cut(a / b)
		under = f == 0 && a != 0 && !math.IsInf(b, 0)
		if math.IsInf(f, 0) && math.IsInf(a, 0) {
			return f, nil
		}
	}
	if under || math.IsInf(f, 0) && !math.IsInf(a, 0) && (op == '/' || !math.IsInf(b, 0)) {
		return 0, errRange
	}
	return f, nil
}
