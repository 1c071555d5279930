package coltype

import (
	"errors"
	"math/big"

	"github.com/apache/arrow-go/v18/arrow"
)

// Value is a non-NULL scalar of one Kind (never List), ordered as PostgreSQL orders it.
//
//	Bool                       I is 0 or 1
//	Int32, Int64               I
//	Float32, Float64           F (NaN equals NaN and is highest, -0 equals 0)
//	Decimal                    Big × 10^-Scale, or Special
//	String, Binary, UUID       S holds the bytes (a uuid's 16), compared as bytes
//	Date                       I is days since 2000-01-01; math.MaxInt32 and MinInt32 are ±infinity
//	Time                       I is µs since midnight, 24:00:00 included
//	Timestamp, TimestampTZ     I is µs since 2000-01-01; math.MaxInt64 and MinInt64 are ±infinity
//
// Dates and times are PostgreSQL's own numbers (src/include/datatype/timestamp.h), since Unix
// microseconds cannot hold its last years. A numeric without precision is stored as String; its
// Value is a Decimal all the same.
type Value struct {
	Kind    Kind
	I       int64
	F       float64
	S       string
	Big     *big.Int
	Scale   int
	Special Special
}

// Special marks the numeric values that have no digits.
type Special int8

// NaN is highest, above +Infinity.
const (
	Finite Special = iota
	NegInf
	PosInf
	NaN
)

// ErrValue is wrapped by every refusal of a text or of a cell's bytes.
var ErrValue = errors.New("invalid value")

// Compare orders two values of one Kind as PostgreSQL does; text by bytes. It panics when the
// kinds differ.
func Compare(a, b Value) int { panic("stub") }

// ParseText reads s as the input function of t does with the pinned settings (DateStyle ISO,
// TimeZone UTC): ISO dates and times, infinity, BC, NaN. bpchar is padded by the caller.
// Errors wrap ErrValue.
func ParseText(t Type, s string) (Value, error) { panic("stub") }

// AppendText appends what t's output function prints with the pinned settings.
func AppendText(dst []byte, t Type, v Value) []byte { panic("stub") }

// ValueAt is the value of row i of arr, a column of type t that is not NULL there.
func ValueAt(t Type, arr arrow.Array, i int) (Value, error) { panic("stub") }

// Map gives the mapped type of a PostgreSQL type. Every type that a column can have has one.
func Map(t PGType) (Type, error) { panic("stub") }

// Arrow is the Arrow schema of s with PARQUET:field_id metadata on every field, nested ones
// included: the columns, then the side column.
func (s Schema) Arrow() *arrow.Schema { panic("stub") }

// ArrowField is the Arrow field of one column, nullable, with its field ids.
func (c Column) ArrowField() arrow.Field { panic("stub") }

// NameFields gives every column its FieldName.
func NameFields(cols []Column) { panic("stub") }

// Array is a PostgreSQL array value of any shape. Elems are in storage order; a nil element is
// NULL, any other is the element's output text.
type Array struct {
	Dims  []int // empty: the empty array
	Lower []int // lower bounds, len(Dims)
	Elems []*string
}

// ParseArray reads an array literal with delimiter delim as array_in does (bounds prefix,
// nesting, quotes, NULL). Errors wrap ErrValue.
func ParseArray(s string, delim byte) (Array, error) { panic("stub") }

// AppendArray appends what array_out prints.
func AppendArray(dst []byte, a Array, delim byte) []byte { panic("stub") }
