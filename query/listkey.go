package query

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"frostline/coltype"
)

// appendListKey is the key of row i of a list array, as array_cmp orders (src/backend/utils/adt/arrayfuncs.c): element by element,
// NULL highest, then their number, then the dimensions and the lower bounds.
func appendListKey(dst []byte, t coltype.Type, arr arrow.Array, i int) ([]byte, error) {
	a, ok := arr.(*array.List)
	if !ok {
		return nil, fmt.Errorf("an Arrow array of %v does not hold lists", arr.DataType())
	}
	f, _ := formOf(*t.Elem)
	from, to := a.ValueOffsets(i)
	for j := int(from); j < int(to); j++ {
		if a.ListValues().IsNull(j) {
			dst = append(dst, 2)
			continue
		}
		c, err := cellAt(*t.Elem, a.ListValues(), j)
		if err != nil {
			return nil, err
		}
		if dst, err = appendKey(append(dst, 1), *t.Elem, f, c.v); err != nil {
			return nil, err
		}
	}
	dst = append(dst, 0)
	if from == to {
		return appendShape(dst, nil, nil), nil
	}
	return appendShape(dst, []int{int(to - from)}, []int{1}), nil
}

// appendArrayKey is appendListKey of an array's text.
func appendArrayKey(dst []byte, t coltype.Type, text string) ([]byte, error) {
	a, err := coltype.ParseArray(text, t.Delim[0])
	if err != nil {
		return nil, err
	}
	f, _ := formOf(*t.Elem)
	for _, e := range a.Elems {
		if e == nil {
			dst = append(dst, 2)
			continue
		}
		v := coltype.Value{Kind: coltype.String, S: *e}
		if f != numericForm {
			if v, err = coltype.ParseText(*t.Elem, *e); err != nil {
				return nil, err
			}
		}
		if dst, err = appendKey(append(dst, 1), *t.Elem, f, v); err != nil {
			return nil, err
		}
	}
	return appendShape(append(dst, 0), a.Dims, a.Lower), nil
}

func appendShape(dst []byte, dims, lower []int) []byte {
	dst = append(dst, byte(len(dims)))
	for _, n := range dims {
		dst = appendWhole(dst, int64(n))
	}
	for _, n := range lower {
		dst = appendWhole(dst, int64(n))
	}
	return dst
}
