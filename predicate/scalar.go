package predicate

import (
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"frostline/coltype"
)

// scalar is a bound value: a column, a constant or what an operator makes of others.
type scalar interface {
	// eval gives the values of the rows in active; the others may have anything.
	eval(c *call, active []uint64) (*vec, error)
	// raises reports whether some values of the columns end in an error.
	raises() bool
}

// vec is the values of rows, in the form that their class has.
type vec struct {
	null []uint64
	mask int // -1; 0 where all rows have the value of row 0

	i  []int64    // boolean, whole numbers, date, time, timestamps: as coltype.Value has them
	f  []float64  // floats
	n  []num      // numeric
	s  []string   // texts, labels, bytes, uuid, json
	iv []duration // interval
	a  []*list    // arrays
}

func (v *vec) isNull(i int) bool { return v.null[(i&v.mask)/64]>>((i&v.mask)%64)&1 != 0 }

func (v *vec) int(i int) int64         { return v.i[i&v.mask] }
func (v *vec) float(i int) float64     { return v.f[i&v.mask] }
func (v *vec) num(i int) num           { return v.n[i&v.mask] }
func (v *vec) str(i int) string        { return v.s[i&v.mask] }
func (v *vec) duration(i int) duration { return v.iv[i&v.mask] }
func (v *vec) list(i int) *list        { return v.a[i&v.mask] }

// form is which of vec's fields holds a class.
type form uint8

const (
	formInt form = iota
	formFloat
	formNum
	formText
	formDuration
	formList
)

func (c class) form() form {
	switch c {
	case boolean, smallint, integer, bigint, oid, date, clock, timestamp, timestamptz:
		return formInt
	case float4, float8:
		return formFloat
	case numeric:
		return formNum
	case interval:
		return formDuration
	case arrayType:
		return formList
	}
	return formText
}

func newVec(f form, rows int) *vec {
	v := &vec{null: make([]uint64, (rows+63)/64), mask: -1}
	switch f {
	case formInt:
		v.i = make([]int64, rows)
	case formFloat:
		v.f = make([]float64, rows)
	case formNum:
		v.n = make([]num, rows)
	case formText:
		v.s = make([]string, rows)
	case formDuration:
		v.iv = make([]duration, rows)
	case formList:
		v.a = make([]*list, rows)
	}
	return v
}

// set puts a scalar value into row i.
func (v *vec) set(i int, c class, x coltype.Value) {
	switch c.form() {
	case formInt:
		if v.i[i] = x.I; x.Kind == coltype.Decimal { // a number literal
			v.i[i] = x.Big.Int64()
		}
	case formFloat:
		v.f[i] = x.F
	case formNum:
		v.n[i] = numOf(x)
	default:
		v.s[i] = x.S
	}
}

// value is row i as a coltype.Value of class c, which has one.
func (v *vec) value(i int, c class) coltype.Value {
	k := plain[c].Kind
	switch c.form() {
	case formInt:
		return coltype.Value{Kind: k, I: v.int(i)}
	case formFloat:
		return coltype.Value{Kind: k, F: v.float(i)}
	case formNum:
		return v.num(i).value()
	}
	if c == enum {
		k = coltype.String
	}
	return coltype.Value{Kind: k, S: v.str(i)}
}

// fixed is a constant.
type fixed struct {
	v     *vec
	class class // of what a coltype.Value holds
}

func (x *fixed) eval(*call, []uint64) (*vec, error) { return x.v, nil }
func (x *fixed) raises() bool                       { return false }

// fixedValue is a constant of class c; nil is NULL.
func fixedValue(c class, x *coltype.Value) *fixed {
	v := newVec(c.form(), 1)
	v.mask = 0
	if x == nil {
		v.null[0] = ^uint64(0)
	} else {
		v.set(0, c, *x)
	}
	return &fixed{v, c}
}

// cellsIn reads a column.
type cellsIn struct {
	*ref
	typ   coltype.Type
	class class
}

func (x *cellsIn) raises() bool { return false }

func (x *cellsIn) eval(c *call, active []uint64) (*vec, error) {
	arr, err := c.array(x.slot)
	if err != nil {
		return nil, err
	}
	v := newVec(x.class.form(), c.rows)
	nullBits(arr, v.null)
	left := c.get()
	defer c.put(left)
	for w := range left {
		left[w] = active[w] &^ v.null[w]
	}
	if err = x.read(arr, left, v); err == nil {
		for _, cell := range c.cellsOf(x.slot) {
			v.null[cell.row/64] &^= 1 << (cell.row % 64)
			if x.class != arrayType {
				v.set(cell.row, x.class, cell.value)
			} else if v.a[cell.row], err = parseList(x.typ, cell.text); err != nil {
				break
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("evaluate predicate: column %q: %w", c.cols[x.slot].Name, err)
	}
	return v, nil
}

// read takes the values of the rows in active, none of them NULL.
func (x *cellsIn) read(arr arrow.Array, active []uint64, v *vec) error {
	switch a := arr.(type) {
	case *array.Null:
		return nil
	case array.ExtensionArray:
		arr = a.Storage()
	}
	off := int64(0)
	switch x.typ.Kind {
	case coltype.Date:
		off = coltype.UnixToPGDays
	case coltype.Timestamp, coltype.TimestampTZ:
		off = coltype.UnixToPGMicros
	}
	if x.class.form() == formInt {
		switch a := arr.(type) {
		case *array.Int32:
			return takeInts(a.Int32Values(), off, v.i)
		case *array.Int64:
			return takeInts(a.Int64Values(), off, v.i)
		case *array.Date32:
			return takeInts(a.Date32Values(), off, v.i)
		case *array.Time64:
			return takeInts(a.Time64Values(), off, v.i)
		case *array.Timestamp:
			return takeInts(a.TimestampValues(), off, v.i)
		}
	}
	switch a := arr.(type) {
	case *array.Decimal128:
		list, scale := a.Values(), int(a.DataType().(*arrow.Decimal128Type).Scale)
		return eachRow(active, arr.Len(), func(i int) error {
			if d := list[i]; d.HighBits() == int64(d.LowBits())>>63 {
				v.n[i] = num{small: int64(d.LowBits()), scale: scale}
			} else {
				v.n[i] = num{big: d.BigInt(), scale: scale}
			}
			return nil
		})
	case *array.String:
		if x.class == numeric {
			return eachRow(active, arr.Len(), func(i int) (err error) { v.n[i], err = parseNum(a.Value(i)); return err })
		}
		if x.class.form() == formText {
			return eachRow(active, arr.Len(), func(i int) error { v.s[i] = a.Value(i); return nil })
		}
	}
	return eachRow(active, arr.Len(), func(i int) error {
		switch x.class {
		case arrayType:
			l, err := listAt(x.typ, arr, i)
			v.a[i] = l
			return err
		case interval:
			cell, err := coltype.ValueAt(plain[text], arr, i)
			if err == nil {
				v.iv[i], err = parseDuration(cell.S)
			}
			return err
		}
		cell, err := coltype.ValueAt(x.typ, arr, i)
		if err == nil {
			v.set(i, x.class, cell)
		}
		return err
	})
}

func takeInts[T ~int32 | ~int64](in []T, off int64, out []int64) error {
	for i, x := range in {
		out[i] = int64(x) - off
	}
	return nil
}

// eachRow calls f for the rows below n in active until one fails.
func eachRow(active []uint64, n int, f func(i int) error) (err error) {
	for w := range active {
		for left := active[w]; left != 0; left &= left - 1 {
			i := w*64 + trailing(left)
			if i >= n {
				return nil
			}
			if err = f(i); err != nil {
				return err
			}
		}
	}
	return nil
}

// errNull is what the function of an apply gives for NULL.
var errNull = errors.New("NULL")

// apply is a strict operator: NULL where an argument is.
type apply struct {
	x, y scalar // y is nil of a function of one argument
	out  class
	f    func(x, y *vec, i int, out *vec) error
	may  bool // f may raise
	e    Expr // for errors
	at   place
}

func (a *apply) raises() bool { return a.may || a.x.raises() || a.y != nil && a.y.raises() }

func (a *apply) eval(c *call, active []uint64) (*vec, error) {
	if err := c.stopped(); err != nil {
		return nil, err
	}
	x, err := a.x.eval(c, active)
	if err != nil {
		return nil, err
	}
	y := x
	if a.y != nil {
		if y, err = a.y.eval(c, active); err != nil {
			return nil, err
		}
	}
	out := newVec(a.out.form(), c.rows)
	left := c.get()
	defer c.put(left)
	for w := range left {
		out.null[w] = x.null[w&x.mask] | y.null[w&y.mask]
		left[w] = active[w] &^ out.null[w]
	}
	err = eachRow(left, c.rows, func(i int) error {
		err := a.f(x, y, i, out)
		if errors.Is(err, errNull) {
			out.null[i/64] |= 1 << (i % 64)
			return nil
		}
		return err
	})
	if err != nil {
		return nil, a.raised(err)
	}
	return out, nil
}

// raised is what an operator says of one row, as an error of the caller's with the expression.
func (a *apply) raised(err error) error { return raised(err, a.e, a.at) }

var (
	errDivision = errors.New("division by zero")
	errRange    = errors.New("the result is out of range")
)

func raised(err error, e Expr, at place) error {
	var mine *Error
	if errors.As(err, &mine) {
		return mine
	}
	out := &Error{Code: CodeInvalidValue, Field: at.field, Pos: at.pos, Msg: fmt.Sprintf("%s: %v", short(e), err)}
	switch {
	case errors.Is(err, errDivision):
		out.Code = CodeDivisionZero
		return out.hint("leave those rows out by a condition on the divisor before it, joined by AND")
	case errors.Is(err, errRange):
		out.Code = CodeOutOfRange
		return out.hint("cast an operand to a wider type, or leave those rows out by a condition before it, joined by AND")
	}
	return out
}

// short is e for a message.
func short(e Expr) string {
	s := []rune(e.String())
	if len(s) > 80 {
		return string(s[:80]) + "…"
	}
	return string(s)
}

// condition is a condition as a value of type boolean.
type condition struct{ node }

func (x condition) raises() bool { return raises(x.node) }

func (x condition) eval(c *call, active []uint64) (*vec, error) {
	v := newVec(formInt, c.rows)
	t := c.get()
	defer c.put(t)
	if err := x.node.eval(c, active, t, v.null); err != nil {
		return nil, err
	}
	for i := range v.i {
		v.i[i] = int64(t[i/64] >> (i % 64) & 1)
	}
	return v, nil
}
