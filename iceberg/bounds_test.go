package iceberg

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	icego "github.com/apache/iceberg-go"
	"github.com/google/uuid"

	"frostline/coltype"
)

// literal is a value as iceberg-go has it.
func literal(v coltype.Value) icego.Literal {
	switch v.Kind {
	case coltype.Bool:
		return icego.BoolLiteral(v.I == 1)
	case coltype.Int32:
		return icego.Int32Literal(v.I)
	case coltype.Int64:
		return icego.Int64Literal(v.I)
	case coltype.Float32:
		return icego.Float32Literal(v.F)
	case coltype.Float64:
		return icego.Float64Literal(v.F)
	case coltype.Decimal:
		return icego.DecimalLiteral{Val: decimal128.FromBigInt(v.Big), Scale: v.Scale}
	case coltype.String:
		return icego.StringLiteral(v.S)
	case coltype.Binary:
		return icego.BinaryLiteral(v.S)
	case coltype.UUID:
		return icego.UUIDLiteral(uuid.UUID([]byte(v.S)))
	case coltype.Date:
		return icego.DateLiteral(v.I + 10957)
	case coltype.Time:
		return icego.TimeLiteral(v.I)
	}
	return icego.TimestampLiteral(v.I + 946684800000000)
}

// Tuples are what iceberg-go's transforms give.
func TestTupleAgainstIcebergGo(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	at := func(text string) int64 {
		tm, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return tm.UnixMicro() - epochMicros
	}
	values := []coltype.Value{
		{Kind: coltype.Bool, I: 1}, {Kind: coltype.Bool},
		{Kind: coltype.Float32, F: -1.5}, {Kind: coltype.Float64, F: 1e300},
		{Kind: coltype.UUID, S: "0123456789abcdef"}, {Kind: coltype.Time, I: 86399999999},
	}
	for _, micros := range []int64{0, 1, -1, at("1970-01-01T00:00:00Z"), at("1969-12-31T23:59:59.999999Z"), at("2024-02-29T12:00:00Z"),
		at("1900-01-01T00:00:00Z"), at("1899-12-31T23:59:59.999999Z"), at("0001-01-01T00:00:00Z"), at("9999-12-31T23:59:59.999999Z")} {
		values = append(values, coltype.Value{Kind: coltype.Timestamp, I: micros}, coltype.Value{Kind: coltype.TimestampTZ, I: micros},
			coltype.Value{Kind: coltype.Date, I: (micros+epochMicros)/dayMicros - epochDays})
	}
	for range 200 {
		n := rng.Int64() - rng.Int64()
		values = append(values, coltype.Value{Kind: coltype.Timestamp, I: n % (8000 * 365 * dayMicros)}, coltype.Value{Kind: coltype.Date, I: n % 3_000_000},
			coltype.Value{Kind: coltype.Int32, I: int64(int32(n))}, coltype.Value{Kind: coltype.Int64, I: n / 2}, dec(n%1e12, 2))
	}
	for _, s := range []string{"", "a", "äöüß", "数据数据", "abcdefghijkl", "\U0001F642\U0001F642\U0001F642\U0001F642"} {
		values = append(values, text(s), coltype.Value{Kind: coltype.Binary, S: s})
	}
	checked := 0
	for _, transform := range []string{"year", "month", "day", "identity", "truncate[1]", "truncate[3]", "truncate[1000]"} {
		spec := PartitionSpec{Column: "c", Transform: transform}
		theirs, err := icego.ParseTransform(transform)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			if spec.check(v.Kind) != nil {
				continue
			}
			tuple, err := spec.Tuple(&v)
			if err != nil {
				t.Fatal(err)
			}
			ty := coltype.Type{Kind: v.Kind, Scale: v.Scale, Precision: 38}
			ours, err := partitionValue(tuple, transform, ty)
			if err != nil {
				t.Fatal(err)
			}
			want := theirs.Apply(icego.Optional[icego.Literal]{Valid: true, Val: literal(v)})
			wantEqual(t, fmt.Sprintf("%s of %v", transform, literal(v)), fmt.Sprint(ours), fmt.Sprint(want.Val.Any()))
			// The value lies within what its tuple implies, and so do the neighbours within the same tuple.
			lo, hi := tupleBounds(spec, ty, ours)
			if lo == nil || hi == nil || coltype.Compare(*lo, v) > 0 || coltype.Compare(v, *hi) > 0 {
				t.Errorf("%s of %v: implied %v to %v", transform, literal(v), lo, hi)
			}
			checked++
		}
	}
	if checked < 2000 {
		t.Errorf("only %d values were checked", checked)
	}
}

func TestTuple(t *testing.T) {
	date := func(days int64) *coltype.Value { return &coltype.Value{Kind: coltype.Date, I: days} }
	stamp := func(micros int64) *coltype.Value { return &coltype.Value{Kind: coltype.TimestampTZ, I: micros} }
	d150, d15 := dec(150, 2), dec(15, 1)
	for _, tt := range []struct {
		name, transform string
		v               *coltype.Value
		want            Tuple
	}{
		{"unpartitioned", "", date(1), Tuple{}},
		{"NULL", "month", nil, Tuple{Null: true}},
		{"infinity", "month", stamp(math.MaxInt64), Tuple{Null: true}},
		{"-infinity", "day", stamp(math.MinInt64), Tuple{Null: true}},
		{"infinite date", "year", date(math.MaxInt32), Tuple{Null: true}},
		{"-infinite date", "year", date(math.MinInt32), Tuple{Null: true}},
		{"a timestamp beyond Unix microseconds", "year", stamp(math.MaxInt64 - epochMicros + 1), Tuple{Null: true}},
		{"the last timestamp of Unix microseconds", "year", stamp(math.MaxInt64 - epochMicros), Tuple{Int: 294247 - 1970}},
		{"24:00:00", "identity", &coltype.Value{Kind: coltype.Time, I: dayMicros}, Tuple{Null: true}},
		{"NaN of a numeric", "identity", &coltype.Value{Kind: coltype.Decimal, Special: coltype.NaN}, Tuple{Null: true}},
		{"1.50", "identity", &d150, Tuple{Str: "15/1"}},
		{"1.5", "identity", &d15, Tuple{Str: "15/1"}},
		{"2000-01-01", "month", date(0), Tuple{Int: 360}},
		{"1969-12-31", "month", date(-10958), Tuple{Int: -1}},
		{"1969-12-31", "year", date(-10958), Tuple{Int: -1}},
		{"-7 in tens", "truncate[10]", &coltype.Value{Kind: coltype.Int64, I: -7}, Tuple{Int: -10}},
	} {
		got, err := PartitionSpec{"c", tt.transform}.Tuple(tt.v)
		if err != nil || got != tt.want {
			t.Errorf("%s of %s: got %+v, %v; want %+v", tt.transform, tt.name, got, err, tt.want)
		}
	}
	if _, err := (PartitionSpec{"c", "month"}).Tuple(&coltype.Value{Kind: coltype.String}); err == nil {
		t.Error("the month of a text has a tuple")
	}
}

// First and last value of every month from 1890 to 2110, and of years and days around the epochs.
func TestSpanBounds(t *testing.T) {
	for n := int64(-960); n < 1680; n++ {
		start := time.Date(1970, time.Month(1+n), 1, 0, 0, 0, 0, time.UTC)
		end := time.Date(1970, time.Month(2+n), 1, 0, 0, 0, 0, time.UTC)
		lo, hi := spanBounds("month", coltype.TimestampTZ, n)
		if lo.I != start.UnixMicro()-epochMicros || hi.I != end.UnixMicro()-epochMicros-1 {
			t.Fatalf("month %d: %d to %d", n, lo.I, hi.I)
		}
		lo, hi = spanBounds("month", coltype.Date, n)
		if lo.I != start.Unix()/86400-epochDays || hi.I != end.Unix()/86400-epochDays-1 {
			t.Fatalf("month %d: days %d to %d", n, lo.I, hi.I)
		}
	}
	for _, tt := range []struct {
		transform string
		n         int64
		lo, hi    int64 // days from 2000-01-01
	}{{"year", 30, 0, 365}, {"year", 31, 366, 730}, {"day", 10957, 0, 0}, {"day", -1, -10958, -10958}, {"year", -1, -11322, -10958}} {
		lo, hi := spanBounds(tt.transform, coltype.Date, tt.n)
		if lo.I != tt.lo || hi.I != tt.hi {
			t.Errorf("%s %d: %d to %d, want %d to %d", tt.transform, tt.n, lo.I, hi.I, tt.lo, tt.hi)
		}
	}
	for _, transform := range []string{"year", "month", "day"} {
		for _, n := range []int64{math.MaxInt32, math.MinInt32} {
			for _, kind := range []coltype.Kind{coltype.Date, coltype.Timestamp} {
				lo, hi := spanBounds(transform, kind, n) // must not wrap round
				if lo != nil && (lo.I > hi.I || (lo.I < 0) != (n < 0)) {
					t.Errorf("%s %d of %v: %d to %d", transform, n, kind, lo.I, hi.I)
				}
			}
		}
	}
}

// Bounds go out as iceberg-go's literals say and come back as they were.
func TestBoundsRoundTrip(t *testing.T) {
	huge, _ := new(big.Int).SetString("99999999999999999999999999999999999999", 10)
	for _, v := range []coltype.Value{
		{Kind: coltype.Bool}, {Kind: coltype.Bool, I: 1}, {Kind: coltype.Int32, I: math.MinInt32}, {Kind: coltype.Int32, I: math.MaxInt32},
		{Kind: coltype.Int64, I: math.MinInt64}, {Kind: coltype.Int64, I: math.MaxInt64}, {Kind: coltype.Float32, F: math.Inf(-1)},
		{Kind: coltype.Float32, F: 0.1 + 0.2 - 0.3000000119}, {Kind: coltype.Float64, F: math.Inf(1)}, {Kind: coltype.Float64, F: math.SmallestNonzeroFloat64},
		dec(0, 2), dec(-1, 2), dec(127, 0), dec(128, 0), dec(-128, 0), dec(-129, 0), {Kind: coltype.Decimal, Big: huge}, {Kind: coltype.Decimal, Big: new(big.Int).Neg(huge)},
		text(""), text("é数"), {Kind: coltype.Binary, S: "\x00\xff"}, {Kind: coltype.UUID, S: "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\xff"},
		{Kind: coltype.Date}, {Kind: coltype.Date, I: -2451507}, {Kind: coltype.Date, I: 2145031948}, {Kind: coltype.Time}, {Kind: coltype.Time, I: dayMicros - 1},
		{Kind: coltype.Timestamp}, {Kind: coltype.TimestampTZ, I: -211813488000000000}, {Kind: coltype.Timestamp, I: math.MaxInt64 - epochMicros},
	} {
		if v.Kind == coltype.Float32 {
			v.F = float64(float32(v.F))
		}
		ty := coltype.Type{Kind: v.Kind, Precision: 38, Scale: v.Scale}
		b := encodeBound(ty, &v, true)
		want, err := literal(v).MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, fmt.Sprintf("bytes of %+v", v), b, want)
		got := decodeBound(ty, b)
		if got == nil || coltype.Compare(*got, v) != 0 {
			t.Errorf("%+v came back as %+v", v, got)
		}
	}
	for _, v := range []coltype.Value{
		{Kind: coltype.Date, I: math.MaxInt32}, {Kind: coltype.Timestamp, I: math.MaxInt64}, {Kind: coltype.Timestamp, I: math.MinInt64},
		{Kind: coltype.Float64, F: math.NaN()}, {Kind: coltype.Decimal, Special: coltype.NaN}, {Kind: coltype.Time, I: dayMicros},
		{Kind: coltype.UUID, S: "short"}, {Kind: coltype.Int32, I: math.MaxInt32 + 1},
	} {
		if b := encodeBound(coltype.Type{Kind: v.Kind, Precision: 38}, &v, true); b != nil {
			t.Errorf("%+v, which its column cannot hold, has the bound %x", v, b)
		}
	}
	// A decimal of another scale than the column's, and a numeric that is stored as text, give no bound.
	d := dec(15, 1)
	if encodeBound(decimalType(10, 2), &d, true) != nil || encodeBound(typ(coltype.String, "numeric"), &d, true) != nil {
		t.Error("a decimal that is not of the column's form has a bound")
	}
	zero := coltype.Value{Kind: coltype.Float64, F: 0}
	wantEqual(t, "zero below", encodeBound(typ(coltype.Float64, "float8"), &zero, false), []byte{0, 0, 0, 0, 0, 0, 0, 0x80})
	wantEqual(t, "zero above", encodeBound(typ(coltype.Float64, "float8"), &zero, true), []byte{0, 0, 0, 0, 0, 0, 0, 0})
}

// Bytes that are no bound are unknown, whatever they are.
func FuzzDecodeBound(f *testing.F) {
	f.Add(uint8(coltype.Int64), []byte{1, 2, 3, 4})
	f.Add(uint8(coltype.Decimal), []byte{})
	f.Add(uint8(coltype.UUID), []byte("0123456789abcdef"))
	f.Add(uint8(coltype.Timestamp), []byte{0, 0, 0, 0, 0, 0, 0, 0x80})
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		ty := coltype.Type{Kind: coltype.Kind(kind % 16), Precision: 38, Scale: 2}
		v := decodeBound(ty, b)
		if v == nil {
			return
		}
		if v.Kind != ty.Kind || coltype.Compare(*v, *v) != 0 {
			t.Fatalf("%v %x: %+v", ty.Kind, b, v)
		}
		if back := encodeBound(ty, v, true); back != nil {
			if again := decodeBound(ty, back); again == nil || coltype.Compare(*again, *v) != 0 {
				t.Fatalf("%v %x: %+v, again %+v", ty.Kind, b, v, again)
			}
		}
	})
}

// Statistics that contradict themselves say nothing; those that are missing are unknown.
func TestOddStatistics(t *testing.T) {
	c := NewCatalog(fileStore(t))
	spec := payment()
	spec.Columns = append(spec.Columns, coltype.Column{Name: "any", AttNum: 7, Type: typ(coltype.String, "numeric")})
	tbl := mustEnsure(t, c, spec)
	m := monthCommit(t, tbl, "run-1", 2024, 1, 1)
	id := map[string]int{}
	for _, col := range tbl.Schema().Columns {
		id[col.Name] = col.FieldID
	}
	one, two, s := coltype.Value{Kind: coltype.Float64, F: 1}, coltype.Value{Kind: coltype.Float64, F: 2}, text("12")
	lo, hi := long(5), long(4)
	m.Files[0].Columns = []ColumnStats{
		{FieldID: id["id"], Values: 10, Bounds: coltype.Bounds{Rows: 10, Nulls: -1, NaNs: -1, Exact: -1, Min: &lo, Max: &hi}},
		{FieldID: id["rate"], Values: 10, Bounds: coltype.Bounds{Rows: 10, NaNs: 4, Exact: 2, Min: &one, Max: &two}},
		{FieldID: id["amount"], Values: 10, Bounds: coltype.Bounds{Rows: 10, Nulls: 11}},
		{FieldID: id["any"], Values: 10, Bounds: coltype.Bounds{Rows: 10, NaNs: -1, Min: &s, Max: &s}},
		{FieldID: tbl.Schema().ExactKeyID, Bytes: 9, Values: 12, Bounds: coltype.Bounds{Nulls: -1, NaNs: -1, Exact: -1}},
		{FieldID: 999, Values: 10, Bounds: coltype.Bounds{}},
	}
	tbl = mustCommit(t, c, tbl, m)
	b := fileBounds(tbl, mustPlan(t, c, tbl, 0)[0].Files[0])
	if x := b[id["id"]]; x.Min != nil || x.Max != nil || x.Nulls != -1 || x.Exact != 2 {
		t.Errorf("crossed bounds: %+v", x)
	}
	if x := b[id["rate"]]; x.NaNs != 4 || x.Min.F != 1 || x.Max.F != 2 || x.Exact != 2 {
		t.Errorf("a float with NaN: %+v", x)
	}
	if x := b[id["amount"]]; x.Nulls != -1 {
		t.Errorf("more NULLs than rows: %+v", x)
	}
	if x := b[id["any"]]; x.Min != nil || x.Max != nil || x.NaNs != -1 {
		t.Errorf("text bounds of a numeric: %+v", x)
	}
	// A NULL in the partition column: the partition's bounds hold for the other values.
	m = monthCommit(t, tbl, "run-2", 2024, 2, 2)
	m.Files[1].Tuple = Tuple{Null: true}
	tbl = mustCommit(t, c, tbl, m)
	p := mustPlan(t, c, tbl, 0)[1].Bounds[id["at"]]
	if p.Nulls != 10 || p.Rows != 20 || p.Min.I != instant("2024-02-01T00:00:00Z").I {
		t.Errorf("a partition with NULLs: %+v", p)
	}
}
