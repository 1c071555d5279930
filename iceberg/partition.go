package iceberg

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	icego "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"frostline/coltype"
)

// The distance from Unix's epoch to PostgreSQL's, 2000-01-01.
const (
	epochDays   = 10957
	epochMicros = 946684800000000
	dayMicros   = 86400000000
)

// width is W of "truncate[W]", and whether Transform is that.
func (p PartitionSpec) width() (int64, bool) {
	digits, ok := strings.CutPrefix(p.Transform, "truncate[")
	if !ok {
		return 0, false
	}
	w, err := strconv.ParseInt(strings.TrimSuffix(digits, "]"), 10, 32)
	return w, err == nil && w > 0 && strings.HasSuffix(digits, "]")
}

// check refuses a transform that is not known or does not fit the column's kind.
func (p PartitionSpec) check(k coltype.Kind) error {
	_, truncate := p.width()
	var ok bool
	switch {
	case p.Transform == "":
		ok = true
	case p.Transform == "year" || p.Transform == "month" || p.Transform == "day":
		ok = k == coltype.Date || k == coltype.Timestamp || k == coltype.TimestampTZ
	case p.Transform == "identity":
		ok = k != coltype.Invalid && k != coltype.List
	case truncate:
		ok = k == coltype.Int32 || k == coltype.Int64 || k == coltype.Decimal || k == coltype.String || k == coltype.Binary
	default:
		return fmt.Errorf("partition by column %q: transform %q is not one of year, month, day, identity, truncate[W]", p.Column, p.Transform)
	}
	if !ok {
		return fmt.Errorf("partition by column %q: transform %q does not take a column of kind %v", p.Column, p.Transform, k)
	}
	return nil
}

// Tuple is the transform's value for v (nil for NULL), as the Iceberg spec computes it (UTC): two values go
// to one data file only when their tuples are equal. A value that its typed column cannot hold (infinity, a far
// timestamp, NaN of a numeric) is NULL there, and so is its tuple.
func (p PartitionSpec) Tuple(v *coltype.Value) (Tuple, error) {
	if p.Transform == "" {
		return Tuple{}, nil
	}
	if v == nil {
		return Tuple{Null: true}, nil
	}
	if err := p.check(v.Kind); err != nil {
		return Tuple{}, err
	}
	days, micros, stored := unixTime(*v)
	if !stored {
		return Tuple{Null: true}, nil
	}
	switch p.Transform {
	case "day":
		return Tuple{Int: days}, nil
	case "month", "year":
		year, month, _ := time.Unix(days*86400, 0).UTC().Date()
		if p.Transform == "year" {
			return Tuple{Int: int64(year) - 1970}, nil
		}
		return Tuple{Int: (int64(year)-1970)*12 + int64(month) - 1}, nil
	}
	w, truncate := p.width()
	switch v.Kind {
	case coltype.Date:
		return Tuple{Int: days}, nil
	case coltype.Timestamp, coltype.TimestampTZ:
		return Tuple{Int: micros}, nil
	case coltype.Int32, coltype.Int64:
		if truncate {
			return Tuple{Int: v.I - ((v.I%w)+w)%w}, nil
		}
		return Tuple{Int: v.I}, nil
	case coltype.Bool, coltype.Time:
		return Tuple{Int: v.I}, nil
	case coltype.Float32:
		return Tuple{Int: int64(math.Float32bits(float32(v.F)))}, nil
	case coltype.Float64:
		return Tuple{Int: int64(math.Float64bits(v.F))}, nil
	case coltype.Decimal:
		n := new(big.Int).Set(v.Big)
		if truncate {
			n.Sub(n, new(big.Int).Mod(n, big.NewInt(w)))
		}
		return Tuple{Str: decimalTuple(n, v.Scale)}, nil
	case coltype.String:
		if truncate {
			return Tuple{Str: firstRunes(v.S, w)}, nil
		}
	case coltype.Binary:
		if truncate {
			return Tuple{Str: v.S[:min(int64(len(v.S)), w)]}, nil
		}
	}
	return Tuple{Str: v.S}, nil
}

// unixTime is a date or timestamp in Unix days and microseconds; stored is false for a value that has no place in
// its typed column. Of other kinds only stored means anything.
func unixTime(v coltype.Value) (days, micros int64, stored bool) {
	switch v.Kind {
	case coltype.Date:
		if v.I >= math.MaxInt32 || v.I <= math.MinInt32 {
			return 0, 0, false
		}
		return v.I + epochDays, 0, true
	case coltype.Timestamp, coltype.TimestampTZ:
		if v.I > math.MaxInt64-epochMicros || v.I == math.MinInt64 {
			return 0, 0, false
		}
		micros = v.I + epochMicros
		days = micros / dayMicros
		if micros%dayMicros < 0 {
			days--
		}
		return days, micros, true
	case coltype.Decimal:
		return 0, 0, v.Special == coltype.Finite && v.Big != nil
	case coltype.Time:
		return 0, 0, v.I < dayMicros
	}
	return 0, 0, true
}

// decimalTuple is one text for equal numbers of any scale: trailing zeros of the digits are dropped.
func decimalTuple(n *big.Int, scale int) string {
	ten, rest := big.NewInt(10), new(big.Int)
	n = new(big.Int).Set(n)
	for q := new(big.Int); scale > 0; scale-- {
		if q.QuoRem(n, ten, rest); rest.Sign() != 0 {
			break
		}
		n.Set(q)
	}
	return n.String() + "/" + strconv.Itoa(scale)
}

func firstRunes(s string, n int64) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// icebergSpec is the Iceberg partition spec over the fields of s, nil for none.
func icebergSpec(p PartitionSpec, s coltype.Schema) (*icego.PartitionSpec, error) {
	if p.Transform == "" {
		return nil, nil
	}
	var source *coltype.Column
	taken := map[string]bool{coltype.ExactName: true}
	for i, c := range s.Columns {
		taken[strings.ToLower(c.FieldName)] = true
		if c.Name == p.Column {
			source = &s.Columns[i]
		}
	}
	if source == nil {
		return nil, fmt.Errorf("partition by column %q: the table has no such column", p.Column)
	}
	if err := p.check(source.Type.Kind); err != nil {
		return nil, err
	}
	transform, err := icego.ParseTransform(p.Transform)
	if err != nil {
		return nil, err
	}
	suffix := p.Transform
	if _, ok := p.width(); ok {
		suffix = "trunc"
	}
	name := avroName(source.FieldName) + "_" + suffix
	for taken[strings.ToLower(name)] {
		name += "_"
	}
	spec := icego.NewPartitionSpec(icego.PartitionField{SourceIDs: []int{source.FieldID}, FieldID: icego.PartitionDataIDStart, Name: name, Transform: transform})
	return &spec, nil
}

// avroName is name with everything that an Avro name cannot have replaced by _xHH.
func avroName(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "_x%02X", c)
		}
	}
	return b.String()
}

// storedSpec is the current partitioning of a table, as far as it is one of ours.
func storedSpec(meta table.Metadata, s coltype.Schema) PartitionSpec {
	spec := meta.PartitionSpec()
	if spec.NumFields() != 1 {
		return PartitionSpec{}
	}
	f := spec.Field(0)
	for _, c := range s.Columns {
		if c.FieldID == f.SourceID() {
			p := PartitionSpec{Column: c.Name, Transform: f.Transform.String()}
			if p.check(c.Type.Kind) == nil {
				return p
			}
		}
	}
	return PartitionSpec{}
}

// partitionValue is tp as iceberg-go takes it for a partition field over a column of type t.
func partitionValue(tp Tuple, transform string, t coltype.Type) (any, error) {
	if tp.Null {
		return nil, nil
	}
	switch transform {
	case "year", "month":
		return int32(tp.Int), nil
	case "day":
		return icego.Date(tp.Int), nil
	}
	switch t.Kind {
	case coltype.Bool:
		return tp.Int != 0, nil
	case coltype.Int32:
		if tp.Int < math.MinInt32 || tp.Int > math.MaxInt32 {
			return nil, fmt.Errorf("partition value %d does not fit an int", tp.Int)
		}
		return int32(tp.Int), nil
	case coltype.Int64:
		return tp.Int, nil
	case coltype.Float32:
		return math.Float32frombits(uint32(tp.Int)), nil
	case coltype.Float64:
		return math.Float64frombits(uint64(tp.Int)), nil
	case coltype.Date:
		return icego.Date(tp.Int), nil
	case coltype.Time:
		return icego.Time(tp.Int), nil
	case coltype.Timestamp, coltype.TimestampTZ:
		return icego.Timestamp(tp.Int), nil
	case coltype.Decimal:
		return decimalPartition(tp.Str, t.Scale)
	case coltype.String:
		if !utf8.ValidString(tp.Str) {
			return nil, fmt.Errorf("partition value %q is not UTF-8", tp.Str)
		}
		return tp.Str, nil
	case coltype.Binary:
		return []byte(tp.Str), nil
	case coltype.UUID:
		u, err := uuid.FromBytes([]byte(tp.Str))
		return u, err
	}
	return nil, fmt.Errorf("a column of kind %v cannot be a partition column", t.Kind)
}

func decimalPartition(text string, scale int) (any, error) {
	digits, tail, _ := strings.Cut(text, "/")
	n, ok := new(big.Int).SetString(digits, 10)
	from, err := strconv.Atoi(tail)
	if !ok || err != nil || from > scale || n.BitLen() > 127 {
		return nil, fmt.Errorf("partition value %q does not fit a decimal of scale %d", text, scale)
	}
	n.Mul(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale-from)), nil))
	if n.BitLen() > 127 {
		return nil, fmt.Errorf("partition value %q does not fit a decimal of scale %d", text, scale)
	}
	return icego.Decimal{Val: decimal128.FromBigInt(n), Scale: scale}, nil
}
