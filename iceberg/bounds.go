package iceberg

import (
	"encoding/binary"
	"math"
	"math/big"
	"time"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	icego "github.com/apache/iceberg-go"
	"github.com/google/uuid"

	"frostline/coltype"
)

// encodeBound is v in Iceberg's single-value serialization for a column of type t; nil when it has none.
// Zero of a float is written as -0 below and +0 above, since other readers tell them apart.
func encodeBound(t coltype.Type, v *coltype.Value, upper bool) []byte {
	if v == nil || v.Kind != t.Kind {
		return nil
	}
	days, micros, stored := unixTime(*v)
	if !stored {
		return nil
	}
	var lit icego.Literal
	switch t.Kind {
	case coltype.Bool:
		lit = icego.BoolLiteral(v.I != 0)
	case coltype.Int32:
		if v.I < math.MinInt32 || v.I > math.MaxInt32 {
			return nil
		}
		lit = icego.Int32Literal(v.I)
	case coltype.Int64:
		lit = icego.Int64Literal(v.I)
	case coltype.Float32, coltype.Float64:
		f := v.F
		if math.IsNaN(f) {
			return nil
		}
		if f == 0 {
			f = math.Copysign(0, -1)
			if upper {
				f = 0
			}
		}
		if t.Kind == coltype.Float32 {
			lit = icego.Float32Literal(f)
		} else {
			lit = icego.Float64Literal(f)
		}
	case coltype.Decimal:
		if v.Scale != t.Scale || v.Big.BitLen() > 127 {
			return nil
		}
		lit = icego.DecimalLiteral{Val: decimal128.FromBigInt(v.Big), Scale: v.Scale}
	case coltype.String:
		lit = icego.StringLiteral(v.S)
	case coltype.Binary:
		lit = icego.BinaryLiteral(v.S)
	case coltype.UUID:
		u, err := uuid.FromBytes([]byte(v.S))
		if err != nil {
			return nil
		}
		lit = icego.UUIDLiteral(u)
	case coltype.Date:
		lit = icego.DateLiteral(days)
	case coltype.Time:
		lit = icego.TimeLiteral(v.I)
	case coltype.Timestamp, coltype.TimestampTZ:
		lit = icego.TimestampLiteral(micros)
	default:
		return nil
	}
	b, err := lit.MarshalBinary()
	if err != nil {
		return nil
	}
	return b
}

// decodeBound reads a bound of a column that is of type t now and may have been narrower when the bound was
// written: an int of 4 bytes, a float of 4. nil when the bytes are no bound of t.
func decodeBound(t coltype.Type, b []byte) *coltype.Value {
	v := &coltype.Value{Kind: t.Kind}
	int4 := func() bool { v.I = int64(int32(le32(b))); return len(b) == 4 }
	int8 := func() bool { v.I = int64(le64(b)); return len(b) == 8 }
	ok := false
	switch t.Kind {
	case coltype.Bool:
		if ok = len(b) == 1 && b[0] <= 1; ok {
			v.I = int64(b[0])
		}
	case coltype.Int32:
		ok = int4()
	case coltype.Int64:
		ok = int8() || int4()
	case coltype.Float32, coltype.Float64:
		switch {
		case len(b) == 4:
			v.F, ok = float64(math.Float32frombits(le32(b))), true
		case len(b) == 8 && t.Kind == coltype.Float64:
			v.F, ok = math.Float64frombits(le64(b)), true
		}
		ok = ok && !math.IsNaN(v.F)
	case coltype.Decimal:
		if ok = len(b) > 0 && len(b) <= 16; ok {
			v.Big, v.Scale = bigEndian(b), t.Scale
		}
	case coltype.String:
		// A numeric without precision is text to Iceberg and a number to us: the order of the texts says nothing.
		v.S, ok = string(b), t.Base != "numeric"
	case coltype.Binary:
		v.S, ok = string(b), true
	case coltype.UUID:
		v.S, ok = string(b), len(b) == 16
	case coltype.Date:
		if ok = int4(); ok {
			v.I -= epochDays
			ok = v.I > math.MinInt32
		}
	case coltype.Time:
		ok = int8() && v.I >= 0 && v.I <= dayMicros
	case coltype.Timestamp, coltype.TimestampTZ:
		if ok = int8() && v.I > math.MinInt64+epochMicros; ok {
			v.I -= epochMicros
		}
	}
	if !ok {
		return nil
	}
	return v
}

func le32(b []byte) uint32 {
	if len(b) != 4 {
		return 0
	}
	return binary.LittleEndian.Uint32(b)
}

func le64(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

// bigEndian is a two's complement number.
func bigEndian(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

// tupleBounds are the least and the greatest value that a partition value of a data file allows its source column,
// nil where it says nothing. value is as iceberg-go decodes it from a manifest, not nil.
func tupleBounds(p PartitionSpec, t coltype.Type, value any) (lo, hi *coltype.Value) {
	n, isInt := partitionInt(value)
	w, truncate := p.width()
	switch {
	case p.Transform == "year" || p.Transform == "month" || p.Transform == "day":
		if !isInt {
			return nil, nil
		}
		return spanBounds(p.Transform, t.Kind, n)
	case p.Transform == "identity" && t.Kind != coltype.Decimal && isInt:
		v := coltype.Value{Kind: t.Kind, I: n}
		switch t.Kind {
		case coltype.Date:
			v.I -= epochDays
		case coltype.Timestamp, coltype.TimestampTZ:
			if n < math.MinInt64+epochMicros {
				return nil, nil
			}
			v.I -= epochMicros
		}
		return &v, &v
	case truncate && isInt && (t.Kind == coltype.Int32 || t.Kind == coltype.Int64):
		lo = &coltype.Value{Kind: t.Kind, I: n}
		if n <= math.MaxInt64-(w-1) {
			hi = &coltype.Value{Kind: t.Kind, I: n + w - 1}
		}
		return lo, hi
	}
	switch x := value.(type) {
	case float32:
		return floatBounds(t, float64(x))
	case float64:
		return floatBounds(t, x)
	case icego.DecimalLiteral:
		return decimalBounds(t, x.Val.BigInt(), x.Scale, w, truncate)
	case icego.Decimal:
		return decimalBounds(t, x.Val.BigInt(), x.Scale, w, truncate)
	case uuid.UUID:
		v := &coltype.Value{Kind: t.Kind, S: string(x[:])}
		return v, v
	case string:
		return textBounds(t, x, int64(len([]rune(x))), w, truncate)
	case []byte:
		return textBounds(t, string(x), int64(len(x)), w, truncate)
	}
	return nil, nil
}

func partitionInt(value any) (int64, bool) {
	switch x := value.(type) {
	case bool:
		if x {
			return 1, true
		}
		return 0, true
	case int:
		return int64(x), true
	case int32:
		return int64(x), true
	case int64:
		return x, true
	case icego.Date:
		return int64(x), true
	case icego.Time:
		return int64(x), true
	case icego.Timestamp:
		return int64(x), true
	}
	return 0, false
}

func floatBounds(t coltype.Type, f float64) (lo, hi *coltype.Value) {
	if math.IsNaN(f) || t.Kind != coltype.Float32 && t.Kind != coltype.Float64 {
		return nil, nil
	}
	v := &coltype.Value{Kind: t.Kind, F: f}
	return v, v
}

func decimalBounds(t coltype.Type, n *big.Int, scale int, w int64, truncate bool) (lo, hi *coltype.Value) {
	if t.Kind != coltype.Decimal || scale != t.Scale {
		return nil, nil
	}
	lo = &coltype.Value{Kind: t.Kind, Big: n, Scale: scale}
	if !truncate {
		return lo, lo
	}
	return lo, &coltype.Value{Kind: t.Kind, Big: new(big.Int).Add(n, big.NewInt(w-1)), Scale: scale}
}

// textBounds of a string or binary of length n in characters or bytes.
func textBounds(t coltype.Type, s string, n, w int64, truncate bool) (lo, hi *coltype.Value) {
	if t.Kind != coltype.String && t.Kind != coltype.Binary || t.Base == "numeric" {
		return nil, nil
	}
	lo = &coltype.Value{Kind: t.Kind, S: s}
	if !truncate || n < w {
		return lo, lo
	}
	// Above every text that begins with s: s with its last byte below 0xFF raised.
	b := []byte(s)
	for len(b) > 0 && b[len(b)-1] == 0xFF {
		b = b[:len(b)-1]
	}
	if len(b) == 0 {
		return lo, nil
	}
	b[len(b)-1]++
	return lo, &coltype.Value{Kind: t.Kind, S: string(b)}
}

// spanBounds are the first and the last value of a year, month or day counted from 1970.
func spanBounds(transform string, kind coltype.Kind, n int64) (lo, hi *coltype.Value) {
	first, next := n, n+1 // in days
	if transform != "day" {
		day := func(n int64) int64 {
			if transform == "year" {
				n *= 12
			}
			return time.Date(1970, time.Month(1+n), 1, 0, 0, 0, 0, time.UTC).Unix() / 86400
		}
		first, next = day(n), day(n+1)
	}
	first, last := first-epochDays, next-1-epochDays
	switch kind {
	case coltype.Date:
		if first <= math.MinInt32 || last >= math.MaxInt32 {
			return nil, nil
		}
		return &coltype.Value{Kind: kind, I: first}, &coltype.Value{Kind: kind, I: last}
	case coltype.Timestamp, coltype.TimestampTZ:
		if first <= math.MinInt64/dayMicros || last >= math.MaxInt64/dayMicros-1 {
			return nil, nil
		}
		return &coltype.Value{Kind: kind, I: first * dayMicros}, &coltype.Value{Kind: kind, I: (last+1)*dayMicros - 1}
	}
	return nil, nil
}
