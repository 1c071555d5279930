package coltype

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/google/uuid"
)

func TestSchemaArrow(t *testing.T) {
	kinds := []Kind{Bool, Int32, Int64, Float32, Float64, Decimal, String, Binary, UUID, Date, Time, Timestamp, TimestampTZ, List}
	s := Schema{ExactID: 100, ExactKeyID: 101, ExactValueID: 102}
	for i, k := range kinds {
		c := Column{Name: k.String(), FieldName: "f_" + k.String(), Type: Type{Kind: k, Precision: 12, Scale: 2}, FieldID: i + 1}
		if k == List {
			c.Type.Elem, c.ElemID = &Type{Kind: TimestampTZ}, 99
		}
		s.Columns = append(s.Columns, c)
	}
	want := `f_bool bool 1
f_int32 int32 2
f_int64 int64 3
f_float32 float32 4
f_float64 float64 5
f_decimal decimal(12, 2) 6
f_string utf8 7
f_binary binary 8
f_uuid extension<arrow.uuid> 9
f_date date32 10
f_time time64[us] 11
f_timestamp timestamp[us] 12
f_timestamptz timestamp[us, tz=UTC] 13
f_list list<element: timestamp[us, tz=UTC], nullable> 14
_pg_exact map<utf8, utf8, items_nullable> 100
`
	got := s.Arrow()
	id := func(f arrow.Field) string { v, _ := f.Metadata.GetValue("PARQUET:field_id"); return v }
	var lines string
	for _, f := range got.Fields() {
		lines += fmt.Sprintf("%s %v %s\n", f.Name, f.Type, id(f))
		if !f.Nullable {
			t.Errorf("field %s is required", f.Name)
		}
	}
	if lines != want {
		t.Errorf("got\n%s\nwant\n%s", lines, want)
	}
	exact := got.Field(14).Type.(*arrow.MapType)
	if id(got.Field(13).Type.(*arrow.ListType).ElemField()) != "99" || id(exact.KeyField()) != "101" || id(exact.ItemField()) != "102" ||
		exact.KeyField().Name != "key" || exact.ItemField().Name != "value" || exact.KeyField().Nullable {
		t.Errorf("nested ids or names are wrong: %v", got)
	}
	if f := (Column{Name: "a", Type: Type{Kind: Bool}}).ArrowField(); f.Name != "a" {
		t.Errorf("a column without FieldName became field %q", f.Name)
	}
}

func TestNameFields(t *testing.T) {
	cases := []struct{ name, in, want string }{
		{"plain", "id|näme|with space|1", "id|näme|with space|1"},
		{"the side column", "_pg_exact|_PG_EXACT|_pg_exact.key", "_pg_exact_2|_PG_EXACT_3|_pg_exact.key_2"},
		{"equal up to case", "id|ID|Id", "id|ID_2|Id_3"},
		{"a suffix that is a column's", "id|ID|id_2|ID_3", "id|ID_4|id_2|ID_3"},
		{"case beyond ASCII", "straße|STRAẞE|ÄB|äb", "straße|STRAẞE_2|ÄB|äb_2"},
		{"empty", "|a", "column_2|a"},
		{"beside an array", "tags[]|tags.element|TAGS.element", "tags|tags.element_2|TAGS.element_3"},
		{"before an array", "tags.element|tags[]", "tags.element_2|tags"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var cols []Column
			for _, n := range strings.Split(c.in, "|") {
				col := Column{Name: strings.TrimSuffix(n, "[]")}
				if col.Name != n {
					col.Type.Kind = List
				}
				cols = append(cols, col)
			}
			names := func() string {
				var list []string
				for _, c := range cols {
					list = append(list, c.FieldName)
				}
				return strings.Join(list, "|")
			}
			NameFields(cols)
			if got := names(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			NameFields(cols)
			if got := names(); got != c.want {
				t.Errorf("a second call changed the names to %s", got)
			}
		})
	}
	cols := []Column{{Name: "ID_2"}, {Name: "id", FieldName: "id"}, {Name: "ID", FieldName: "ID_2"}}
	NameFields(cols)
	if cols[0].FieldName != "ID_2_2" || cols[2].FieldName != "ID_2" {
		t.Errorf("a new column took the name of an old field: %+v", cols)
	}
}

func TestValueAt(t *testing.T) {
	mem := memory.DefaultAllocator
	fill := func(dt arrow.DataType, add func(b array.Builder)) arrow.Array {
		b := array.NewBuilder(mem, dt)
		defer b.Release()
		add(b)
		return b.NewArray()
	}
	u := uuid.MustParse("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")
	dict := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	cases := []struct {
		name string
		t    Type
		arr  arrow.Array
		want string // as text
	}{
		{"bool", Type{Kind: Bool}, fill(arrow.FixedWidthTypes.Boolean, func(b array.Builder) { b.(*array.BooleanBuilder).Append(true) }), "t"},
		{"int32", Type{Kind: Int32}, fill(arrow.PrimitiveTypes.Int32, func(b array.Builder) { b.(*array.Int32Builder).Append(-7) }), "-7"},
		{"int64", Type{Kind: Int64}, fill(arrow.PrimitiveTypes.Int64, func(b array.Builder) { b.(*array.Int64Builder).Append(math.MinInt64) }), "-9223372036854775808"},
		{"int32 promoted", Type{Kind: Int64}, fill(arrow.PrimitiveTypes.Int32, func(b array.Builder) { b.(*array.Int32Builder).Append(8) }), "8"},
		{"float32", Type{Kind: Float32}, fill(arrow.PrimitiveTypes.Float32, func(b array.Builder) { b.(*array.Float32Builder).Append(0.1) }), "0.1"},
		{"float64", Type{Kind: Float64}, fill(arrow.PrimitiveTypes.Float64, func(b array.Builder) { b.(*array.Float64Builder).Append(math.NaN()) }), "NaN"},
		{"decimal", Type{Kind: Decimal, Precision: 12, Scale: 2}, fill(&arrow.Decimal128Type{Precision: 12, Scale: 2}, func(b array.Builder) { b.(*array.Decimal128Builder).Append(decimal128.FromI64(-5)) }), "-0.05"},
		{"string", Type{Kind: String}, fill(arrow.BinaryTypes.String, func(b array.Builder) { b.(*array.StringBuilder).Append("é") }), "é"},
		{"large string", Type{Kind: String}, fill(arrow.BinaryTypes.LargeString, func(b array.Builder) { b.(*array.LargeStringBuilder).Append("x") }), "x"},
		{"dictionary", Type{Kind: String}, fill(dict, func(b array.Builder) { b.(*array.BinaryDictionaryBuilder).AppendString("d") }), "d"},
		{"numeric as text", Type{Kind: String, Base: "numeric"}, fill(arrow.BinaryTypes.String, func(b array.Builder) { b.(*array.StringBuilder).Append("1.2300") }), "1.2300"},
		{"numeric in a dictionary", Type{Kind: String, Base: "numeric"}, fill(dict, func(b array.Builder) { b.(*array.BinaryDictionaryBuilder).AppendString("-Infinity") }), "-Infinity"},
		{"binary", Type{Kind: Binary}, fill(arrow.BinaryTypes.Binary, func(b array.Builder) { b.(*array.BinaryBuilder).Append([]byte{0, 255}) }), `\x00ff`},
		{"geometry", Type{Kind: Binary, Base: "geometry"}, fill(arrow.BinaryTypes.Binary, func(b array.Builder) { b.(*array.BinaryBuilder).Append([]byte{1, 171}) }), `01AB`},
		{"uuid", Type{Kind: UUID}, fill(extensions.NewUUIDType(), func(b array.Builder) { b.(*extensions.UUIDBuilder).Append(u) }), u.String()},
		{"uuid storage", Type{Kind: UUID}, fill(&arrow.FixedSizeBinaryType{ByteWidth: 16}, func(b array.Builder) { b.(*array.FixedSizeBinaryBuilder).Append(u[:]) }), u.String()},
		{"date", Type{Kind: Date}, fill(arrow.FixedWidthTypes.Date32, func(b array.Builder) { b.(*array.Date32Builder).Append(-1) }), "1969-12-31"},
		{"time", Type{Kind: Time}, fill(arrow.FixedWidthTypes.Time64us, func(b array.Builder) { b.(*array.Time64Builder).Append(MicrosPerDay) }), "24:00:00"},
		{"timestamp", Type{Kind: Timestamp}, fill(&arrow.TimestampType{Unit: arrow.Microsecond}, func(b array.Builder) { b.(*array.TimestampBuilder).Append(1) }), "1970-01-01 00:00:00.000001"},
		{"timestamptz", Type{Kind: TimestampTZ}, fill(arrow.FixedWidthTypes.Timestamp_us, func(b array.Builder) { b.(*array.TimestampBuilder).Append(-1) }), "1969-12-31 23:59:59.999999+00"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			defer c.arr.Release()
			v, err := ValueAt(c.t, c.arr, 0)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(AppendText(nil, c.t, v)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	odd := fill(&arrow.FixedSizeBinaryType{ByteWidth: 4}, func(b array.Builder) { b.(*array.FixedSizeBinaryBuilder).Append([]byte("abcd")) })
	far := fill(arrow.FixedWidthTypes.Timestamp_us, func(b array.Builder) { b.(*array.TimestampBuilder).Append(math.MinInt64) })
	for name, c := range map[string]struct {
		t   Type
		arr arrow.Array
	}{"uuid of 4 bytes": {Type{Kind: UUID}, odd}, "another type": {Type{Kind: Bool}, odd}, "a list": {Type{Kind: List}, odd}, "before PostgreSQL's time": {Type{Kind: Timestamp}, far}} {
		if v, err := ValueAt(c.t, c.arr, 0); err == nil {
			t.Errorf("%s: got %+v", name, v)
		}
	}
	odd.Release()
	far.Release()
}

func TestAppendNumeric(t *testing.T) {
	ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(38), nil)
	most, _ := decimal128.FromString("99999999999999999999999999999999999999", 38, 0)
	for _, c := range []struct {
		n     decimal128.Num
		scale int
		want  string
	}{
		{decimal128.FromI64(0), 0, "0"}, {decimal128.FromI64(0), 3, "0.000"}, {decimal128.FromI64(-1), 0, "-1"}, {decimal128.FromI64(-1), 1, "-0.1"},
		{decimal128.FromI64(5), 2, "0.05"}, {decimal128.FromI64(123456), 2, "1234.56"}, {decimal128.FromI64(-100), 2, "-1.00"},
		{decimal128.FromI64(math.MinInt64), 4, "-922337203685477.5808"}, {decimal128.FromU64(math.MaxUint64), 0, "18446744073709551615"},
		{decimal128.New(1, 0), 0, "18446744073709551616"}, {decimal128.New(-1, 0), 3, "-18446744073709551.616"},
		{most, 0, "99999999999999999999999999999999999999"}, {most.Negate(), 38, "-0.99999999999999999999999999999999999999"},
		{decimal128.FromBigInt(ten), 0, "1" + strings.Repeat("0", 38)}, {decimal128.FromI64(7), 38, "0." + strings.Repeat("0", 37) + "7"},
	} {
		if got := string(AppendNumeric(nil, c.n, c.scale)); got != c.want {
			t.Errorf("%v scale %d: got %s, want %s", c.n.BigInt(), c.scale, got, c.want)
		}
		if got := string(AppendText([]byte("x"), Type{}, Value{Kind: Decimal, Big: c.n.BigInt(), Scale: c.scale})); got != "x"+c.want {
			t.Errorf("AppendText: got %s, want x%s", got, c.want)
		}
	}
}

func TestUnix(t *testing.T) {
	const last = math.MaxInt64 - UnixToPGMicros
	for _, c := range []struct {
		in, want int64
		ok       bool
	}{{0, 946684800000000, true}, {last, math.MaxInt64, true}, {last + 1, 0, false}, {MinTimestamp, MinTimestamp + 946684800000000, true}, {MinTimestamp - 1, 0, false}, {math.MaxInt64, 0, false}, {math.MinInt64, 0, false}} {
		if got, ok := UnixMicros(c.in); got != c.want || ok != c.ok {
			t.Errorf("UnixMicros(%d) = %d, %v", c.in, got, ok)
		}
	}
	for _, c := range []struct {
		in   int64
		want int32
		ok   bool
	}{{0, 10957, true}, {MaxDate, 2145042905, true}, {MinDate, -2440588, true}, {MaxDate + 1, 0, false}, {MinDate - 1, 0, false}, {math.MaxInt32, 0, false}, {math.MinInt32, 0, false}} {
		if got, ok := UnixDays(c.in); got != c.want || ok != c.ok {
			t.Errorf("UnixDays(%d) = %d, %v", c.in, got, ok)
		}
	}
}
