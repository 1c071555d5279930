package pgcopy

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"
	"testing/iotest"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
)

// fuzzTypes are chosen by the first byte of an input.
var fuzzTypes = []coltype.Type{
	tBool, tInt2, tInt4, tInt8, tOID, tFloat4, tFloat8, tNumeric, dec(9, 2), dec(38, 10), dec(38, 38), tText, tJSONB, tBytea, tUUID,
	tDate, tTime, tStamp, tStampTZ, arrayOf(tBool), arrayOf(tInt4), arrayOf(tFloat4), arrayOf(tFloat8), arrayOf(tNumeric), arrayOf(dec(9, 2)),
	arrayOf(tText), arrayOf(tJSONB), arrayOf(tBytea), arrayOf(tUUID), arrayOf(tDate), arrayOf(tTime), arrayOf(tStampTZ), arrayOf(tOID), arrayOf(tInt2),
}

// FuzzDecode: a stream is refused with ErrCorrupt, or its batches have its digest, load as binary to the
// same digest, and print as text. Neither panics.
func FuzzDecode(f *testing.F) {
	add := func(i int, rows ...[][]byte) { f.Add(byte(i), byte(3), streamOf(rows...)[len(BinaryHeader):]) }
	scalars := []string{"", "01", "0001", "7fffffff", "80000000", "7fffffffffffffff", "000000141dd76000", "fff8000000000001", "017b7d",
		"00112233445566778899aabbccddeeff", "0002 0000 4000 0002 0001 03e8", "0000 0000 c000 0000", "0000 0000 f000 0020"}
	arrays := []string{"00000000 00000000 00000017", "7fffffff 00000000 00000017",
		"00000001 00000001 00000017 00000002 00000001 00000004 00000007 ffffffff",
		"00000002 00000000 00000017 00000001 00000000 00000002 00000005 00000004 7fffffff 00000004 00000000",
		"00000001 00000000 000002bd 00000001 00000000 00000008 fff8000000000001"}
	for i, t := range fuzzTypes {
		fields := scalars
		if t.Kind == coltype.List {
			fields = arrays
		}
		for _, hex := range fields {
			add(i, [][]byte{unhex(f, hex)}, [][]byte{nil})
		}
	}
	add(7, [][]byte{unhex(f, "0001 7fff 0000 0000 0001")}) // 1e131068
	f.Fuzz(func(t *testing.T, kind, rows byte, body []byte) {
		s := schema(fuzzTypes[int(kind)%len(fuzzTypes)])
		if int(kind) >= 128 {
			s = schema(tText, fuzzTypes[int(kind)%len(fuzzTypes)])
		}
		stream := append(bytes.Clone(BinaryHeader), body...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		d := NewDecoder(bytes.NewReader(stream), s, DecodeOptions{Rows: 1 + int(rows)})
		long := NewDecoder(iotest.HalfReader(bytes.NewReader(stream)), s, DecodeOptions{})
		long.long = int(rows) // every longer row field by field
		_, longErr := decodeRows(long)
		var batches []arrow.RecordBatch
		for {
			b, err := d.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				if !errors.Is(err, ErrCorrupt) || !errors.Is(longErr, ErrCorrupt) {
					t.Fatalf("%v, and field by field %v, do not wrap ErrCorrupt", err, longErr)
				}
				return
			}
			batches = append(batches, b)
		}
		if longErr != nil || long.Digest() != d.Digest() {
			t.Fatalf("field by field the digest is %v, %v; want %v", long.Digest(), longErr, d.Digest())
		}
		runtime.ReadMemStats(&after)
		// A numeric of ten bytes prints as 131 KB, eight times over while buffers double, and twice; all else is small.
		if used, most := after.TotalAlloc-before.TotalAlloc, uint64(8<<20)+uint64(len(stream))*400_000; used > most {
			t.Fatalf("%d bytes were allocated for a stream of %d", used, len(stream))
		}
		e, err := NewEncoder(s)
		if err != nil {
			t.Fatal(err)
		}
		back := bytes.Clone(BinaryHeader)
		for _, b := range batches {
			if err := e.DigestBatch(b); err != nil {
				t.Fatal(err)
			}
			if back, err = e.appendBinary(back, b); err != nil {
				t.Fatal(err)
			}
			if _, err := e.appendText(nil, b); err != nil {
				t.Fatal(err)
			}
		}
		if e.Digest() != d.Digest() {
			t.Fatalf("digest of the batches is %v, of the stream %v", e.Digest(), d.Digest())
		}
		again := NewDecoder(bytes.NewReader(append(back, BinaryTrailer...)), s, DecodeOptions{})
		if _, err := decodeRows(again); err != nil || again.Digest() != d.Digest() {
			t.Fatalf("what WriteBinary gave has digest %v, %v; want %v", again.Digest(), err, d.Digest())
		}
	})
}

// FuzzNumericText: what parseNumeric takes prints as the same value again, and is canonical.
func FuzzNumericText(f *testing.F) {
	for _, s := range []string{"0", "-0", "-0.00", "00012.50", "1", "-1.10", "99990000.00009999", "NaN", "Infinity", "-Infinity", "0.0001"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		wire, ok := parseNumeric(nil, s)
		if !ok {
			return
		}
		n, err := readNumeric(wire)
		if err != nil {
			t.Fatalf("%q gave %x: %v", s, wire, err)
		}
		text := appendNumericText(nil, n)
		again, ok := parseNumeric(nil, text)
		if !ok || !bytes.Equal(again, wire) {
			t.Fatalf("%q gave %x, printed %q, which gave %x", s, wire, text, again)
		}
	})
}
