package coltype

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
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
func Compare(a, b Value) int {
	if a.Kind != b.Kind {
		panic(fmt.Sprintf("coltype.Compare: %v with %v", a.Kind, b.Kind))
	}
	switch a.Kind {
	case Bool, Int32, Int64, Date, Time, Timestamp, TimestampTZ:
		return cmp.Compare(a.I, b.I)
	case Float32, Float64:
		return compareFloat(a.F, b.F)
	case Decimal:
		return compareDecimal(a, b)
	case String, Binary, UUID:
		return strings.Compare(a.S, b.S)
	}
	panic(fmt.Sprintf("coltype.Compare: %v has no order", a.Kind))
}

func compareFloat(a, b float64) int {
	switch an, bn := math.IsNaN(a), math.IsNaN(b); {
	case an && bn:
		return 0
	case an:
		return 1
	case bn:
		return -1
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// specialRank orders -Infinity, the finite numbers, +Infinity and NaN.
func specialRank(s Special) int {
	switch s {
	case NegInf:
		return 0
	case PosInf:
		return 2
	case NaN:
		return 3
	}
	return 1
}

func compareDecimal(a, b Value) int {
	if a.Special != Finite || b.Special != Finite {
		return cmp.Compare(specialRank(a.Special), specialRank(b.Special))
	}
	if a.Scale == b.Scale {
		return a.Big.Cmp(b.Big)
	}
	if c := cmp.Compare(a.Big.Sign(), b.Big.Sign()); c != 0 || a.Big.Sign() == 0 {
		return c
	}
	if a.Scale < b.Scale {
		return new(big.Int).Mul(a.Big, Pow10(b.Scale-a.Scale)).Cmp(b.Big)
	}
	return a.Big.Cmp(new(big.Int).Mul(b.Big, Pow10(a.Scale-b.Scale)))
}

var smallPow10 = func() (list [39]*big.Int) {
	list[0] = big.NewInt(1)
	for i := 1; i < len(list); i++ {
		list[i] = new(big.Int).Mul(list[i-1], big.NewInt(10))
	}
	return list
}()

// Pow10 is 10^n, n ≥ 0. The caller does not change it: it is shared.
func Pow10(n int) *big.Int {
	if n < len(smallPow10) {
		return smallPow10[n]
	}
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}

func invalid(t Type, s, format string, args ...any) error {
	if len(s) > 80 {
		s = strings.ToValidUTF8(s[:80], "") + "…"
	}
	name := t.Name
	if name == "" {
		name = t.Base
	}
	if name == "" {
		name = t.Kind.String()
	}
	return fmt.Errorf("%w for type %s: %q: %s", ErrValue, name, s, fmt.Sprintf(format, args...))
}
