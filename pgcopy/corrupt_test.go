package pgcopy

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"frostline/coltype"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func typ(kind coltype.Kind, wire coltype.Wire, base string) coltype.Type {
	return coltype.Type{Kind: kind, Wire: wire, Base: base, Name: base}
}

func dec(p, s int) coltype.Type {
	return coltype.Type{Kind: coltype.Decimal, Wire: coltype.WireNumeric, Precision: p, Scale: s, Base: "numeric", Name: "numeric"}
}

func arrayOf(elem coltype.Type) coltype.Type {
	return coltype.Type{Kind: coltype.List, Wire: coltype.WireArray, Elem: &elem, Delim: ",", Base: "_" + elem.Base, Name: elem.Name + "[]"}
}

// Some types that the tests share.
var (
	tBool    = typ(coltype.Bool, coltype.WireBool, "bool")
	tInt2    = typ(coltype.Int32, coltype.WireInt2, "int2")
	tInt4    = typ(coltype.Int32, coltype.WireInt4, "int4")
	tInt8    = typ(coltype.Int64, coltype.WireInt8, "int8")
	tOID     = typ(coltype.Int64, coltype.WireOID, "oid")
	tFloat4  = typ(coltype.Float32, coltype.WireFloat4, "float4")
	tFloat8  = typ(coltype.Float64, coltype.WireFloat8, "float8")
	tNumeric = typ(coltype.String, coltype.WireNumeric, "numeric")
	tText    = typ(coltype.String, coltype.WireRaw, "text")
	tJSONB   = typ(coltype.String, coltype.WireJSONB, "jsonb")
	tBytea   = typ(coltype.Binary, coltype.WireRaw, "bytea")
	tUUID    = typ(coltype.UUID, coltype.WireUUID, "uuid")
	tDate    = typ(coltype.Date, coltype.WireDate, "date")
	tTime    = typ(coltype.Time, coltype.WireTime, "time")
	tStamp   = typ(coltype.Timestamp, coltype.WireTimestamp, "timestamp")
	tStampTZ = typ(coltype.TimestampTZ, coltype.WireTimestamp, "timestamptz")
	tInet    = typ(coltype.String, coltype.WireText, "inet")
)

// schema has a column c1, c2 … of each type.
func schema(types ...coltype.Type) coltype.Schema {
	var s coltype.Schema
	for i, t := range types {
		s.Columns = append(s.Columns, coltype.Column{Name: "c" + string(rune('1'+i)), Type: t})
	}
	coltype.NameFields(s.Columns)
	return s
}

const (
	head = "5047434f50590aff0d0a00 00000000 00000000"
	end  = "ffff"
)

// decodeRows decodes to the end and gives the rows and the error, nil for io.EOF.
func decodeRows(d *Decoder) (rows int64, err error) {
	for {
		b, err := d.Next()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			if _, again := d.Next(); again != err {
				return rows, errors.New("the error does not stay")
			}
			return rows, err
		}
		rows += b.NumRows()
		b.Release()
	}
}

func TestCorrupt(t *testing.T) {
	one := func(field string) string { return head + "0001" + field + end }
	for _, c := range []struct {
		name   string
		types  []coltype.Type
		stream string
		want   string // without the frame around it
	}{
		{"empty", []coltype.Type{tInt4}, "", "header: the stream ends in its header, after 0 bytes"},
		{"short header", []coltype.Type{tInt4}, "5047434f", "header: the stream ends in its header, after 4 bytes"},
		{"text format", []coltype.Type{tInt4}, hex.EncodeToString([]byte("1\tabcdefghijklmnopq\n")), `header: it starts with "1\tabcdefghi", which is not the signature`},
		{"line ends changed", []coltype.Type{tInt4}, "5047434f50590aff0a00 00000000 00000000 00", `header: it starts with "PGCOPY\n\xff\n\x00\x00", which is not the signature`},
		{"with OIDs", []coltype.Type{tInt4}, "5047434f50590aff0d0a00 00010000 00000000", "header: header flags 0x00010000 are not known"},
		{"negative extension", []coltype.Type{tInt4}, "5047434f50590aff0d0a00 00000000 ffffffff", "header: header extension of -1 bytes"},
		{"extension cut", []coltype.Type{tInt4}, "5047434f50590aff0d0a00 00000000 7fffffff 00", "header: the stream ends in its header, after 0 bytes"},
		{"no trailer, no rows", []coltype.Type{tInt4}, head, "row 0: the stream ends after this row, without a trailer"},
		{"no trailer", []coltype.Type{tInt4}, head + "0001 00000004 00000001", "row 1: the stream ends after this row, without a trailer"},
		{"half a trailer", []coltype.Type{tInt4}, head + "ff", "row 1: the stream ends in its tuple, after 1 bytes of at least 2"},
		{"bytes after the trailer", []coltype.Type{tInt4}, head + "ffff 00", "row 0: bytes follow the trailer after this row"},
		{"rows after the trailer", []coltype.Type{tInt4}, head + "0001 00000004 00000001 ffff 0001 00000004 00000001 ffff", "row 1: bytes follow the trailer after this row"},
		{"fewer fields", []coltype.Type{tInt4, tInt4}, head + "0001 00000004 00000001 ffff", "row 1: tuple of 1 fields, want 2"},
		{"more fields", []coltype.Type{tInt4}, head + "0001 00000004 00000001 0002 00000004 00000001 ffffffff ffff", "row 2: tuple of 2 fields, want 1"},
		{"negative fields", []coltype.Type{tInt4}, head + "fffe ffff", "row 1: tuple of -2 fields, want 1"},
		{"cut in a length", []coltype.Type{tInt4}, head + "0001 0000", "row 1: the stream ends in its tuple, after 4 bytes of at least 6"},
		{"cut in a value", []coltype.Type{tText}, head + "0001 00000004 6162", "row 1: the stream ends in its tuple, after 8 bytes of at least 10"},
		{"negative length", []coltype.Type{tText}, one("fffffffe"), `row 1, column "c1": field length -2`},
		{"huge length", []coltype.Type{tText}, one("7fffffff"), `row 1, column "c1": field length 2147483647 makes the tuple longer than 1 GiB`},
		{"second row, second column", []coltype.Type{tText, tInt4}, head + "0002 00000000 00000004 00000001 0002 00000000 00000003 000001 ffff", `row 2, column "c2": int4 field of 3 bytes, want 4`},
		{"after NULLs", []coltype.Type{tInt8}, head + "0001 ffffffff 0001 ffffffff 0001 00000004 00000001 ffff", `row 3, column "c1": int8 field of 4 bytes, want 8`},
		{"bool length", []coltype.Type{tBool}, one("00000002 0101"), `row 1, column "c1": bool field of 2 bytes, want 1`},
		{"bool value", []coltype.Type{tBool}, one("00000001 02"), `row 1, column "c1": bool field with byte 2, want 0 or 1`},
		{"int2", []coltype.Type{tInt2}, one("00000004 00000001"), `row 1, column "c1": int2 field of 4 bytes, want 2`},
		{"int4 empty", []coltype.Type{tInt4}, one("00000000"), `row 1, column "c1": int4 field of 0 bytes, want 4`},
		{"oid", []coltype.Type{tOID}, one("00000002 0001"), `row 1, column "c1": oid field of 2 bytes, want 4`},
		{"float4", []coltype.Type{tFloat4}, one("00000008 0000000000000001"), `row 1, column "c1": float4 field of 8 bytes, want 4`},
		{"float8", []coltype.Type{tFloat8}, one("00000004 00000001"), `row 1, column "c1": float8 field of 4 bytes, want 8`},
		{"uuid", []coltype.Type{tUUID}, one("00000004 00000001"), `row 1, column "c1": uuid field of 4 bytes, want 16`},
		{"jsonb empty", []coltype.Type{tJSONB}, one("00000000"), `row 1, column "c1": jsonb field without its version byte`},
		{"jsonb version", []coltype.Type{tJSONB}, one("00000003 027b7d"), `row 1, column "c1": jsonb field of version 2, want 1`},
		{"date length", []coltype.Type{tDate}, one("00000008 0000000000000001"), `row 1, column "c1": date field of 8 bytes, want 4`},
		{"date early", []coltype.Type{tDate}, one("00000004 ffda978a"), `row 1, column "c1": date field of -2451574 days since 2000-01-01, outside PostgreSQL's range`},
		{"date late", []coltype.Type{tDate}, one("00000004 7ffffffe"), `row 1, column "c1": date field of 2147483646 days since 2000-01-01, outside PostgreSQL's range`},
		{"time length", []coltype.Type{tTime}, one("00000004 00000001"), `row 1, column "c1": time field of 4 bytes, want 8`},
		{"time late", []coltype.Type{tTime}, one("00000008 000000141dd76001"), `row 1, column "c1": time field of 86400000001 µs, outside 0 to 24 hours`},
		{"time negative", []coltype.Type{tTime}, one("00000008 ffffffffffffffff"), `row 1, column "c1": time field of -1 µs, outside 0 to 24 hours`},
		{"timestamp length", []coltype.Type{tStamp}, one("00000004 00000001"), `row 1, column "c1": timestamp field of 4 bytes, want 8`},
		{"timestamp early", []coltype.Type{tStamp}, one("00000008 8000000000000001"), `row 1, column "c1": timestamp field of -9223372036854775807 µs since 2000-01-01, outside PostgreSQL's range`},
		{"timestamp late", []coltype.Type{tStampTZ}, one("00000008 7ffffffffffffffe"), `row 1, column "c1": timestamp field of 9223372036854775806 µs since 2000-01-01, outside PostgreSQL's range`},
		{"numeric short", []coltype.Type{tNumeric}, one("00000004 00000000"), `row 1, column "c1": numeric field of 4 bytes, want at least 8`},
		{"numeric length", []coltype.Type{dec(9, 0)}, one("0000000a 0002 0000 0000 0000 0001"), `row 1, column "c1": numeric field of 10 bytes for 2 digits`},
		{"numeric sign", []coltype.Type{dec(9, 0)}, one("0000000a 0001 0000 0001 0000 0001"), `row 1, column "c1": numeric field with sign 0x0001`},
		{"numeric digit", []coltype.Type{dec(9, 0)}, one("0000000a 0001 0000 0000 0000 2710"), `row 1, column "c1": numeric field with digit 10000, want at most 9999`},
		{"numeric leading zero", []coltype.Type{dec(9, 0)}, one("0000000c 0002 0001 0000 0000 0000 0001"), `row 1, column "c1": numeric field with a zero digit at an end`},
		{"numeric trailing zero", []coltype.Type{tNumeric}, one("0000000c 0002 0000 0000 0004 0001 0000"), `row 1, column "c1": numeric field with a zero digit at an end`},
		{"numeric negative zero", []coltype.Type{dec(9, 0)}, one("00000008 0000 0000 4000 0000"), `row 1, column "c1": numeric field of zero with a sign or a weight`},
		{"numeric weighted zero", []coltype.Type{tNumeric}, one("00000008 0000 0003 0000 0000"), `row 1, column "c1": numeric field of zero with a sign or a weight`},
		{"numeric scale", []coltype.Type{tNumeric}, one("00000008 0000 0000 0000 4000"), `row 1, column "c1": numeric field with scale 16384, want at most 16383`},
		{"numeric hidden decimals", []coltype.Type{dec(9, 1)}, one("0000000a 0001 ffff 0000 0001 0064"), `row 1, column "c1": numeric field with decimals beyond its scale 1`},
		{"numeric hidden digit", []coltype.Type{tNumeric}, one("0000000a 0001 fffe 0000 0002 03e8"), `row 1, column "c1": numeric field with decimals beyond its scale 2`},
		{"numeric NaN with digits", []coltype.Type{tNumeric}, one("0000000a 0001 0000 c000 0000 0001"), `row 1, column "c1": numeric field with a special sign and digits, weight or scale`},
		{"numeric infinity of scale 0", []coltype.Type{dec(9, 0)}, one("00000008 0000 0000 d000 0000"), `row 1, column "c1": numeric field with a special sign and digits, weight or scale`},
		{"array short", []coltype.Type{arrayOf(tInt4)}, one("00000004 00000000"), `row 1, column "c1": array field of 4 bytes, want at least 12`},
		{"array dimensions", []coltype.Type{arrayOf(tInt4)}, one("0000000c 00000007 00000000 00000017"), `row 1, column "c1": array field of 7 dimensions, want 0 to 6`},
		{"array negative dimensions", []coltype.Type{arrayOf(tInt4)}, one("0000000c ffffffff 00000000 00000017"), `row 1, column "c1": array field of -1 dimensions, want 0 to 6`},
		{"array of floats, dimensions: not hashed before it is checked", []coltype.Type{arrayOf(tFloat8)}, one("0000000c 7fffffff 00000000 000002bd"), `row 1, column "c1": array field of 2147483647 dimensions, want 0 to 6`},
		{"array flag", []coltype.Type{arrayOf(tInt4)}, one("0000000c 00000000 00000002 00000017"), `row 1, column "c1": array field with null flag 2, want 0 or 1`},
		{"array head cut", []coltype.Type{arrayOf(tInt4)}, one("00000010 00000001 00000000 00000017 00000001"), `row 1, column "c1": array field of 16 bytes for 1 dimensions`},
		{"array of length 0", []coltype.Type{arrayOf(tInt4)}, one("00000014 00000001 00000000 00000017 00000000 00000001"), `row 1, column "c1": array field with a dimension of 0 elements`},
		{"array of length -1", []coltype.Type{arrayOf(tInt4)}, one("00000014 00000001 00000000 00000017 ffffffff 00000001"), `row 1, column "c1": array field with a dimension of -1 elements`},
		{"array of many elements", []coltype.Type{arrayOf(tInt4)}, one("00000018 00000001 00000000 00000017 7fffffff 00000001 ffffffff"), `row 1, column "c1": array field with 4 bytes for at least 2147483647 elements`},
		{"array past the last subscript", []coltype.Type{arrayOf(tInt4)}, one("0000001c 00000001 00000000 00000017 00000002 7fffffff ffffffff ffffffff"), `row 1, column "c1": array field with a dimension of 2 elements from 2147483647, beyond 2147483647`},
		{"array product", []coltype.Type{arrayOf(tInt4)}, one("00000024 00000002 00000000 00000017 00000002 00000001 00000002 00000001 ffffffff ffffffff"), `row 1, column "c1": array field with 8 bytes for at least 4 elements`},
		{"array element length", []coltype.Type{arrayOf(tInt4)}, one("0000001a 00000001 00000000 00000017 00000001 00000001 00000004 0001"), `row 1, column "c1": array element of 4 bytes with 2 there`},
		{"array element negative", []coltype.Type{arrayOf(tText)}, one("00000018 00000001 00000000 00000019 00000001 00000001 fffffffe"), `row 1, column "c1": array element of -2 bytes with 0 there`},
		{"array element missing", []coltype.Type{arrayOf(tText)}, one("0000001c 00000001 00000000 00000019 00000002 00000001 00000004 61626364"), `row 1, column "c1": array field ends before its last element`},
		{"array element value", []coltype.Type{arrayOf(tBool)}, one("0000001e 00000001 00000000 00000010 00000002 00000001 00000001 01 00000001 02"), `row 1, column "c1": array element 2: bool field with byte 2, want 0 or 1`},
		{"array element of exact text", []coltype.Type{arrayOf(tInt2)}, one("0000001c 00000001 00000000 00000015 00000001 00000000 00000004 00000001"), `row 1, column "c1": array element 1: int2 field of 4 bytes, want 2`},
		{"array bytes left", []coltype.Type{arrayOf(tInt4)}, one("0000000d 00000000 00000000 00000017 00"), `row 1, column "c1": array field with 1 bytes after its last element`},
		{"array of exact text, bytes left", []coltype.Type{arrayOf(tInt4)}, one("00000019 00000001 00000000 00000017 00000001 00000000 ffffffff 00"), `row 1, column "c1": array field with 1 bytes after its last element`},
	} {
		t.Run(c.name, func(t *testing.T) {
			stream := unhex(t, c.stream)
			for _, r := range []io.Reader{bytes.NewReader(stream), iotest.OneByteReader(bytes.NewReader(stream)), iotest.DataErrReader(bytes.NewReader(stream))} {
				d := NewDecoder(r, schema(c.types...), DecodeOptions{})
				_, err := decodeRows(d)
				if want := "decode COPY stream: " + c.want + ": corrupt COPY stream"; err == nil || err.Error() != want || !errors.Is(err, ErrCorrupt) {
					t.Fatalf("got  %v\nwant %s", err, want)
				}
			}
		})
	}
}

// A header's extension is skipped, as the manual page of COPY asks; flags of the low half are ignored.
func TestHeaderExtension(t *testing.T) {
	stream := unhex(t, "5047434f50590aff0d0a00 0000ffff 00000003 aabbcc 0001 00000004 00000001 ffff")
	rows, err := decodeRows(NewDecoder(iotest.OneByteReader(bytes.NewReader(stream)), schema(tInt4), DecodeOptions{}))
	if rows != 1 || err != nil {
		t.Errorf("got %d rows, %v; want 1", rows, err)
	}
}

// An error of the reader comes through, also behind the trailer, where a failed COPY may show.
func TestReadError(t *testing.T) {
	lost := errors.New("connection lost")
	for _, c := range []struct{ name, stream, want string }{
		{"in the header", "5047", "decode COPY stream after row 0: connection lost"},
		{"in a tuple", head + "0001 00000004", "decode COPY stream after row 0: connection lost"},
		{"between tuples", head + "0001 00000004 00000001", "decode COPY stream after row 1: connection lost"},
		{"after the trailer", head + "0001 00000004 00000001 ffff", "decode COPY stream after row 1 and the trailer: connection lost"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := io.MultiReader(bytes.NewReader(unhex(t, c.stream)), iotest.ErrReader(lost))
			_, err := decodeRows(NewDecoder(r, schema(tInt4), DecodeOptions{}))
			if err == nil || err.Error() != c.want || !errors.Is(err, lost) || errors.Is(err, ErrCorrupt) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
	_, err := decodeRows(NewDecoder(stuck{}, schema(tInt4), DecodeOptions{}))
	if !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that gives nothing: got %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// A length that is announced is not allocated before its bytes have come.
func TestBoundedMemory(t *testing.T) {
	for _, c := range []struct {
		name  string
		types []coltype.Type
		field string
	}{
		{"field", []coltype.Type{tText}, "0001 3ffffff0"},
		{"array", []coltype.Type{arrayOf(tInt4)}, "0001 00000018 00000001 00000000 00000017 06ffffff 00000001 ffffffff"},
	} {
		t.Run(c.name, func(t *testing.T) {
			stream := unhex(t, head+c.field)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := decodeRows(NewDecoder(bytes.NewReader(stream), schema(c.types...), DecodeOptions{}))
			runtime.ReadMemStats(&after)
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("got %v", err)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
				t.Errorf("%d bytes were allocated for a stream of %d", used, len(stream))
			}
		})
	}
}

// Numerics that are 131 072 times as long in text make short batches.
func TestLongTextMakesShortBatches(t *testing.T) {
	stream := bytes.Clone(BinaryHeader)
	for range 2000 {
		stream = append(stream, unhex(t, "0001 0000000a 0001 7fff 0000 0000 0001")...)
	}
	d := NewDecoder(bytes.NewReader(append(stream, BinaryTrailer...)), schema(tNumeric), DecodeOptions{Bytes: 1 << 20})
	rows, most := int64(0), int64(0)
	for {
		b, err := d.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		rows, most = rows+b.NumRows(), max(most, b.NumRows())
		b.Release()
	}
	if rows != 2000 || most > 256 {
		t.Errorf("%d rows in batches of up to %d, want 2000 in batches of up to 256", rows, most)
	}
}

func TestBatchBounds(t *testing.T) {
	stream := bytes.Clone(BinaryHeader)
	for i := range 10 {
		stream = append(be.AppendUint32(append(stream, 0, 1), uint32(100*(i%3))), make([]byte, 100*(i%3))...)
	}
	stream = append(stream, BinaryTrailer...)
	for _, c := range []struct {
		name string
		o    DecodeOptions
		want []int64
	}{
		{"defaults", DecodeOptions{}, []int64{10}},
		{"rows", DecodeOptions{Rows: 4}, []int64{4, 4, 2}},
		{"rows, just", DecodeOptions{Rows: 5}, []int64{5, 5}},
		{"bytes: rows of 6, 106 and 206", DecodeOptions{Bytes: 318}, []int64{3, 3, 3, 1}},
		{"bytes: one less", DecodeOptions{Bytes: 317}, []int64{2, 2, 2, 2, 2}},
		{"bytes: less than any row", DecodeOptions{Bytes: 1}, []int64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			batches, _ := decodeAll(t, schema(tBytea), stream, c.o)
			var got []int64
			for _, b := range batches {
				got = append(got, b.NumRows())
			}
			if len(got) != len(c.want) {
				t.Fatalf("got %v, want %v", got, c.want)
			}
			for i := range got {
				if got[i] != c.want[i] {
					t.Fatalf("got %v, want %v", got, c.want)
				}
			}
		})
	}
}

func TestRefusedTypes(t *testing.T) {
	for _, c := range []struct {
		name string
		t    coltype.Type
		want string
	}{
		{"no kind", coltype.Type{Name: "x"}, "type x: kind invalid is not that of a value"},
		{"no wire", typ(coltype.Int32, coltype.WireInvalid, "x"), "type x: kind int32 has no wire form invalid"},
		{"wire of another kind", typ(coltype.Int64, coltype.WireInt4, "x"), "type x: wire form int4 does not carry a int64"},
		{"decimal", dec(39, 2), "type numeric: decimal(39,2) is outside 1 ≤ p ≤ 38, 0 ≤ s ≤ p"},
		{"list of lists", arrayOf(arrayOf(tInt4)), "type int4[]: kind list is not that of a value"},
		{"list of nothing", typ(coltype.List, coltype.WireArray, "x"), "type x: kind list is not that of a value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := decodeRows(NewDecoder(bytes.NewReader(nil), schema(c.t), DecodeOptions{}))
			if want := `decode column "c1": ` + c.want + "; nothing was read"; err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			_, err = NewEncoder(schema(c.t))
			if want := `encode column "c1": ` + c.want + "; nothing was encoded"; err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}
