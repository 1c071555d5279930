package coltype

import (
	"fmt"
	"math"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// ValueAt is the value of row i of arr, a column of type t that is not NULL there. arr has the type that
// [Column.ArrowField] gives, or that one dictionary-encoded, large, or narrower where Iceberg
// promotes (int for long, float for double, a decimal of other precision). The text of a numeric
// without precision is read into a Decimal. An array of another type, and a value that PostgreSQL does
// not have, is an error that wraps ErrValue.
func ValueAt(t Type, arr arrow.Array, i int) (Value, error) {
	switch a := arr.(type) {
	case *array.Dictionary:
		return ValueAt(t, a.Dictionary(), a.GetValueIndex(i))
	case array.ExtensionArray:
		return ValueAt(t, a.Storage(), i)
	}
	switch t.Kind {
	case Bool:
		if a, ok := arr.(*array.Boolean); ok {
			if a.Value(i) {
				return Value{Kind: Bool, I: 1}, nil
			}
			return Value{Kind: Bool}, nil
		}
	case Int32, Int64:
		switch a := arr.(type) {
		case *array.Int32:
			return Value{Kind: t.Kind, I: int64(a.Value(i))}, nil
		case *array.Int64:
			return Value{Kind: t.Kind, I: a.Value(i)}, nil
		}
	case Float32, Float64:
		switch a := arr.(type) {
		case *array.Float32:
			return Value{Kind: t.Kind, F: float64(a.Value(i))}, nil
		case *array.Float64:
			return Value{Kind: t.Kind, F: a.Value(i)}, nil
		}
	case Decimal:
		if a, ok := arr.(*array.Decimal128); ok {
			scale := int(a.DataType().(*arrow.Decimal128Type).Scale)
			return Value{Kind: Decimal, Big: a.Value(i).BigInt(), Scale: scale}, nil
		}
	case String:
		if a, ok := arr.(interface{ Value(int) string }); ok {
			if t.Base == "numeric" {
				return parseNumeric(t, a.Value(i))
			}
			return Value{Kind: String, S: strings.Clone(a.Value(i))}, nil
		}
	case Binary, UUID:
		if a, ok := arr.(interface{ Value(int) []byte }); ok {
			b := a.Value(i)
			if t.Kind == UUID && len(b) != 16 {
				return Value{}, fmt.Errorf("%w for type uuid: %d bytes, want 16", ErrValue, len(b))
			}
			return Value{Kind: t.Kind, S: string(b)}, nil
		}
	case Date:
		if a, ok := arr.(*array.Date32); ok {
			return Value{Kind: Date, I: int64(a.Value(i)) - UnixToPGDays}, nil
		}
	case Time:
		if a, ok := arr.(*array.Time64); ok {
			return Value{Kind: Time, I: int64(a.Value(i))}, nil
		}
	case Timestamp, TimestampTZ:
		if a, ok := arr.(*array.Timestamp); ok {
			us := int64(a.Value(i))
			if us < math.MinInt64+UnixToPGMicros {
				return Value{}, fmt.Errorf("%w for type %s: %d µs before 1970", ErrValue, t.Name, us)
			}
			return Value{Kind: t.Kind, I: us - UnixToPGMicros}, nil
		}
	}
	return Value{}, fmt.Errorf("%w: an Arrow array of %v does not hold values of %s (%v)", ErrValue, arr.DataType(), t.Name, t.Kind)
}
