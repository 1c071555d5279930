package query

import (
	"bytes"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"frostline/coltype"
)

// state is one aggregate over a number of groups. It serves one goroutine.
type state interface {
	// grow makes room for n groups.
	grow(n int)
	// add takes a batch: groups says each row's, nil is group 0 for all; side are the column's cells in the side column.
	add(groups []int32, arr arrow.Array, side []sideText) error
	// addCell takes one value that is not NULL.
	addCell(group int32, c cell) error
	// merge takes the groups of o, a state of the same aggregate: into says which each of them is here.
	merge(o state, into []int32) error
	// result is the aggregate of a group.
	result(group int) (cell, error)
	bytes() int64
}

// newState is the state of an aggregate over column c, and the type of its result.
func newState(a Aggregate, c coltype.Column) (func() state, coltype.Type, error) {
	refuse := func(hint string) (func() state, coltype.Type, error) {
		return nil, coltype.Type{}, badRequest("type_mismatch", "aggregates", hint, "there is no %s of column %q, which is %s", a.Func, c.Name, c.Type.Name)
	}
	f, o := formOf(c.Type)
	if a.Distinct && o == noOrder {
		return refuse("values of that type have no equality here")
	}
	var build func() state
	result := int8Type
	switch a.Func {
	case "count":
		build = func() state { return &counter64{} }
	case "sum", "avg":
		avg := a.Func == "avg"
		switch {
		case f == floatForm:
			if result = c.Type; avg {
				result = float8Type
			}
			result = plainType(result)
			build = func() state { return &floatSum{avg: avg, single: result.Kind == coltype.Float32} }
		case c.Type.Wire == coltype.WireInt2, c.Type.Wire == coltype.WireInt4, c.Type.Wire == coltype.WireInt8, f == decimalForm, f == numericForm:
			whole := !avg && (c.Type.Wire == coltype.WireInt2 || c.Type.Wire == coltype.WireInt4)
			if !whole {
				result = numericType
			}
			build = func() state { return &exactSums{t: c.Type, avg: avg, whole: whole} }
		default:
			return refuse("sum and avg are of numbers")
		}
	case "min", "max":
		result = c.Type
		sign := 1
		if a.Func == "max" {
			sign = -1
		}
		switch {
		case c.Type.Kind == coltype.Bool, c.Type.Kind == coltype.UUID:
			return refuse("PostgreSQL has none either")
		case o != totalOrder:
			return refuse("values of that type have no order here")
		case f == wholeForm:
			build = func() state { return &extremeWhole{t: c.Type, max: a.Func == "max"} }
		default:
			build = func() state { return &extreme{t: c.Type, f: f, sign: sign} }
		}
	}
	if a.Distinct && a.Func != "min" && a.Func != "max" {
		inner := build
		build = func() state { return &distinct{in: newInterner(c.Type), pairs: map[uint64]struct{}{}, inner: inner} }
	}
	return build, result, nil
}

var (
	int8Type    = coltype.Type{Kind: coltype.Int64, Wire: coltype.WireInt8, Name: "bigint", Base: "int8"}
	float8Type  = coltype.Type{Kind: coltype.Float64, Wire: coltype.WireFloat8, Name: "double precision", Base: "float8"}
	numericType = coltype.Type{Kind: coltype.String, Wire: coltype.WireNumeric, Name: "numeric", Base: "numeric"}
)

// plainType is a float's type without its domain.
func plainType(t coltype.Type) coltype.Type {
	if t.Kind == coltype.Float32 {
		t.Name = "real"
	} else {
		t.Name = "double precision"
	}
	return t
}

func ensure[T any](s []T, n int) []T {
	if n <= len(s) {
		return s
	}
	return append(s, make([]T, n-len(s))...)
}

func groupOf(groups []int32, i int) int32 {
	if groups == nil {
		return 0
	}
	return groups[i]
}

// addSide adds the side column's cells of a column of type t to s.
func addSide(s state, t coltype.Type, groups []int32, side []sideText) error {
	for _, e := range side {
		c, err := exactCell(t, e.text)
		if err != nil {
			return err
		}
		if err := s.addCell(groupOf(groups, e.row), c); err != nil {
			return err
		}
	}
	return nil
}

// counter64 is count(column).
type counter64 struct{ n []int64 }

func (s *counter64) grow(n int) { s.n = ensure(s.n, n) }

func (s *counter64) add(groups []int32, arr arrow.Array, side []sideText) error {
	if groups == nil {
		s.n[0] += int64(arr.Len() - arr.NullN())
	} else {
		for i := range arr.Len() {
			if arr.IsValid(i) {
				s.n[groups[i]]++
			}
		}
	}
	for _, c := range side {
		s.n[groupOf(groups, c.row)]++
	}
	return nil
}

// addRows is count(*) of a batch.
func (s *counter64) addRows(groups []int32, rows int) {
	if groups == nil {
		s.n[0] += int64(rows)
		return
	}
	for _, g := range groups {
		s.n[g]++
	}
}

func (s *counter64) addCell(g int32, _ cell) error {
	s.n[g]++
	return nil
}

func (s *counter64) merge(o state, into []int32) error {
	for g, n := range o.(*counter64).n[:len(into)] {
		s.n[into[g]] += n
	}
	return nil
}

func (s *counter64) result(g int) (cell, error) {
	return cell{v: coltype.Value{Kind: coltype.Int64, I: s.n[g]}}, nil
}

func (s *counter64) bytes() int64 { return int64(cap(s.n)) * 8 }

// extremeWhole is min and max of whole numbers, dates and times.
type extremeWhole struct {
	t   coltype.Type
	max bool
	v   []int64
	set []bool
}

func (s *extremeWhole) grow(n int) { s.v, s.set = ensure(s.v, n), ensure(s.set, n) }

func (s *extremeWhole) put(g int32, v int64) {
	if !s.set[g] || v < s.v[g] != s.max && v != s.v[g] {
		s.v[g], s.set[g] = v, true
	}
}

func (s *extremeWhole) add(groups []int32, arr arrow.Array, side []sideText) error {
	if err := s.addTyped(groups, arr); err != nil {
		return err
	}
	return addSide(s, s.t, groups, side)
}

func (s *extremeWhole) addTyped(groups []int32, arr arrow.Array) error {
	if arr.NullN() == arr.Len() {
		return nil
	}
	if groups == nil && arr.NullN() == 0 {
		switch a := arr.(type) {
		case *array.Int32:
			s.put(0, int64(extremeOf(a.Int32Values(), s.max)))
			return nil
		case *array.Int64:
			s.put(0, extremeOf(a.Int64Values(), s.max))
			return nil
		}
	}
	at, err := wholeAt(arr)
	if err != nil {
		return err
	}
	nulls := arr.NullN() > 0
	for i := range arr.Len() {
		if !nulls || arr.IsValid(i) {
			s.put(groupOf(groups, i), at(i))
		}
	}
	return nil
}

func extremeOf[T int32 | int64](list []T, largest bool) T {
	best := list[0]
	if largest {
		for _, v := range list {
			best = max(best, v)
		}
		return best
	}
	for _, v := range list {
		best = min(best, v)
	}
	return best
}

func (s *extremeWhole) addCell(g int32, c cell) error {
	s.put(g, c.v.I)
	return nil
}

func (s *extremeWhole) merge(o state, into []int32) error {
	from := o.(*extremeWhole)
	for g, to := range into {
		if from.set[g] {
			s.put(to, from.v[g])
		}
	}
	return nil
}

func (s *extremeWhole) result(g int) (cell, error) {
	if !s.set[g] {
		return cell{null: true}, nil
	}
	return cell{v: coltype.Value{Kind: s.t.Kind, I: s.v[g]}}, nil
}

func (s *extremeWhole) bytes() int64 { return int64(cap(s.v)) * 9 }

// extreme is min and max of everything else, by keys.
type extreme struct {
	t    coltype.Type
	f    form
	sign int // -1 for max
	keys [][]byte
	best []cell
	key  []byte
	mem  int64
}

func (s *extreme) grow(n int) { s.keys, s.best = ensure(s.keys, n), ensure(s.best, n) }

func (s *extreme) add(groups []int32, arr arrow.Array, side []sideText) error {
	if err := s.addTyped(groups, arr); err != nil {
		return err
	}
	return addSide(s, s.t, groups, side)
}

func (s *extreme) addTyped(groups []int32, arr arrow.Array) error {
	at, quick := plainBytes(s.f, arr)
	key := s.quickKey(arr)
	for i := range arr.Len() {
		if arr.IsNull(i) {
			continue
		}
		g := groupOf(groups, i)
		if key != nil && s.keys[g] != nil && bytes.Compare(key(i), s.keys[g])*s.sign >= 0 {
			continue
		}
		if quick && s.keys[g] != nil {
			// The bytes compare as their keys do.
			if b := at(i); (strings.Compare(b, s.best[g].v.S) < 0) == (s.sign < 0) || b == s.best[g].v.S {
				continue
			}
		}
		c, err := cellAt(s.t, arr, i)
		if err != nil {
			return err
		}
		if err := s.addCell(g, c); err != nil {
			return err
		}
	}
	return nil
}

// quickKey makes the keys of arr's rows, which are not NULL, without a cell; nil where it cannot.
func (s *extreme) quickKey(arr arrow.Array) func(i int) []byte {
	buf := make([]byte, 0, 17)
	switch a := arr.(type) {
	case *array.Float32:
		return func(i int) []byte { return appendFloat(buf, float64(a.Value(i))) }
	case *array.Float64:
		return func(i int) []byte { return appendFloat(buf, a.Value(i)) }
	case *array.Decimal128:
		if s.f == decimalForm && int(a.DataType().(*arrow.Decimal128Type).Scale) == s.t.Scale {
			return func(i int) []byte { return appendNum(buf, a.Value(i)) }
		}
	}
	return nil
}

// plainBytes reads the rows of arr where bytes compare as the values do.
func plainBytes(f form, arr arrow.Array) (func(i int) string, bool) {
	if f != bytesForm {
		return nil, false
	}
	switch a := arr.(type) {
	case *array.String:
		return func(i int) string { return a.Value(i) }, true
	case *array.Binary:
		return a.ValueString, true
	}
	return nil, false
}

func (s *extreme) addCell(g int32, c cell) error {
	var err error
	if s.key, err = appendCellKey(s.key[:0], s.t, s.f, c); err != nil {
		return err
	}
	if s.keys[g] != nil && bytes.Compare(s.key, s.keys[g])*s.sign >= 0 {
		return nil
	}
	s.mem += int64(len(s.key)-cap(s.keys[g])) + c.bytes() - s.best[g].bytes()
	s.keys[g] = append(s.keys[g][:0], s.key...)
	s.best[g] = c
	return nil
}

func (s *extreme) merge(o state, into []int32) error {
	from := o.(*extreme)
	for g, to := range into {
		if from.keys[g] != nil {
			if err := s.addCell(to, from.best[g]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *extreme) result(g int) (cell, error) {
	if s.keys[g] == nil {
		return cell{null: true}, nil
	}
	return s.best[g], nil
}

func (s *extreme) bytes() int64 { return s.mem + int64(cap(s.keys))*24 + int64(cap(s.best))*128 }

// outOfRange is PostgreSQL's refusal of a sum.
func outOfRange(what string) error {
	return badRequest("out_of_range", "aggregates", "", "%s out of range", what)
}
