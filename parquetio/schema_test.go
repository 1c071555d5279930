package parquetio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"frostline/coltype"
	"frostline/objstore"
)

// TestFieldIDs checks the Parquet schema as arrow-go prints it, and that arrow-go maps it back to the
// Arrow schema that was written, ids included.
func TestFieldIDs(t *testing.T) {
	elem := kindType(coltype.UUID)
	s := coltype.Schema{ExactID: 7, ExactKeyID: 8, ExactValueID: 9, Columns: []coltype.Column{
		{Name: "id", FieldID: 1, Type: kindType(coltype.Int64)},
		{Name: "sum", FieldID: 2, Type: decimalType(12, 2)},
		{Name: "at", FieldID: 3, Type: kindType(coltype.TimestampTZ)},
		{Name: "keys", FieldID: 4, ElemID: 6, Type: coltype.Type{Kind: coltype.List, Elem: &elem}},
		{Name: "day", FieldID: 5, Type: kindType(coltype.Date)},
	}}
	b, info := write(t, s, WriteOptions{})
	pf, err := file.NewParquetReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"optional int64 field_id=1 id",
		"optional int64 field_id=2 sum (Decimal(precision=12, scale=2))",
		"optional int64 field_id=3 at (Timestamp(isAdjustedToUTC=true, timeUnit=microseconds",
		"optional group field_id=4 keys (List)",
		"optional fixed_len_byte_array field_id=6 element (UUID)",
		"optional int32 field_id=5 day (Date)",
		"optional group field_id=7 _pg_exact (Map)",
		"required byte_array field_id=8 key (String)",
		"optional byte_array field_id=9 value (String)",
	}
	got := pf.MetaData().Schema.String()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("schema lacks %q:\n%s", w, got)
		}
	}
	fr, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	as, err := fr.Schema()
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range s.Arrow().Fields() {
		if id, _ := as.Field(i).Metadata.GetValue("PARQUET:field_id"); id != fmt.Sprint([]int{1, 2, 3, 4, 5, 7}[i]) {
			t.Errorf("field %q has id %s in arrow-go", f.Name, id)
		}
	}
	var ids []int
	for _, c := range info.Columns {
		ids = append(ids, c.FieldID)
	}
	if fmt.Sprint(ids) != "[1 2 3 6 5 8 9]" {
		t.Errorf("info has the fields %v", ids)
	}
}

// TestEvolvedColumns reads a file with another schema than it was written with.
func TestEvolvedColumns(t *testing.T) {
	old := coltype.Schema{ExactID: 8, ExactKeyID: 9, ExactValueID: 10, Columns: []coltype.Column{
		{Name: "a", FieldID: 1, Type: kindType(coltype.Int32)},
		{Name: "b", FieldID: 2, Type: kindType(coltype.Float32)},
		{Name: "c", FieldID: 3, Type: decimalType(5, 2)},
	}}
	rb := array.NewRecordBuilder(memory.DefaultAllocator, old.Arrow())
	rb.Field(0).(*array.Int32Builder).AppendValues([]int32{-7, 0, 9}, []bool{true, false, true})
	rb.Field(1).(*array.Float32Builder).AppendValues([]float32{1.5, 0, -2}, []bool{true, false, true})
	for _, v := range []string{"-1.25", "", "999.99"} {
		if v == "" {
			rb.Field(2).AppendNull()
		} else if err := rb.Field(2).AppendValueFromString(v); err != nil {
			t.Fatal(err)
		}
	}
	rb.Field(3).AppendNulls(3)
	b, _ := write(t, old, WriteOptions{}, rb.NewRecordBatch())
	elem := kindType(coltype.Int64)
	cols := []coltype.Column{
		{Name: "renamed", FieldID: 1, Type: kindType(coltype.Int64)},
		{Name: "b", FieldID: 2, Type: kindType(coltype.Float64)},
		{Name: "c", FieldID: 3, Type: decimalType(38, 2)},
		{Name: "a", FieldID: 4, Type: kindType(coltype.UUID)}, // a new column under an old name
		{Name: "new list", FieldID: 5, ElemID: 6, Type: coltype.Type{Kind: coltype.List, Elem: &elem}},
	}
	f := open(t, b)
	got, err := f.Read(context.Background(), 0, cols, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"[-7 (null) 9]", "[1.5 (null) -2]", "[-1.25 (null) 999.99]", "[(null) (null) (null)]", "[(null) (null) (null)]", "[(null) (null) (null)]"}
	for i, w := range want {
		var text []string
		for r := range 3 {
			text = append(text, got.Column(i).ValueStr(r))
		}
		if fmt.Sprint(text) != w || (i < len(cols) && !arrow.TypeEqual(got.Column(i).DataType(), cols[i].ArrowField().Type)) {
			t.Errorf("column %d is %s %v, want %v", i, got.Column(i).DataType(), text, w)
		}
	}
	if b := f.Bounds(0, cols[0]); b.Min == nil || b.Min.Kind != coltype.Int64 || b.Min.I != -7 || b.Max.I != 9 || b.Nulls != 1 {
		t.Errorf("bounds of a promoted column are %+v", b)
	}
	if b := f.Bounds(0, cols[2]); b.Max == nil || b.Max.Big.String() != "99999" || b.Max.Scale != 2 {
		t.Errorf("bounds of a promoted decimal are %+v", b)
	}
	if b := f.Bounds(0, cols[3]); b.Nulls != 3 || b.Min != nil || b.NaNs != 0 {
		t.Errorf("bounds of a missing column are %+v", b)
	}
	for name, c := range map[string]coltype.Column{
		"narrower":       {Name: "a", FieldID: 1, Type: decimalType(9, 0)},
		"another scale":  {Name: "c", FieldID: 3, Type: decimalType(38, 3)},
		"less precision": {Name: "c", FieldID: 3, Type: decimalType(4, 2)},
		"a list":         {Name: "a", FieldID: 1, Type: coltype.Type{Kind: coltype.List, Elem: &elem}},
		"text":           {Name: "a", FieldID: 1, Type: kindType(coltype.String)},
	} {
		if _, err := f.Read(context.Background(), 0, []coltype.Column{c}, false, nil); !errors.Is(err, ErrCorrupt) {
			t.Errorf("read as %s: %v, want ErrCorrupt", name, err)
		}
	}
}

// TestWideValues shows that pages and row groups end early where values are wide, in all columns
// at once, and that a huge cell passes.
func TestWideValues(t *testing.T) {
	s := coltype.Schema{ExactID: 8, ExactKeyID: 9, ExactValueID: 10, Columns: []coltype.Column{
		{Name: "id", FieldID: 1, Type: kindType(coltype.Int64)},
		{Name: "blob", FieldID: 2, Type: kindType(coltype.Binary)},
	}}
	sizes := []int{10, 700_000, 700_000, 700_000, 0, 100 << 20, 3, 2_000_000, 100_000}
	rb := array.NewRecordBuilder(memory.DefaultAllocator, s.Arrow())
	for i, n := range sizes {
		v := bytes.Repeat([]byte(fmt.Sprintf("%07d|", i)), n/8+1)[:n]
		rb.Field(0).(*array.Int64Builder).Append(int64(i))
		rb.Field(1).(*array.BinaryBuilder).Append(v)
		rb.Field(2).AppendNull()
	}
	all := rb.NewRecordBatch()
	b, info := write(t, s, WriteOptions{}, all)
	f := open(t, b)
	if info.Rows != int64(len(sizes)) || f.RowGroups() != 2 { // the huge cell ends one
		t.Fatalf("%d rows in %d row groups", info.Rows, f.RowGroups())
	}
	for _, c := range s.Columns {
		for rg, want := range []string{"[0 3 5]", "[0 2]"} {
			pages, err := f.Pages(context.Background(), rg, c)
			if err != nil {
				t.Fatal(err)
			}
			var first []int64
			for _, p := range pages {
				first = append(first, p.FirstRow)
			}
			if fmt.Sprint(first) != want {
				t.Errorf("column %q has pages at rows %v of row group %d, want %s", c.Name, first, rg, want)
			}
		}
	}
	got, err := f.Read(context.Background(), 0, s.Columns, false, []RowRange{{4, 6}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if !bytes.Equal(got.Column(1).(*array.Binary).Value(i), all.Column(1).(*array.Binary).Value(4+i)) {
			t.Errorf("value %d differs", 4+i)
		}
	}
}

// TestManyColumns shows that the memory for pages does not grow with the number of columns.
func TestManyColumns(t *testing.T) {
	s := coltype.Schema{}
	for i := range 1600 {
		s.Columns = append(s.Columns, coltype.Column{Name: fmt.Sprint("c", i), FieldID: i + 1, Type: kindType(coltype.Int64)})
	}
	rb := array.NewRecordBuilder(memory.DefaultAllocator, s.Arrow())
	for i := range s.Columns {
		for r := range 500 {
			rb.Field(i).(*array.Int64Builder).Append(int64(r * i))
		}
	}
	rb.Field(len(s.Columns)).AppendNulls(500)
	one := rb.NewRecordBatch()
	var out bytes.Buffer
	w, err := NewWriter(&out, s, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for range 8 {
		if err := w.Write(one); err != nil {
			t.Fatal(err)
		}
		if n := w.buffered(); n > 2*bufferBytes {
			t.Errorf("%d bytes wait for their page to fill", n)
		}
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f := open(t, out.Bytes())
	pages, err := f.Pages(context.Background(), 0, s.Columns[7])
	if err != nil {
		t.Fatal(err)
	}
	if f.Rows() != 4000 || f.RowGroups() != 1 || len(pages) != 2 || pages[1].FirstRow != 3000 {
		t.Errorf("%d rows in %d row groups, pages %+v", f.Rows(), f.RowGroups(), pages)
	}
}

// TestReadsOnlyWhatIsAsked counts requests, bytes and pages of a point read.
func TestReadsOnlyWhatIsAsked(t *testing.T) {
	s := allKinds()
	var rows []arrow.RecordBatch
	one := batch(s, newRand(21), 5000)
	rows = append(rows, one, one, one)
	b, _ := write(t, s, WriteOptions{RowGroupRows: 15000, PageRows: 1000}, rows...)
	var st Stats
	f, err := Open(context.Background(), Bytes(b), ReadOptions{Stats: &st})
	if err != nil {
		t.Fatal(err)
	}
	if n := st.Requests.Load(); n > 2 {
		t.Errorf("opening took %d requests", n)
	}
	var q Stats
	f = f.With(Bytes(b), &q)
	cols := []coltype.Column{s.Columns[0], s.Columns[4], s.Columns[9]}
	if _, err := f.Pages(context.Background(), 0, cols[0]); err != nil {
		t.Fatal(err)
	}
	index := q.Requests.Load()
	if index > 1 {
		t.Errorf("the page index took %d requests", index)
	}
	if _, err := f.Read(context.Background(), 0, cols, false, []RowRange{{7100, 7101}, {7900, 7950}}); err != nil {
		t.Fatal(err)
	}
	if q.Requests.Load()-index != 1 || q.Pages.Load() != 3 {
		t.Errorf("reading took %d requests and %d pages, want 1 and 3", q.Requests.Load()-index, q.Pages.Load())
	}
	if q.Bytes.Load() > int64(len(b))/10 {
		t.Errorf("reading took %d bytes of a file of %d", q.Bytes.Load(), len(b))
	}
	if _, err := f.Read(context.Background(), 0, cols, false, []RowRange{{5, 3}}); err == nil || errors.Is(err, ErrCorrupt) {
		t.Errorf("a range from 5 to 3 gives %v", err)
	}
}

// TestStoreSource writes to a store and reads from it.
func TestStoreSource(t *testing.T) {
	ctx := context.Background()
	store, err := objstore.Open(ctx, "file://"+t.TempDir(), objstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := allKinds()
	all := batch(s, newRand(51), 500)
	b, info := write(t, s, WriteOptions{PageRows: 100}, all)
	if _, err := store.Put(ctx, "a/b.parquet", bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	f, err := Open(ctx, StoreSource(store, "a/b.parquet", info.Bytes), ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Read(ctx, 0, s.Columns, true, []RowRange{{150, 160}, {480, 500}})
	if err != nil {
		t.Fatal(err)
	}
	sameRanges(t, all, 0, []RowRange{{150, 160}, {480, 500}}, got)
	if _, err := Open(ctx, StoreSource(store, "a/c.parquet", info.Bytes), ReadOptions{}); !errors.Is(err, objstore.ErrNotExist) {
		t.Errorf("a missing object gives %v, want ErrNotExist", err)
	}
}

func TestCancelledScan(t *testing.T) {
	s := oneColumn(kindType(coltype.Int64))
	b, _ := write(t, s, WriteOptions{}, rowsOf(t, s, 1, 2, 3))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	for _, err := range open(t, b).Scan(ctx, 0, s, 1) {
		n++
		cancel()
		if n == 2 && !errors.Is(err, context.Canceled) {
			t.Errorf("error is %v, want context.Canceled", err)
		}
	}
	if n != 2 {
		t.Errorf("scan went on for %d steps", n)
	}
}

type failingWriter struct{ left int }

var errDisk = errors.New("disk is full")

func (w *failingWriter) Write(b []byte) (int, error) {
	if w.left -= len(b); w.left < 0 {
		return 0, errDisk
	}
	return len(b), nil
}

func TestWriteErrors(t *testing.T) {
	s := oneColumn(kindType(coltype.Int64))
	w, err := NewWriter(&failingWriter{10}, s, WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(rowsOf(t, s, 1, 2, 3)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); !errors.Is(err, errDisk) {
		t.Errorf("close gives %v", err)
	}
	other := oneColumn(kindType(coltype.String))
	w, _ = NewWriter(&bytes.Buffer{}, s, WriteOptions{})
	if err := w.Write(rowsOf(t, other, "x")); err == nil || err.Error() != `write Parquet: column "c": Arrow type utf8 does not fit INT64` {
		t.Errorf("a batch of another type gives %v", err)
	}
	w, _ = NewWriter(&bytes.Buffer{}, s, WriteOptions{})
	w.Abort()
	if err := w.Write(rowsOf(t, s, 1)); !errors.Is(err, errClosed) {
		t.Errorf("write after abort gives %v", err)
	}
	if _, err := w.Close(); !errors.Is(err, errClosed) {
		t.Errorf("close after abort gives %v", err)
	}
	bad := oneColumn(decimalType(40, 2))
	if _, err := NewWriter(&bytes.Buffer{}, bad, WriteOptions{}); err == nil {
		t.Error("decimal(40,2) is accepted")
	}
}
