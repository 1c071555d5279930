package parquetio

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/cespare/xxhash/v2"
	"github.com/parquet-go/parquet-go"

	"frostline/coltype"
)

// hashable are the flat columns of allKinds that can have a filter.
func hashable(s coltype.Schema) (names []string) {
	for _, c := range s.Columns {
		if CanBloom(c.Type) {
			names = append(names, c.Name)
		}
	}
	return names
}

// peerValue is row i of arr as parquet-go would hold it, made from the Arrow value alone.
func peerValue(t *testing.T, arr arrow.Array, i, width int) parquet.Value {
	t.Helper()
	switch a := arr.(type) {
	case array.ExtensionArray:
		return peerValue(t, a.Storage(), i, width)
	case *array.Int32:
		return parquet.Int32Value(a.Value(i))
	case *array.Date32:
		return parquet.Int32Value(int32(a.Value(i)))
	case *array.Int64:
		return parquet.Int64Value(a.Value(i))
	case *array.Time64:
		return parquet.Int64Value(int64(a.Value(i)))
	case *array.Timestamp:
		return parquet.Int64Value(int64(a.Value(i)))
	case *array.String:
		return parquet.ByteArrayValue([]byte(a.Value(i)))
	case *array.Binary:
		return parquet.ByteArrayValue(a.Value(i))
	case *array.FixedSizeBinary:
		return parquet.FixedLenByteArrayValue(a.Value(i))
	case *array.Decimal128:
		v := a.Value(i)
		switch p := a.DataType().(*arrow.Decimal128Type).Precision; {
		case p <= 9:
			return parquet.Int32Value(int32(v.LowBits()))
		case p <= 18:
			return parquet.Int64Value(int64(v.LowBits()))
		}
		var b [16]byte
		binary.BigEndian.PutUint64(b[:8], uint64(v.HighBits()))
		binary.BigEndian.PutUint64(b[8:], v.LowBits())
		return parquet.FixedLenByteArrayValue(b[16-width:])
	}
	t.Fatalf("no Parquet value for %v", arr.DataType())
	return parquet.Value{}
}

// TestBloomPeers: of every kind all values of a row group are in its filter, and arrow-go and parquet-go, who read the
// same bits, say the same of values that are there and of others.
func TestBloomPeers(t *testing.T) {
	s := allKinds()
	for _, l := range layouts[1:3] {
		t.Run(l.name, func(t *testing.T) {
			l.o.Bloom = hashable(s)
			all, others := batch(s, newRand(41), 2100), batch(s, newRand(42), 300)
			b, _ := write(t, s, l.o, all)
			f := open(t, b)
			pf, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			af, err := file.NewParquetReader(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			asked, absent, at := 0, 0, 0
			for rg := range f.RowGroups() {
				n := int(f.RowGroupRows(rg))
				ag, err := af.GetBloomFilterReader().RowGroup(rg)
				if err != nil {
					t.Fatal(err)
				}
				for i, c := range s.Columns {
					filter, ok, err := f.Bloom(context.Background(), rg, c)
					if err != nil {
						t.Fatal(err)
					}
					if ok != CanBloom(c.Type) || ok != f.HasBloom(rg, c) {
						t.Fatalf("column %q: a filter is %v", c.Name, ok)
					}
					if !ok {
						continue
					}
					leaf, _ := pf.Schema().Lookup(c.Name)
					peer := pf.RowGroups()[rg].ColumnChunks()[leaf.ColumnIndex].BloomFilter()
					second, err := ag.GetColumnBloomFilter(leaf.ColumnIndex)
					if err != nil || second == nil || peer == nil {
						t.Fatalf("column %q: the peers find no filter: %v", c.Name, err)
					}
					check := func(arr arrow.Array, row int, must bool) {
						if arr.IsNull(row) {
							return
						}
						v, err := coltype.ValueAt(c.Type, arr, row)
						if err != nil {
							t.Fatal(err)
						}
						raw := peerValue(t, arr, row, int(f.schema.find(c).leaves[0].elem.typeLength))
						want, err := peer.Check(raw)
						if err != nil {
							t.Fatal(err)
						}
						plain := raw.Bytes()
						switch raw.Kind() {
						case parquet.Int32:
							plain = binary.LittleEndian.AppendUint32(nil, uint32(raw.Int32()))
						case parquet.Int64:
							plain = binary.LittleEndian.AppendUint64(nil, uint64(raw.Int64()))
						}
						want2 := second.CheckHash(second.Hasher().Sum64(plain))
						if got := filter.May(v); got != want || got != want2 || must && !got {
							t.Fatalf("column %q row group %d value %+v: %v, parquet-go %v, arrow-go %v; written: %v", c.Name, rg, v, got, want, want2, must)
						} else if !got {
							absent++
						}
						asked++
					}
					for row := at; row < at+n; row++ {
						check(all.Column(i), row, true)
					}
					for row := range int(others.NumRows()) {
						check(others.Column(i), row, false)
					}
				}
				at += n
			}
			t.Logf("%d values asked, %d absent", asked, absent)
			if absent < 5000 {
				t.Errorf("only %d values were absent", absent)
			}
		})
	}
}

// TestBloomFile reads the filters that parquet-mr wrote, with the words that are in them.
func TestBloomFile(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "shared", "data", "parquet-testing", "data_index_bloom_encoding_with_length.parquet"))
	if err != nil {
		t.Skip("no files of apache/parquet-testing: ", err)
	}
	filter, ok, err := open(t, b).Bloom(context.Background(), 0, coltype.Column{Name: "String", Type: kindType(coltype.String)})
	if err != nil || !ok {
		t.Fatalf("filter: %v, %v", ok, err)
	}
	for word, want := range map[string]bool{"Hello": true, "This is": true, "a": true, "dog": true, "the lazy": true,
		"hello": false, "": false, "Hello ": false, "cat": false, "NOT IN": false} {
		if got := filter.May(coltype.Value{Kind: coltype.String, S: word}); got != want {
			t.Errorf("%q: %v, want %v", word, got, want)
		}
	}
}

// TestBloomSize: a filter takes the power of two that its distinct values need.
func TestBloomSize(t *testing.T) {
	for _, c := range []struct{ distinct, bytes int }{
		{0, 32}, {1, 32}, {30, 32}, {31, 64}, {1000, 2048}, {20_480, 32 << 10}, {62_255, 64 << 10}, {62_256, 128 << 10}, {122_880, 128 << 10}, {1_000_000, 2 << 20}, {math.MaxInt32, 128 << 20},
	} {
		if got := bloomBytes(c.distinct); got != c.bytes {
			t.Errorf("%d distinct values: %d bytes, want %d", c.distinct, got, c.bytes)
		}
	}
}

// TestBloomFalsePositives: a full row group of distinct values lets less than 2.7 % of others pass (and one with few values
// is small); the hash set counts exactly.
func TestBloomFalsePositives(t *testing.T) {
	const rows = 122_880
	s := coltype.Schema{Columns: []coltype.Column{
		{Name: "id", FieldName: "id", Type: kindType(coltype.Int64)}, {Name: "key", FieldName: "key", Type: kindType(coltype.String)},
		{Name: "few", FieldName: "few", Type: kindType(coltype.Int32)}, {Name: "none", FieldName: "none", Type: kindType(coltype.Date)}}}
	rb := array.NewRecordBuilder(memory.DefaultAllocator, s.Arrow())
	for i := range int64(rows) {
		rb.Field(0).(*array.Int64Builder).Append(i * 7)
		rb.Field(1).(*array.StringBuilder).Append(fmt.Sprintf("key-%08d", i))
		rb.Field(2).(*array.Int32Builder).Append(int32(i % 100))
		rb.Field(3).AppendNull()
		rb.Field(4).AppendNull()
	}
	b, _ := write(t, s, WriteOptions{Bloom: []string{"id", "key", "few", "none"}}, rb.NewRecordBatch())
	f := open(t, b)
	if f.RowGroups() != 1 {
		t.Fatalf("%d row groups", f.RowGroups())
	}
	chunks := make([]Chunk, len(s.Columns))
	for i, c := range s.Columns {
		chunks[i] = Chunk{0, c}
	}
	filters, err := f.Blooms(context.Background(), chunks)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{128 << 10, 128 << 10, 128, 32} {
		if got := filters[i].Bytes(); got != want {
			t.Errorf("column %q: %d bytes, want %d", s.Columns[i].Name, got, want)
		}
	}
	wrong := [2]int{}
	for i := range int64(rows) {
		if !filters[0].May(coltype.Value{Kind: coltype.Int64, I: i * 7}) || !filters[1].May(coltype.Value{Kind: coltype.String, S: fmt.Sprintf("key-%08d", i)}) {
			t.Fatalf("value %d is not in its filter", i)
		}
		if filters[0].May(coltype.Value{Kind: coltype.Int64, I: i*7 + 3}) {
			wrong[0]++
		}
		if filters[1].May(coltype.Value{Kind: coltype.String, S: fmt.Sprintf("KEY-%08d", i)}) {
			wrong[1]++
		}
	}
	for i, n := range wrong {
		rate := float64(n) / rows
		t.Logf("column %q: %.2f %% of absent values pass", s.Columns[i].Name, 100*rate)
		if rate > 0.027 || rate < 0.002 {
			t.Errorf("column %q: %d of %d absent values pass", s.Columns[i].Name, n, rows)
		}
	}
	if filters[3].May(coltype.Value{Kind: coltype.Date, I: 0}) {
		t.Error("a column of NULLs may hold a date")
	}
}

// TestBloomMay: values that the column cannot hold are certainly absent; of what has no single form nothing is said.
func TestBloomMay(t *testing.T) {
	const day = 86_400_000_000
	dec := func(v int64, scale int) coltype.Value {
		return coltype.Value{Kind: coltype.Decimal, Big: big.NewInt(v), Scale: scale}
	}
	huge := coltype.Value{Kind: coltype.Decimal, Big: new(big.Int).Exp(big.NewInt(10), big.NewInt(60), nil), Scale: 2}
	for _, c := range []struct {
		name    string
		written coltype.Type
		read    coltype.Type
		json    string
		here    []coltype.Value
		absent  []coltype.Value
		unknown []coltype.Value
	}{
		{name: "int4", written: kindType(coltype.Int32), json: `-5`, here: []coltype.Value{{Kind: coltype.Int32, I: -5}},
			absent:  []coltype.Value{{Kind: coltype.Int32, I: 5}, {Kind: coltype.Int32, I: math.MaxInt64}, {Kind: coltype.Int32, I: 1<<32 - 5}},
			unknown: []coltype.Value{{Kind: coltype.Int64, I: 5}, {}}},
		{name: "int4 read as int8", written: kindType(coltype.Int32), read: kindType(coltype.Int64), json: `-5`, here: []coltype.Value{{Kind: coltype.Int64, I: -5}},
			absent: []coltype.Value{{Kind: coltype.Int64, I: 5}, {Kind: coltype.Int64, I: 1<<32 - 5}}, unknown: []coltype.Value{{Kind: coltype.Int32, I: 5}}},
		{name: "numeric(5,2)", written: decimalType(5, 2), json: `"1.50"`, here: []coltype.Value{dec(150, 2), dec(15, 1), dec(15000, 4)},
			absent: []coltype.Value{dec(1500, 2), dec(1501, 3), dec(150, 0), huge, {Kind: coltype.Decimal, Special: coltype.NaN}}},
		{name: "numeric(5,2) read as (18,2)", written: decimalType(5, 2), read: decimalType(18, 2), json: `"-1.50"`, here: []coltype.Value{dec(-150, 2)},
			absent: []coltype.Value{dec(150, 2), dec(1<<40, 2)}},
		{name: "numeric(18,0)", written: decimalType(18, 0), json: `"-999999999999999999"`, here: []coltype.Value{dec(-999999999999999999, 0)}, absent: []coltype.Value{dec(1, 0), huge}},
		{name: "numeric(38,2)", written: decimalType(38, 2), json: `"-1.50"`, here: []coltype.Value{dec(-150, 2), dec(-15, 1)}, absent: []coltype.Value{dec(150, 2), dec(-1501, 3), huge}},
		{name: "numeric(20,2) read as (38,2)", written: decimalType(20, 2), read: decimalType(38, 2), json: `"1.50"`, here: []coltype.Value{dec(150, 2)},
			absent: []coltype.Value{dec(-150, 2), {Kind: coltype.Decimal, Big: new(big.Int).Lsh(big.NewInt(1), 80), Scale: 2}}},
		{name: "text", written: kindType(coltype.String), json: `"ab "`, here: []coltype.Value{{Kind: coltype.String, S: "ab "}}, absent: []coltype.Value{{Kind: coltype.String, S: "ab"}, {Kind: coltype.String}}},
		{name: "empty text", written: kindType(coltype.String), json: `""`, here: []coltype.Value{{Kind: coltype.String}}, absent: []coltype.Value{{Kind: coltype.String, S: " "}}},
		{name: "uuid", written: kindType(coltype.UUID), json: `"00000000-0000-0000-0000-000000000001"`, here: []coltype.Value{{Kind: coltype.UUID, S: strings.Repeat("\x00", 15) + "\x01"}},
			absent: []coltype.Value{{Kind: coltype.UUID, S: strings.Repeat("\x00", 16)}, {Kind: coltype.UUID, S: "\x01"}}},
		{name: "date", written: kindType(coltype.Date), json: `"2000-01-02"`, here: []coltype.Value{{Kind: coltype.Date, I: 1}},
			absent: []coltype.Value{{Kind: coltype.Date, I: 0}, {Kind: coltype.Date, I: 1 + coltype.UnixToPGDays}, {Kind: coltype.Date, I: math.MaxInt32}, {Kind: coltype.Date, I: math.MinInt32}}},
		{name: "timestamptz", written: kindType(coltype.TimestampTZ), json: `"2000-01-02T00:00:00Z"`, here: []coltype.Value{{Kind: coltype.TimestampTZ, I: day}},
			absent:  []coltype.Value{{Kind: coltype.TimestampTZ, I: 0}, {Kind: coltype.TimestampTZ, I: day + coltype.UnixToPGMicros}, {Kind: coltype.TimestampTZ, I: math.MaxInt64}, {Kind: coltype.TimestampTZ, I: math.MinInt64}},
			unknown: []coltype.Value{{Kind: coltype.Timestamp, I: 0}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.read.Kind == coltype.Invalid {
				c.read = c.written
			}
			col := coltype.Column{Name: "c", FieldName: "c", Type: c.written}
			s := coltype.Schema{Columns: []coltype.Column{col}}
			rows, _, err := array.RecordFromJSON(memory.DefaultAllocator, s.Arrow(), strings.NewReader(`[{"c":`+c.json+`},{}]`))
			if err != nil {
				t.Fatal(err)
			}
			b, _ := write(t, s, WriteOptions{Bloom: []string{"c"}}, rows)
			col.Type = c.read
			filter, ok, err := open(t, b).Bloom(context.Background(), 0, col)
			if err != nil || !ok {
				t.Fatalf("filter: %v, %v", ok, err)
			}
			for _, list := range []struct {
				values []coltype.Value
				want   bool
			}{{c.here, true}, {c.absent, false}, {c.unknown, true}} {
				for _, v := range list.values {
					if got := filter.May(v); got != list.want {
						t.Errorf("%+v: %v, want %v", v, got, list.want)
					}
				}
			}
		})
	}
}

// TestNoBloom: where nothing can be asked there is no filter, and the zero Filter excludes nothing.
func TestNoBloom(t *testing.T) {
	numeric := kindType(coltype.String)
	numeric.Base = "numeric"
	s := coltype.Schema{Columns: []coltype.Column{{Name: "n", FieldName: "n", Type: numeric}, {Name: "t", FieldName: "t", Type: kindType(coltype.String)}}}
	rows, _, err := array.RecordFromJSON(memory.DefaultAllocator, s.Arrow(), strings.NewReader(`[{"n":"1.50","t":"x"}]`))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := write(t, s, WriteOptions{Bloom: []string{"n"}}, rows)
	f := open(t, b)
	for _, c := range []coltype.Column{s.Columns[0], s.Columns[1], {Name: "absent", Type: kindType(coltype.String)}, {Name: "t", Type: kindType(coltype.Binary)}, {Name: "n", Type: kindType(coltype.Int64)}} {
		filter, ok, err := f.Bloom(context.Background(), 0, c)
		if err != nil || ok || f.HasBloom(0, c) || !filter.May(coltype.Value{Kind: c.Type.Kind, S: "nothing"}) {
			t.Errorf("column %q as %v: ok %v, %v", c.Name, c.Type.Kind, ok, err)
		}
	}
}

func TestBloomRefused(t *testing.T) {
	s := allKinds()
	for _, c := range []struct{ column, says string }{
		{"nothing", `write Parquet: Bloom filter of column "nothing": there is no such column`},
		{"float64", `write Parquet: column "float64" is of type float64 (float64), which has no Bloom filter`},
		{"float32 few", `write Parquet: column "float32 few" is of type float32 (float32), which has no Bloom filter`},
		{"bool", `write Parquet: column "bool" is of type bool (bool), which has no Bloom filter`},
		{"list of int32", `write Parquet: column "list of int32" is of type list (list), which has no Bloom filter`},
	} {
		if _, err := NewWriter(new(bytes.Buffer), s, WriteOptions{Bloom: []string{"int32", c.column}}); err == nil || err.Error() != c.says {
			t.Errorf("%v\nwant %s", err, c.says)
		}
	}
}

// TestBloomRequests: the filters of many chunks are one request, and asking for none is none.
func TestBloomRequests(t *testing.T) {
	s := allKinds()
	b, _ := write(t, s, WriteOptions{RowGroupRows: 500, PageRows: 100, Bloom: []string{"int64", "string"}}, batch(s, newRand(43), 2000))
	var st Stats
	f, err := Open(context.Background(), Bytes(b), ReadOptions{Stats: &st})
	if err != nil {
		t.Fatal(err)
	}
	f.tail = nil // the filters of so small a file are in it
	before, bytes := st.Requests.Load(), st.Bytes.Load()
	var chunks []Chunk
	want := int64(0)
	for rg := range f.RowGroups() {
		for _, c := range s.Columns {
			chunks = append(chunks, Chunk{rg, c})
		}
		for i := range f.meta.groups[rg].columns {
			want += int64(f.meta.groups[rg].columns[i].bloomLength)
		}
	}
	filters, err := f.Blooms(context.Background(), chunks)
	if err != nil {
		t.Fatal(err)
	}
	have := 0
	for _, filter := range filters {
		if filter.Bytes() > 0 {
			have++
		}
	}
	if n := st.Requests.Load() - before; n != 1 || have != 8 || st.Bytes.Load()-bytes != want {
		t.Errorf("%d requests of %d bytes for %d filters of %d bytes, want 1 for 8", n, st.Bytes.Load()-bytes, have, want)
	}
	if _, err := f.Blooms(context.Background(), nil); err != nil || st.Requests.Load()-before != 1 {
		t.Errorf("asking for nothing: %v, %d requests", err, st.Requests.Load()-before)
	}
}

// TestBloomCorrupt: headers that contradict their place are refused; algorithms that are not known are no filter.
func TestBloomCorrupt(t *testing.T) {
	s := coltype.Schema{Columns: []coltype.Column{{Name: "c", FieldName: "c", Type: kindType(coltype.String)}}}
	rows, _, err := array.RecordFromJSON(memory.DefaultAllocator, s.Arrow(), strings.NewReader(`[{"c":"x"},{"c":"y"}]`))
	if err != nil {
		t.Fatal(err)
	}
	good, _ := write(t, s, WriteOptions{Bloom: []string{"c"}}, rows)
	at := open(t, good).meta.groups[0].columns[0]
	header := int(at.bloomLength) - 32
	if header != 15 {
		t.Fatalf("a header of %d bytes, want 15", header)
	}
	if want := []byte{0x15, 0x40, 0x1c, 0x1c, 0, 0, 0x1c, 0x1c, 0, 0, 0x1c, 0x1c, 0, 0, 0}; !bytes.HasPrefix(good[at.bloomOffset:], want) {
		t.Errorf("header is % x", good[at.bloomOffset:][:header])
	}
	for _, c := range []struct {
		name  string
		at    int
		to    byte
		fails bool
	}{
		{"no size", 0, 0, true},
		{"size 0", 1, 0, true},
		{"size below 0", 1, 1, true},
		{"size 31", 1, 62, true},
		{"size 64", 1, 0x80, true},
		{"another type", 0, 0x16, true},
		{"another algorithm", 3, 0x2c, false},
		{"another hash", 7, 0x2c, false},
		{"another compression", 11, 0x2c, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := bytes.Clone(good)
			bad[int(at.bloomOffset)+c.at] = c.to
			_, ok, err := open(t, bad).Bloom(context.Background(), 0, s.Columns[0])
			if ok || errors.Is(err, ErrCorrupt) != c.fails {
				t.Errorf("a filter is %v, error %v", ok, err)
			}
		})
	}
	rng := newRand(44)
	for range 3000 { // anything in a header is a filter, none, or ErrCorrupt
		bad := bytes.Clone(good)
		for range 1 + rng.IntN(3) {
			bad[int(at.bloomOffset)+rng.IntN(header)] = byte(rng.Uint32())
		}
		if _, _, err := open(t, bad).Bloom(context.Background(), 0, s.Columns[0]); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("% x: %v", bad[at.bloomOffset:][:header], err)
		}
	}
	for _, place := range []struct {
		off    int64
		length int32
	}{{-1, 47}, {100, -1}, {int64(len(good)) - 10, 47}, {math.MaxInt64, 47}} {
		m := open(t, good).meta
		m.groups[0].columns[0].bloomOffset, m.groups[0].columns[0].bloomLength = place.off, place.length
		f := File{fileData: &fileData{size: int64(len(good)), meta: m, schema: &fileSchema{leaves: 3}}}
		if err := f.check(); !errors.Is(err, ErrCorrupt) {
			t.Errorf("a filter at %d+%d: %v", place.off, place.length, err)
		}
	}
}

// TestHashSet counts distinct hashes, 0 too, over chunks.
func TestHashSet(t *testing.T) {
	var s hashSet
	for range 2 {
		for i := range 5000 {
			s.add(xxhash.Sum64(binary.LittleEndian.AppendUint32(nil, uint32(i%3000))))
		}
		s.add(0)
		s.add(0)
		b := s.encode()
		if s.n != 3000 || !s.zero || len(b) != 4096+16 {
			t.Fatalf("%d distinct, zero %v, %d bytes", s.n, s.zero, len(b))
		}
		if bits, known, err := readBloom(b); err != nil || !known || !bloomHas(bits, 0) {
			t.Fatalf("the hash 0 is missing: %v %v", known, err)
		}
		s.reset()
	}
}
