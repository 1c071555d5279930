package load

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
)

func newNulls(n int64) arrow.Array { return array.NewNull(int(n)) }

// bindNested gives a list as an array literal for an array column; anything else nested is JSON.
func bindNested(a arrow.Array, w want) (appender, error) {
	list, ok := a.(array.ListLike)
	if w.elem == nil || !ok {
		return func(dst []byte, i int) ([]byte, error) { return appendJSON(dst, a, i) }, nil
	}
	values := list.ListValues()
	elem, err := bind(values, *w.elem)
	if err != nil {
		return nil, err
	}
	var scratch []byte
	return func(dst []byte, i int) ([]byte, error) {
		from, to := list.ValueOffsets(i)
		dst = append(dst, '{')
		for k := from; k < to; k++ {
			if k > from {
				dst = append(dst, w.delim)
			}
			if null(values, int(k)) {
				dst = coltype.AppendElement(dst, nil, w.delim)
				continue
			}
			var err error
			if scratch, err = elem(scratch[:0], int(k)); err != nil {
				return dst, fmt.Errorf("element %d: %w", k-from+1, err)
			}
			text := string(scratch)
			dst = coltype.AppendElement(dst, &text, w.delim)
		}
		return append(dst, '}'), nil
	}, nil
}

// null says whether row i is NULL, also by the value that a dictionary's index points to.
func null(a arrow.Array, i int) bool {
	if a.IsNull(i) || a.DataType().ID() == arrow.NULL {
		return true
	}
	d, ok := a.(*array.Dictionary)
	return ok && d.Dictionary().IsNull(d.GetValueIndex(i))
}

// appendJSON appends row i as JSON: numbers as they are (NaN and infinities as strings), bytes as \x and hex digits, times as
// PostgreSQL prints them, a map as an object.
func appendJSON(dst []byte, a arrow.Array, i int) ([]byte, error) {
	if null(a, i) {
		return append(dst, "null"...), nil
	}
	switch a := a.(type) {
	case *array.Map:
		return appendMap(dst, a, i)
	case array.ListLike:
		dst = append(dst, '[')
		from, to := a.ValueOffsets(i)
		for k := from; k < to; k++ {
			if k > from {
				dst = append(dst, ',')
			}
			var err error
			if dst, err = appendJSON(dst, a.ListValues(), int(k)); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	case *array.Struct:
		dst = append(dst, '{')
		for k, f := range a.DataType().(*arrow.StructType).Fields() {
			if k > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, f.Name), ':')
			var err error
			if dst, err = appendJSON(dst, a.Field(k), i); err != nil {
				return dst, err
			}
		}
		return append(dst, '}'), nil
	case array.ExtensionArray:
		if a.DataType().(arrow.ExtensionType).ExtensionName() != "arrow.uuid" {
			return appendJSON(dst, a.Storage(), i)
		}
	case *array.Dictionary:
		return appendJSON(dst, a.Dictionary(), a.GetValueIndex(i))
	case *array.Binary:
		return appendString(dst, `\x`+hex.EncodeToString(a.Value(i))), nil
	case *array.FixedSizeBinary:
		return appendString(dst, `\x`+hex.EncodeToString(a.Value(i))), nil
	case *array.Float64:
		if v := a.Value(i); math.IsNaN(v) || math.IsInf(v, 0) {
			return appendString(dst, string(coltype.AppendFloat8(nil, v))), nil
		}
	case *array.Float32:
		if v := float64(a.Value(i)); math.IsNaN(v) || math.IsInf(v, 0) {
			return appendString(dst, string(coltype.AppendFloat8(nil, v))), nil
		}
	}
	text, err := bind(a, want{scale: -1, fraction: 6})
	if err != nil {
		return dst, err
	}
	if bare(a.DataType().ID()) {
		return text(dst, i)
	}
	s, err := text(nil, i)
	if err == nil && !utf8.Valid(s) {
		err = errors.New("the bytes are no UTF-8 text")
	}
	return appendString(dst, string(s)), err
}

// bare types are JSON as their text is.
func bare(id arrow.Type) bool {
	return arrow.IsInteger(id) || arrow.IsFloating(id) || arrow.IsDecimal(id) || id == arrow.BOOL
}

// appendMap refuses a map that has a key twice: jsonb would drop one.
func appendMap(dst []byte, a *array.Map, i int) ([]byte, error) {
	key, err := bind(a.Keys(), want{scale: -1, fraction: 6})
	if err != nil {
		return dst, err
	}
	seen := map[string]bool{}
	dst = append(dst, '{')
	from, to := a.ValueOffsets(i)
	for k := from; k < to; k++ {
		if k > from {
			dst = append(dst, ',')
		}
		name, err := key(nil, int(k))
		if err != nil {
			return dst, err
		}
		if seen[string(name)] {
			return dst, fmt.Errorf("the map has the key %q twice", name)
		}
		seen[string(name)] = true
		dst = append(appendString(dst, string(name)), ':')
		if dst, err = appendJSON(dst, a.Items(), int(k)); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

func appendString(dst []byte, s string) []byte {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always can
	return append(dst, strings.TrimSuffix(b.String(), "\n")...)
}

// tryBind binds an empty array of a type: whether it has a form at all.
func tryBind(dt arrow.DataType, w want) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("Arrow type " + dt.String() + " has no form in PostgreSQL")
		}
	}()
	b := array.NewBuilder(memory.DefaultAllocator, dt)
	defer b.Release()
	a := b.NewArray()
	defer a.Release()
	_, err = bind(a, w)
	return err
}
