package pgcopy

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"frostline/coltype"
)

// Rows in any number come back as they were: whole chunks and parts of one, with and without NULLs in every kind of column.
func TestRowsAreTheStream(t *testing.T) {
	types := []coltype.Type{tInt2, tInt4, tInt8, tOID, tFloat4, tFloat8, tDate, tTime, tStamp, tStampTZ, tText, tBytea, tJSONB, tUUID, tBool, dec(9, 2), dec(38, 4), tNumeric, arrayOf(tInt4)}
	values := []string{
		"ff01", "fffffffe", "0102030405060708", "000000ff", "7fa00001", "fff0000000000001", "ffffff00", "0000000000000001", "0000000000000002", "fffffffffffffffe",
		"6162", "00ff", "017b7d", "000102030405060708090a0b0c0d0e0f", "01", "0002 0000 4000 0002 04d2 0b54", "0001 0008 0000 0004 0001", "0001 0000 0000 0001 0005", "00000001 00000000 00000017 00000001 00000001 00000004 00000007",
	}
	s := schema(types...)
	exact := schema(tDate, dec(9, 2), tTime)
	for _, c := range []struct {
		name   string
		schema coltype.Schema
		values []string
		nulls  int // one field in so many is NULL, 0 none
	}{
		{"without NULLs", s, values, 0},
		{"with NULLs", s, values, 3},
		{"exact cells among them", exact, []string{"7fffffff", "0001 0000 0000 0001 0005", "000000141dd76000"}, 2},
	} {
		for _, n := range []int{1, 255, 256, 257, 1000} {
			t.Run(fmt.Sprintf("%s, %d rows", c.name, n), func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, uint64(n)))
				rows := make([][][]byte, n)
				for i := range rows {
					for _, v := range c.values {
						field := unhex(t, v)
						if c.nulls > 0 && r.IntN(c.nulls) == 0 {
							field = nil
						}
						rows[i] = append(rows[i], field)
					}
				}
				stream := streamOf(rows...)
				batches, want := decodeAll(t, c.schema, stream, DecodeOptions{})
				e, err := NewEncoder(c.schema)
				if err != nil {
					t.Fatal(err)
				}
				got, err := e.appendBinary(bytes.Clone(BinaryHeader), batches[0])
				if got = append(got, BinaryTrailer...); err != nil || !bytes.Equal(got, stream) {
					t.Fatalf("%v; %d bytes, want %d, or others", err, len(got), len(stream))
				}
				if err := e.DigestBatch(batches[0]); err != nil || e.Digest() != want {
					t.Errorf("digest %v, %v; want %v", e.Digest(), err, want)
				}
			})
		}
	}
}

// Long values are written by themselves, and what they needed is not kept.
func TestRowsOfLongValues(t *testing.T) {
	s := schema(tInt4, tJSONB)
	var rows [][][]byte
	for i := range 6 {
		rows = append(rows, [][]byte{{0, 0, 0, byte(i)}, append([]byte{1, '"'}, bytes.Repeat([]byte("x"), 3<<20)...)})
	}
	batches, _ := decodeAll(t, s, streamOf(rows...), DecodeOptions{Bytes: 1 << 30})
	e, err := NewEncoder(s)
	if err != nil {
		t.Fatal(err)
	}
	var w longest
	for _, b := range batches {
		if _, err := e.WriteBinary(&w, b); err != nil {
			t.Fatal(err)
		}
	}
	if w.n != 3<<20+1 || w.count != 12 {
		t.Errorf("%d writes of up to %d bytes, want 6 of 3145729, and 6 of what stands before them", w.count, w.n)
	}
	if cap(e.row) > 1<<20 || cap(e.cols[1].cells) > 1<<20 {
		t.Errorf("%d and %d bytes were kept", cap(e.row), cap(e.cols[1].cells))
	}
}

// longest is the longest Write, and how many there were.
type longest struct{ n, count int }

func (l *longest) Write(p []byte) (int, error) {
	l.n, l.count = max(l.n, len(p)), l.count+1
	return len(p), nil
}

// A decimal of 64 bits takes a way of its own, to the same bytes.
func TestAppendDecimal64(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		v, scale := r.Uint64()>>r.IntN(64), r.IntN(39)
		if r.IntN(4) == 0 {
			v = v / pow10[8] * pow10[8]
		}
		text := appendDecimalText(nil, decimal128.FromU64(v), scale)
		want, ok := parseNumeric(nil, text)
		if got := appendDecimal(nil, decimal128.FromU64(v), scale); !ok || !bytes.Equal(got, want) {
			t.Fatalf("%d with scale %d, %s: got %x, want %x", v, scale, text, got, want)
		}
	}
	for _, c := range []struct {
		v     int64
		scale int
		want  string
	}{
		{0, 2, "0000 0000 0000 0002"}, {1, 2, "0001 ffff 0000 0002 0064"}, {-1, 0, "0001 0000 4000 0000 0001"}, {1_000_000, 2, "0001 0001 0000 0002 0001"},
		{-12_345_678_901, 3, "0003 0001 4000 0003 04d2 162e 2332"}, {9_223_372_036_854_775_807, 1, "0006 0004 0000 0001 005c 0921 07f4 2163 1d9c 1b58"},
	} {
		if got := appendDecimal(nil, decimal128.FromI64(c.v), c.scale); !bytes.Equal(got, unhex(t, c.want)) {
			t.Errorf("%d with scale %d: got %x, want %s", c.v, c.scale, got, c.want)
		}
	}
}
