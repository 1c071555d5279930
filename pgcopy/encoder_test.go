package pgcopy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
)

// field is a field of a stream.
func fieldOf(b []byte) []byte { return append(be.AppendUint32(nil, uint32(len(b))), b...) }

// streamOf is a stream of rows of fields; a nil field is NULL.
func streamOf(rows ...[][]byte) []byte {
	out := bytes.Clone(BinaryHeader)
	for _, r := range rows {
		out = be.AppendUint16(out, uint16(len(r)))
		for _, f := range r {
			if f == nil {
				out = append(out, 0xff, 0xff, 0xff, 0xff)
			} else {
				out = append(out, fieldOf(f)...)
			}
		}
	}
	return append(out, BinaryTrailer...)
}

// appendBinary appends what WriteBinary writes.
func (e *Encoder) appendBinary(dst []byte, b arrow.RecordBatch) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	n, err := e.WriteBinary(out, b)
	if int(n) != out.Len()-len(dst) {
		return nil, fmt.Errorf("it wrote %d bytes and says %d", out.Len()-len(dst), n)
	}
	return out.Bytes(), err
}

func (e *Encoder) appendText(dst []byte, b arrow.RecordBatch) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	_, err := e.WriteText(out, b)
	return out.Bytes(), err
}

// WriteBinary gives the stream back byte for byte where the OIDs and flags are the server's.
func TestWriteBinaryIsTheStream(t *testing.T) {
	for _, c := range []struct {
		name  string
		t     coltype.Type
		field string
	}{
		{"float4 NaN with payload", tFloat4, "7fa00001"},
		{"float8 NaN with payload", tFloat8, "fff0000000000001"},
		{"date infinity", tDate, "7fffffff"},
		{"time 24:00", tTime, "000000141dd76000"},
		{"timestamp -infinity", tStamp, "8000000000000000"},
		{"timestamptz in the year 294276", tStampTZ, "7fff5c8acbbac000"},
		{"numeric of another scale than its column's", dec(9, 2), "0001 0000 0000 0001 0005"},
		{"numeric beyond its column's precision", dec(3, 0), "0001 0000 0000 0000 270f"},
		{"numeric infinity", dec(3, 0), "0000 0000 f000 0020"},
		{"array of an infinite date", arrayOf(tDate), "00000001 00000001 0000043a 00000002 00000001 00000004 80000000 ffffffff"},
		{"array with lower bound 0", arrayOf(tBytea), "00000001 00000000 00000011 00000001 00000000 00000003 00ff5c"},
		{"array of two dimensions", arrayOf(tJSONB), "00000002 00000000 00000eda 00000001 00000001 00000001 00000001 00000003 017b7d"},
		{"array of float NaN with payload", arrayOf(tFloat8), "00000001 00000000 000002bd 00000001 00000001 00000008 fff0000000000001"},
		{"array of numerics of another scale", arrayOf(dec(9, 2)), "00000001 00000000 000006a4 00000001 00000001 0000000a 0001 0000 0000 0001 0005"},
		{"array of timestamps", arrayOf(tStampTZ), "00000001 00000000 000004a0 00000001 00000001 00000008 0000000000000000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := schema(tInt4, c.t, tText)
			stream := streamOf([][]byte{{0, 0, 0, 1}, unhex(t, c.field), []byte("x")}, [][]byte{nil, nil, nil}, [][]byte{{0, 0, 0, 2}, unhex(t, c.field), {}})
			batches, want := decodeAll(t, s, stream, DecodeOptions{})
			e, err := NewEncoder(s)
			if err != nil {
				t.Fatal(err)
			}
			got, err := e.appendBinary(bytes.Clone(BinaryHeader), batches[0])
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, BinaryTrailer...); !bytes.Equal(got, stream) {
				t.Errorf("got  %x\nwant %x", got, stream)
			}
			if err := e.DigestBatch(batches[0]); err != nil || e.Digest() != want {
				t.Errorf("digest %v, %v; want %v", e.Digest(), err, want)
			}
		})
	}
}

func TestDictionaryStrings(t *testing.T) {
	s := schema(tText, tInet)
	plain, want := decodeAll(t, s, streamOf([][]byte{[]byte("a"), []byte("10.0.0.1")}, [][]byte{nil, []byte("x")}, [][]byte{[]byte("bb\t"), nil}, [][]byte{[]byte("a"), []byte("")}), DecodeOptions{})
	dict := func(index arrow.DataType, value arrow.Array) arrow.Array {
		b := array.NewDictionaryBuilder(memory.DefaultAllocator, &arrow.DictionaryType{IndexType: index, ValueType: arrow.BinaryTypes.String}).(*array.BinaryDictionaryBuilder)
		defer b.Release()
		for i := range value.Len() {
			if value.IsNull(i) {
				b.AppendNull()
			} else if err := b.AppendString(value.(*array.String).Value(i)); err != nil {
				t.Fatal(err)
			}
		}
		return b.NewArray()
	}
	for _, index := range []arrow.DataType{arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64} {
		cols := []arrow.Array{dict(index, plain[0].Column(0)), dict(index, plain[0].Column(1)), plain[0].Column(2)}
		fields := plain[0].Schema().Fields()
		fields[0].Type, fields[1].Type = cols[0].DataType(), cols[1].DataType()
		b := array.NewRecordBatch(arrow.NewSchema(fields, nil), cols, 4)
		e, err := NewEncoder(s)
		if err != nil {
			t.Fatal(err)
		}
		for from := range int64(4) { // slices have offsets
			part := b.NewSlice(from, from+1)
			if err := e.DigestBatch(part); err != nil {
				t.Error(err)
			}
			part.Release()
		}
		if e.Digest() != want {
			t.Errorf("index %v: digest %v, want %v", index, e.Digest(), want)
		}
		text, err := e.appendText(nil, b)
		if want := "a\t10.0.0.1\n\\N\tx\nbb\\t\t\\N\na\t\n"; err != nil || string(text) != want {
			t.Errorf("text %q, %v; want %q", text, err, want)
		}
		b.Release()
	}
}

// cellBatch is a batch of one row: a column of the type with that Arrow array, and exact texts.
func cellBatch(s coltype.Schema, col arrow.Array, exact ...string) arrow.RecordBatch {
	side := s.Arrow().Field(1)
	b := array.NewMapBuilderWithType(memory.DefaultAllocator, side.Type.(*arrow.MapType))
	defer b.Release()
	if len(exact) == 0 {
		b.AppendNull()
	} else {
		b.Append(true)
		for i := 0; i < len(exact); i += 2 {
			b.KeyBuilder().(*array.StringBuilder).Append(exact[i])
			b.ItemBuilder().(*array.StringBuilder).Append(exact[i+1])
		}
	}
	field := s.Arrow().Field(0)
	field.Type = col.DataType()
	return array.NewRecordBatch(arrow.NewSchema([]arrow.Field{field, side}, nil), []arrow.Array{col, b.NewArray()}, 1)
}

func TestEncoderRefuses(t *testing.T) {
	null := func(t coltype.Type) arrow.Array { return array.MakeArrayOfNull(memory.DefaultAllocator, t.Arrow(), 1) }
	value := func(dt arrow.DataType, text string) arrow.Array {
		b := array.NewBuilder(memory.DefaultAllocator, dt)
		defer b.Release()
		if err := b.AppendValueFromString(text); err != nil {
			panic(err)
		}
		return b.NewArray()
	}
	raw := func(dt arrow.DataType, v int64) arrow.Array {
		b := array.NewInt64Builder(memory.DefaultAllocator)
		defer b.Release()
		b.Append(v)
		data := b.NewArray().Data()
		return array.MakeFromData(array.NewData(dt, 1, data.Buffers(), nil, 0, 0))
	}
	const row = `encode row 0 of the batch, column "c1": `
	for _, c := range []struct {
		name  string
		t     coltype.Type
		col   arrow.Array
		exact []string
		want  string
	}{
		{"another type", tInt4, value(arrow.PrimitiveTypes.Int64, "1"), nil, `encode column "c1": type int4: the batch has int64, want int32; nothing was encoded`},
		{"seconds", tStamp, raw(&arrow.TimestampType{Unit: arrow.Second}, 1), nil, `encode column "c1": type timestamp: the batch has timestamp[s], want timestamp[us]; nothing was encoded`},
		{"another scale", dec(9, 2), value(&arrow.Decimal128Type{Precision: 9, Scale: 3}, "1.000"), nil, `encode column "c1": type numeric: the batch has decimal(9, 3), want decimal(9, 2); nothing was encoded`},
		{"int2", tInt2, value(arrow.PrimitiveTypes.Int32, "32768"), nil, row + "32768 is not a smallint"},
		{"oid", tOID, value(arrow.PrimitiveTypes.Int64, "-1"), nil, row + "-1 is not an oid"},
		{"numeric", tNumeric, value(arrow.BinaryTypes.String, "1e5"), nil, row + `"1e5" is not a numeric`},
		{"date", tDate, raw(arrow.FixedWidthTypes.Date32, math.MaxInt32), nil, row + "2147483647 days since 1970-01-01 is outside PostgreSQL's range"},
		{"time", tTime, raw(arrow.FixedWidthTypes.Time64us, dayMicros), nil, row + "86400000000 µs is no time of day"},
		{"timestamp", tStamp, raw(&arrow.TimestampType{Unit: arrow.Microsecond}, math.MinInt64), nil, row + "-9223372036854775808 µs since 1970-01-01 is outside PostgreSQL's range"},
		{"exact text of a value", tDate, raw(arrow.FixedWidthTypes.Date32, 1), []string{"c1", "infinity"}, `encode column "c1": row 0 has a value and exact text "infinity" too; nothing was encoded`},
		{"exact text twice", tDate, null(tDate), []string{"c1", "infinity", "c1", "infinity"}, `encode column "c1": row 0 has exact text twice; nothing was encoded`},
		{"exact text of no column", tDate, null(tDate), []string{"x", "infinity"}, `encode batch: row 0 has exact text under "x", which is no column that can have it`},
		{"exact text of an int", tInt4, null(tInt4), []string{"c1", "1"}, `encode batch: row 0 has exact text under "c1", which is no column that can have it`},
		{"exact numeric", dec(9, 2), null(dec(9, 2)), []string{"c1", "x"}, row + `exact text: "x" is not a numeric`},
		{"exact bytea in an array", arrayOf(tBytea), null(arrayOf(tBytea)), []string{"c1", "{{x}}"}, row + `array element 1: exact text: "x" is not a bytea in hex`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := schema(c.t)
			e, err := NewEncoder(s)
			if err != nil {
				t.Fatal(err)
			}
			b := cellBatch(s, c.col, c.exact...)
			if err := e.DigestBatch(b); err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if dst, err := e.appendBinary([]byte("kept"), b); err == nil || err.Error() != c.want || string(dst) != "kept" {
				t.Errorf("WriteBinary gave %q, %v; want what was there and the same error", dst, err)
			}
		})
	}
	e, _ := NewEncoder(schema(tInt4, tInt4))
	if err := e.DigestBatch(cellBatch(schema(tInt4), null(tInt4))); err == nil || err.Error() != "encode batch: it has 2 columns, want 2 and the side column" {
		t.Errorf("too few columns: %v", err)
	}
	e, _ = NewEncoder(schema(tDate))
	if err := e.DigestBatch(cellBatch(schema(tDate), null(tDate), "c1", "soon")); !errors.Is(err, coltype.ErrValue) {
		t.Errorf("exact date %q: %v, want ErrValue", "soon", err)
	}
}

func TestLists(t *testing.T) {
	cols := []coltype.Column{
		{Name: `a"b`, Type: tInt4},
		{Name: "Net", Type: tInet},
		{Name: "gen", Type: tInt4, Generated: true},
		{Name: "nets", Type: coltype.Type{Kind: coltype.List, Wire: coltype.WireText, Elem: &tInet, Delim: ","}},
		{Name: "boxes", Type: coltype.Type{Kind: coltype.List, Wire: coltype.WireText, Elem: &coltype.Type{Kind: coltype.String, Wire: coltype.WireText, Base: "box"}, Delim: ";"}},
		{Name: "ints", Type: arrayOf(tInt4)},
	}
	want := `"a""b", CASE WHEN "Net" IS DISTINCT FROM NULL THEN pg_catalog.format('%s', "Net") END, "gen", ` +
		`(("nets")::pg_catalog.text)::pg_catalog.text[], ("boxes")::pg_catalog.text[], "ints"`
	if got := SelectList(cols, ""); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := SelectList(cols[:2], `t"`), `"t"""."a""b", CASE WHEN "t"""."Net" IS DISTINCT FROM NULL THEN pg_catalog.format('%s', "t"""."Net") END`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := InsertColumns(cols), `"a""b", "Net", "nets", "boxes", "ints"`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if SelectList(nil, "t") != "" || InsertColumns(nil) != "" {
		t.Error("the list of no columns is not empty")
	}
}

// A table without columns has rows all the same.
func TestNoColumns(t *testing.T) {
	batches, want := decodeAll(t, schema(), streamOf(nil, nil, nil), DecodeOptions{})
	e, err := NewEncoder(schema())
	if err != nil || batches[0].NumRows() != 3 {
		t.Fatalf("%d rows, %v; want 3", batches[0].NumRows(), err)
	}
	if err := e.DigestBatch(batches[0]); err != nil || e.Digest() != want || want.Rows != 3 {
		t.Errorf("digest %v, %v; want %v", e.Digest(), err, want)
	}
	if text, err := e.appendText(nil, batches[0]); string(text) != "\n\n\n" || err != nil {
		t.Errorf("text %q, %v", text, err)
	}
}

func TestStream(t *testing.T) {
	s, stream := schema(tInt4), streamOf([][]byte{{0, 0, 0, 1}}, [][]byte{nil})
	lost, full := errors.New("connection lost"), errors.New("sink is full")
	send := func(b []byte, rows int64, err error) func(io.Writer) (int64, error) {
		return func(w io.Writer) (int64, error) {
			if _, err := w.Write(b); err != nil {
				return 0, err
			}
			return rows, err
		}
	}
	rows := int64(0)
	d, err := Stream(s, DecodeOptions{}, send(stream, 2, nil), func(b arrow.RecordBatch) error { rows += b.NumRows(); return nil })
	if err != nil || d.Rows != 2 || rows != 2 {
		t.Errorf("got %v, %d rows, %v; want 2 rows", d, rows, err)
	}
	if _, err := Stream(s, DecodeOptions{}, send(stream, 3, nil), nil); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "server sent 3 rows, 2 were decoded") {
		t.Errorf("a row too few: %v", err)
	}
	if _, err := Stream(s, DecodeOptions{}, send(stream, 2, lost), nil); !errors.Is(err, lost) {
		t.Errorf("copy out that fails at its end: %v, want %v", err, lost)
	}
	if _, err := Stream(s, DecodeOptions{}, send(stream, 2, nil), func(arrow.RecordBatch) error { return full }); !errors.Is(err, full) {
		t.Errorf("sink that fails: %v, want %v", err, full)
	}
	if _, err := Stream(s, DecodeOptions{}, send(stream[:25], 2, nil), nil); !errors.Is(err, ErrCorrupt) {
		t.Errorf("cut stream: %v, want ErrCorrupt", err)
	}
}
