package pgcopy

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
)

// lineitem is TPC-H's table of 16 columns.
func lineitem() coltype.Schema {
	var s coltype.Schema
	add := func(name string, t coltype.Type) {
		s.Columns = append(s.Columns, coltype.Column{Name: name, FieldName: name, Type: t})
	}
	money := coltype.Type{Kind: coltype.Decimal, Wire: coltype.WireNumeric, Precision: 15, Scale: 2, Name: "numeric(15,2)", Base: "numeric"}
	char := coltype.Type{Kind: coltype.String, Wire: coltype.WireRaw, Name: "character(1)", Base: "bpchar"}
	date := coltype.Type{Kind: coltype.Date, Wire: coltype.WireDate, Name: "date", Base: "date"}
	int8 := coltype.Type{Kind: coltype.Int64, Wire: coltype.WireInt8, Name: "bigint", Base: "int8"}
	int4 := coltype.Type{Kind: coltype.Int32, Wire: coltype.WireInt4, Name: "integer", Base: "int4"}
	add("l_orderkey", int8)
	add("l_partkey", int8)
	add("l_suppkey", int8)
	add("l_linenumber", int4)
	for _, n := range []string{"l_quantity", "l_extendedprice", "l_discount", "l_tax"} {
		add(n, money)
	}
	add("l_returnflag", char)
	add("l_linestatus", char)
	for _, n := range []string{"l_shipdate", "l_commitdate", "l_receiptdate"} {
		add(n, date)
	}
	add("l_shipinstruct", char)
	add("l_shipmode", char)
	add("l_comment", coltype.Type{Kind: coltype.String, Wire: coltype.WireRaw, Name: "character varying(44)", Base: "varchar"})
	return s
}

// lineitems is a stream of rows rows, with random values of TPC-H's lengths.
func lineitems(rows int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	cents := func(n int) []byte {
		var text []byte
		v := r.IntN(n)
		text = appendInt(text, v/100)
		text = append(text, '.', byte('0'+v/10%10), byte('0'+v%10))
		b, _ := parseNumeric(nil, text)
		return b
	}
	out := bytes.Clone(BinaryHeader)
	field := func(b []byte) { out = append(be.AppendUint32(out, uint32(len(b))), b...) }
	instruct := []string{"DELIVER IN PERSON        ", "COLLECT COD              ", "NONE                     ", "TAKE BACK RETURN         "}
	modes := []string{"REG AIR   ", "AIR       ", "RAIL      ", "SHIP      ", "TRUCK     ", "MAIL      ", "FOB       "}
	comment := strings.Repeat("carefully final deposits sleep quickly ", 3)
	for i := range rows {
		out = append(out, 0, 16)
		field(be.AppendUint64(nil, uint64(i/4)))
		field(be.AppendUint64(nil, r.Uint64N(200000)))
		field(be.AppendUint64(nil, r.Uint64N(10000)))
		field(be.AppendUint32(nil, uint32(i%4+1)))
		field(cents(5000))
		field(cents(10_000_000))
		field(cents(11))
		field(cents(9))
		field([]byte("ANR"[i%3 : i%3+1]))
		field([]byte("OF"[i%2 : i%2+1]))
		for range 3 {
			field(be.AppendUint32(nil, uint32(-3000+int32(r.IntN(2500)))))
		}
		field([]byte(instruct[r.IntN(4)]))
		field([]byte(modes[r.IntN(7)]))
		from := r.IntN(40)
		field([]byte(comment[from : from+10+r.IntN(34)]))
	}
	return append(out, BinaryTrailer...)
}

func appendInt(dst []byte, v int) []byte {
	if v >= 10 {
		dst = appendInt(dst, v/10)
	}
	return append(dst, byte('0'+v%10))
}

const benchRows = 200_000

func perRow(b *testing.B) {
	b.ReportMetric(float64(benchRows)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
}

// BenchmarkDecode is the stream to batches, with the digest.
func BenchmarkDecode(b *testing.B) {
	stream, s := lineitems(benchRows), lineitem()
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		d := NewDecoder(bytes.NewReader(stream), s, DecodeOptions{})
		for {
			batch, err := d.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			batch.Release()
		}
	}
	perRow(b)
}

func benchBatches(b *testing.B) ([]arrow.RecordBatch, *Encoder) {
	stream, s := lineitems(benchRows), lineitem()
	batches, _ := decodeAll(b, s, stream, DecodeOptions{})
	e, err := NewEncoder(s)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	return batches, e
}

// BenchmarkDigestBatch is batches to the digest.
func BenchmarkDigestBatch(b *testing.B) {
	batches, e := benchBatches(b)
	for b.Loop() {
		for _, batch := range batches {
			if err := e.DigestBatch(batch); err != nil {
				b.Fatal(err)
			}
		}
	}
	perRow(b)
}

// BenchmarkWriteBinary is batches to a binary stream.
func BenchmarkWriteBinary(b *testing.B) {
	batches, e := benchBatches(b)
	for b.Loop() {
		for _, batch := range batches {
			if _, err := e.WriteBinary(io.Discard, batch); err != nil {
				b.Fatal(err)
			}
		}
	}
	perRow(b)
}

// BenchmarkWriteText is batches to text COPY.
func BenchmarkWriteText(b *testing.B) {
	batches, e := benchBatches(b)
	for b.Loop() {
		for _, batch := range batches {
			if _, err := e.WriteText(io.Discard, batch); err != nil {
				b.Fatal(err)
			}
		}
	}
	perRow(b)
}
