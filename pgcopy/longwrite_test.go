package pgcopy

import (
	"bytes"
	"io"
	"runtime"
	"testing"

	"frostline/coltype"
)

// A row with long values, alone in its batch, is hashed and written as any other, but not built.
func TestLongRowsAreWritten(t *testing.T) {
	geometry := typ(coltype.Binary, coltype.WireRaw, "public.geometry")
	geometry.Base = "geometry"
	s := schema(tInt4, tText, tJSONB, tBytea, tFloat8, tText, geometry, tDate)
	for i := range s.Columns {
		s.Columns[i].Generated = i == 5
	}
	text := bytes.Repeat([]byte("line\twith \\ and \n é "), 80_000) // 1.6 MB
	json := append([]byte{1}, bytes.Repeat([]byte(`{"a": "\\n"}`), 120_000)...)
	blob := bytes.Repeat([]byte{0, 0xff, 'x', '\n'}, 300_001)
	row := [][]byte{nil, text, json, blob, unhex(t, "fff8000000000001"), text[:1_200_000], blob, unhex(t, "7fffffff")}
	for name, row := range map[string][][]byte{
		"all":         row,
		"text alone":  {row[0], text, nil, nil, nil, nil, []byte{}, nil},
		"none loaded": {row[0], nil, nil, nil, nil, text, nil, row[7]},
	} {
		t.Run(name, func(t *testing.T) {
			stream := streamOf(row)
			loaded := append(append([][]byte{}, row[:5]...), row[6:]...)
			want := streamOf(loaded)
			want = want[len(BinaryHeader) : len(want)-2]
			d := NewDecoder(bytes.NewReader(stream), s, DecodeOptions{})
			b, err := d.Next()
			if err != nil {
				t.Fatal(err)
			}
			defer b.Release()
			e, err := NewEncoder(s)
			if err != nil {
				t.Fatal(err)
			}
			if err := e.DigestBatch(b); err != nil || e.Digest() != d.Digest() {
				t.Errorf("digest %v, %v; want %v", e.Digest(), err, d.Digest())
			}
			if got, err := e.appendBinary(nil, b); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes were written, %v; want %d", len(got), err, len(want))
			}
			if err := e.bind(b); err != nil {
				t.Fatal(err)
			}
			var line []byte
			for n, c := range e.loaded {
				if n > 0 {
					line = append(line, '\t')
				}
				if line, err = c.appendCopyText(line, 0, &e.list); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := e.appendText(nil, b); err != nil || !bytes.Equal(got, append(line, '\n')) {
				t.Errorf("%d bytes of text were written, %v; want %d", len(got), err, len(line)+1)
			}
			for _, c := range e.cols {
				if c.bytes != nil {
					t.Error("the encoder still refers to the batch")
				}
			}
		})
	}
}

func TestLongRowsAreNotBuilt(t *testing.T) {
	value := make([]byte, 40<<20)
	s := schema(tInt4, tBytea)
	b, err := NewDecoder(bytes.NewReader(streamOf([][]byte{unhex(t, "00000001"), value})), s, DecodeOptions{}).Next()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	e, err := NewEncoder(s)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func() error{
		"digest": func() error { return e.DigestBatch(b) },
		"binary": func() error { _, err := e.WriteBinary(io.Discard, b); return err },
		"text":   func() error { _, err := e.WriteText(io.Discard, b); return err },
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := f()
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; err != nil || used > 1<<20 {
			t.Errorf("%s: %d bytes were allocated for a value of %d, %v", name, used, len(value), err)
		}
	}
}
