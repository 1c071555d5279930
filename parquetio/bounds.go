package parquetio

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/big"
	"unicode/utf8"

	"frostline/coltype"
)

// boundBytes is the longest string or binary bound that is kept.
const boundBytes = 64

// leafBounds are what is known of the values of a page, a chunk or a file while it is written.
type leafBounds struct {
	has        bool // a minimum and a maximum were seen
	i0, i1     int64
	f0, f1     float64
	b0, b1     []byte // b1 nil while has is set: there is no upper bound
	cut0, cut1 bool   // b0, b1 are shortened
	nulls      int64
	nans       int64
}

// boundsOf takes the bounds of a page.
func boundsOf(l *leaf, p *pageValues) leafBounds {
	b := leafBounds{nulls: int64(p.nulls)}
	switch l.elem.typ {
	case physBool:
		for _, v := range p.bools {
			b.addInt(int64(v))
		}
	case physInt32:
		if len(p.i32) > 0 {
			lo, hi := p.i32[0], p.i32[0]
			for _, v := range p.i32 {
				lo, hi = min(lo, v), max(hi, v)
			}
			b.has, b.i0, b.i1 = true, int64(lo), int64(hi)
		}
	case physInt64:
		if len(p.i64) > 0 {
			lo, hi := p.i64[0], p.i64[0]
			for _, v := range p.i64 {
				lo, hi = min(lo, v), max(hi, v)
			}
			b.has, b.i0, b.i1 = true, lo, hi
		}
	case physFloat:
		for _, v := range p.i32 {
			b.addFloat(float64(math.Float32frombits(uint32(v))))
		}
	case physDouble:
		for _, v := range p.i64 {
			b.addFloat(math.Float64frombits(uint64(v)))
		}
	case physFixed:
		less := compareFixed(l.typ.Kind)
		w := int(l.elem.typeLength)
		for i := 0; i+w <= len(p.data); i += w {
			v := p.data[i : i+w]
			if !b.has {
				b.has, b.b0, b.b1 = true, v, v
			} else if less(v, b.b0) < 0 {
				b.b0 = v
			} else if less(v, b.b1) > 0 {
				b.b1 = v
			}
		}
		b.b0, b.b1 = bytes.Clone(b.b0), bytes.Clone(b.b1)
	case physByteArray:
		b.addStrings(p, l.typ.Kind == coltype.String)
	}
	return b
}

func (b *leafBounds) addInt(v int64) {
	if !b.has {
		b.has, b.i0, b.i1 = true, v, v
		return
	}
	b.i0, b.i1 = min(b.i0, v), max(b.i1, v)
}

func (b *leafBounds) addFloat(v float64) {
	switch {
	case v != v:
		b.nans++
	case !b.has:
		b.has, b.f0, b.f1 = true, v, v
	case v < b.f0:
		b.f0 = v
	case v > b.f1:
		b.f1 = v
	}
}

func (b *leafBounds) addStrings(p *pageValues, text bool) {
	if len(p.offs) < 2 {
		return
	}
	lo := p.data[:p.offs[1]]
	hi := lo
	for i := 2; i < len(p.offs); i++ {
		v := p.data[p.offs[i-1]:p.offs[i]]
		if bytes.Compare(v, lo) < 0 {
			lo = v
		} else if bytes.Compare(v, hi) > 0 {
			hi = v
		}
	}
	b.has = true
	b.b0, b.cut0 = lowerPrefix(lo, text), len(lo) > boundBytes
	b.b1, b.cut1 = upperPrefix(hi, text), len(hi) > boundBytes
}

// lowerPrefix is a bound at or below v of at most boundBytes bytes.
func lowerPrefix(v []byte, text bool) []byte {
	if len(v) <= boundBytes {
		return append([]byte{}, v...)
	}
	n := boundBytes
	for text && n > boundBytes-4 && !utf8.RuneStart(v[n]) {
		n--
	}
	return append([]byte{}, v[:n]...)
}

// upperPrefix is a bound at or above v of at most boundBytes bytes, nil when there is none. A
// text's bound is valid UTF-8: its last code point that has a successor is replaced by it.
func upperPrefix(v []byte, text bool) []byte {
	p := lowerPrefix(v, text)
	if len(v) <= boundBytes {
		return p
	}
	if !text {
		for n := len(p); n > 0; n-- {
			if p[n-1] != 0xff {
				p[n-1]++
				return p[:n]
			}
		}
		return nil
	}
	if !utf8.Valid(p) {
		return nil
	}
	for len(p) > 0 {
		r, size := utf8.DecodeLastRune(p)
		p = p[:len(p)-size]
		if r == 0xd7ff {
			r = 0xdfff // surrogates are no code points
		}
		if r < utf8.MaxRune {
			return utf8.AppendRune(p, r+1)
		}
	}
	return nil
}

// compareFixed orders fixed-length values: decimals are signed big-endian numbers.
func compareFixed(k coltype.Kind) func(a, b []byte) int {
	if k != coltype.Decimal {
		return bytes.Compare
	}
	return func(a, b []byte) int {
		if x, y := a[0]^0x80, b[0]^0x80; x != y {
			return int(x) - int(y)
		}
		return bytes.Compare(a, b)
	}
}

// merge widens b to hold o.
func (b *leafBounds) merge(o leafBounds, l *leaf) {
	nulls, nans := b.nulls+o.nulls, b.nans+o.nans
	switch {
	case !o.has:
	case !b.has:
		*b = o
	default:
		b.i0, b.i1 = min(b.i0, o.i0), max(b.i1, o.i1)
		b.f0, b.f1 = min(b.f0, o.f0), max(b.f1, o.f1)
		if l.elem.typ == physFixed || l.elem.typ == physByteArray {
			cmp := compareFixed(l.typ.Kind)
			if cmp(o.b0, b.b0) < 0 {
				b.b0, b.cut0 = o.b0, o.cut0
			}
			if b.b1 != nil && (o.b1 == nil || cmp(o.b1, b.b1) > 0) {
				b.b1, b.cut1 = o.b1, o.cut1
			}
		}
	}
	b.nulls, b.nans = nulls, nans
}

// encode gives the bounds as Parquet statistics hold them; nil where there is none. Zeros are
// written as -0 in a minimum and +0 in a maximum (parquet.thrift, ColumnOrder).
func (b *leafBounds) encode(t physical) (lo, hi []byte) {
	if !b.has {
		return nil, nil
	}
	f0, f1 := b.f0, b.f1
	if f0 == 0 {
		f0 = math.Copysign(0, -1)
	}
	if f1 == 0 {
		f1 = 0
	}
	le := binary.LittleEndian
	switch t {
	case physBool:
		return []byte{byte(b.i0)}, []byte{byte(b.i1)}
	case physInt32:
		return le.AppendUint32(nil, uint32(b.i0)), le.AppendUint32(nil, uint32(b.i1))
	case physInt64:
		return le.AppendUint64(nil, uint64(b.i0)), le.AppendUint64(nil, uint64(b.i1))
	case physFloat:
		return le.AppendUint32(nil, math.Float32bits(float32(f0))), le.AppendUint32(nil, math.Float32bits(float32(f1)+0))
	case physDouble:
		return le.AppendUint64(nil, math.Float64bits(f0)), le.AppendUint64(nil, math.Float64bits(f1+0))
	}
	return b.b0, b.b1
}

// statistics of a column chunk.
func (b *leafBounds) statistics(l *leaf) statistics {
	s := statistics{nulls: b.nulls, nans: -1, minExact: !b.cut0, maxExact: !b.cut1}
	s.minValue, s.maxValue = b.encode(l.elem.typ)
	if l.elem.typ == physFloat || l.elem.typ == physDouble {
		s.nans = b.nans
	}
	return s
}

// value reads one statistic of a column as a value of type t; nil when it says nothing. The bytes
// may be anything.
func statValue(t coltype.Type, e *schemaElement, raw []byte) *coltype.Value {
	if raw == nil {
		return nil
	}
	v := coltype.Value{Kind: t.Kind}
	var i int64
	switch e.typ {
	case physBool:
		if len(raw) != 1 || raw[0] > 1 {
			return nil
		}
		i = int64(raw[0])
	case physInt32:
		if len(raw) != 4 {
			return nil
		}
		i = int64(int32(binary.LittleEndian.Uint32(raw)))
	case physInt64:
		if len(raw) != 8 {
			return nil
		}
		i = int64(binary.LittleEndian.Uint64(raw))
	case physFloat:
		if len(raw) != 4 {
			return nil
		}
		v.F = float64(math.Float32frombits(binary.LittleEndian.Uint32(raw)))
	case physDouble:
		if len(raw) != 8 {
			return nil
		}
		v.F = math.Float64frombits(binary.LittleEndian.Uint64(raw))
	case physFixed:
		if len(raw) != int(e.typeLength) {
			return nil
		}
	}
	switch t.Kind {
	case coltype.Bool, coltype.Int32, coltype.Int64, coltype.Time:
		v.I = i
	case coltype.Float32, coltype.Float64:
		if v.F != v.F {
			return nil
		}
	case coltype.Date:
		v.I = i - coltype.UnixToPGDays
	case coltype.Timestamp, coltype.TimestampTZ:
		if i < math.MinInt64+coltype.UnixToPGMicros {
			return nil
		}
		v.I = i - coltype.UnixToPGMicros
	case coltype.Decimal:
		v.Scale = t.Scale
		switch e.typ {
		case physInt32, physInt64:
			v.Big = big.NewInt(i)
		default:
			if len(raw) == 0 || len(raw) > 32 {
				return nil
			}
			v.Big = new(big.Int).SetBytes(raw)
			if raw[0]&0x80 != 0 {
				v.Big.Sub(v.Big, new(big.Int).Lsh(big.NewInt(1), uint(8*len(raw))))
			}
		}
	case coltype.String:
		if t.Base == "numeric" { // its values are numbers, and ordered otherwise than their texts
			return nil
		}
		v.S = string(raw)
	case coltype.Binary, coltype.UUID:
		v.S = string(raw)
	default:
		return nil
	}
	return &v
}
