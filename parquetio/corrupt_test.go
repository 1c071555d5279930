package parquetio

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"frostline/coltype"
	"frostline/objstore"
)

// readAll reads everything that a file claims to have; it gives the batches that came without error.
func readAll(b []byte, s coltype.Schema) ([]arrow.RecordBatch, error) {
	ctx := context.Background()
	f, err := Open(ctx, Bytes(b), ReadOptions{})
	if err != nil {
		return nil, err
	}
	var out []arrow.RecordBatch
	for rg := range f.RowGroups() {
		for _, c := range s.Columns {
			f.Bounds(rg, c)
			if _, err := f.Pages(ctx, rg, c); err != nil {
				return nil, err
			}
		}
		n := f.RowGroupRows(rg)
		if n > 100 {
			if _, err := f.Read(ctx, rg, s.Columns, true, []RowRange{{10, 20}, {n - 5, n}}); err != nil {
				return nil, err
			}
		}
		for got, err := range f.Scan(ctx, rg, s, 1000) {
			if err != nil {
				return nil, err
			}
			_ = got
		}
		err := f.Windows(ctx, rg, s.Columns, true, nil, false, func(w *Window) error {
			for i := range s.Columns {
				arr, err := w.Column(i)
				if err != nil {
					return err
				}
				touch(arr)
			}
			_, err := w.Exact()
			return err
		})
		if err != nil {
			return nil, err
		}
		got, err := f.Read(ctx, rg, s.Columns, true, nil)
		if err != nil {
			return nil, err
		}
		out = append(out, got)
	}
	return out, nil
}

// touch looks at all values.
func touch(arr arrow.Array) {
	for i := range arr.Len() {
		switch a := arr.(type) {
		case *array.Dictionary:
			if a.IsValid(i) {
				_ = a.Dictionary().ValueStr(a.GetValueIndex(i))
			}
		case *array.String:
			_ = strings.Clone(a.Value(i))
		case *array.Binary:
			_ = bytes.Clone(a.Value(i))
		}
	}
}

// TestDamagedPages flips single bits of the pages: the checksum finds every one.
func TestDamagedPages(t *testing.T) {
	s := allKinds()
	for _, l := range layouts[1:3] {
		t.Run(l.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(9, 10))
			all := batch(s, rng, 300)
			b, _ := write(t, s, l.o, all)
			f := open(t, b)
			found, headers := 0, 0
			for range 100 {
				c := f.meta.groups[0].columns[rng.IntN(f.schema.leaves)]
				off, n := c.extent()
				at := off + rng.Int64N(n)
				bad := bytes.Clone(b)
				bad[at] ^= 1 << rng.IntN(8)
				got, err := readAll(bad, s)
				if err == nil { // a bit of a page header that does not matter: the rows are right
					headers++
					sameRows(t, "after a flip in a page header", all, 0, got[0])
					continue
				}
				if !errors.Is(err, ErrCorrupt) {
					t.Fatalf("bit flip at %d: %v, want ErrCorrupt", at, err)
				}
				found++
			}
			if found < 85 {
				t.Errorf("%d of 100 flips were found, %d were harmless", found, headers)
			}
		})
	}
}

// TestDamagedFiles mutates whole files: any outcome but a panic or an error of another kind.
func TestDamagedFiles(t *testing.T) {
	s := allKinds()
	var seeds [][]byte
	for _, l := range layouts[1:3] {
		b, _ := write(t, s, l.o, batch(s, rand.New(rand.NewPCG(11, 12)), 150))
		seeds = append(seeds, b)
	}
	rng := rand.New(rand.NewPCG(13, 14))
	refused := 0
	for i := range 400 {
		b := mutate(rng, seeds[i%len(seeds)])
		if _, err := readAll(b, s); err != nil {
			refused++
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%v, want ErrCorrupt", err)
			}
		}
	}
	if refused < 150 {
		t.Errorf("only %d of 400 damaged files were refused", refused)
	}
}

func mutate(rng *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	footer := len(b) - 8 - int(uint32(b[len(b)-8])|uint32(b[len(b)-7])<<8|uint32(b[len(b)-6])<<16)
	for range 1 + rng.IntN(4) {
		at := rng.IntN(len(b))
		if rng.IntN(3) > 0 {
			at = footer + rng.IntN(len(b)-footer)
		}
		switch rng.IntN(4) {
		case 0:
			b[at] ^= 1 << rng.IntN(8)
		case 1:
			b[at] = byte(rng.Uint32())
		case 2:
			b[at] = 0xff
		case 3:
			if rng.IntN(20) == 0 {
				b = b[:at+1]
				if footer >= len(b) {
					return b
				}
			}
		}
	}
	return b
}

func FuzzOpenAndRead(f *testing.F) {
	all := allKinds()
	s := all // a few columns, so that the fuzzer is quick
	s.Columns = nil
	for _, c := range all.Columns {
		switch c.Name {
		case "int64", "string few", "string", "list of int32", "decimal 28":
			s.Columns = append(s.Columns, c)
		}
	}
	for _, l := range layouts[1:3] {
		b, _ := write(f, s, l.o, batch(s, rand.New(rand.NewPCG(15, 16)), 20))
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := readAll(b, s); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%v, want ErrCorrupt", err)
		}
	})
}

// FuzzPage decodes pages of any bytes, without the checksum in the way.
func FuzzPage(f *testing.F) {
	types := []schemaElement{{typ: physBool}, {typ: physInt32}, {typ: physInt64}, {typ: physFloat}, {typ: physDouble},
		{typ: physByteArray}, {typ: physFixed, typeLength: 16}}
	encodings := []int32{encPlain, encRLEDictionary, encRLE, encDelta, encDeltaLength, encDeltaByteArray, encByteStreamSplit}
	f.Add(uint8(5), uint8(4), uint16(3), []byte{0x80, 1, 4, 3, 2, 0, 0, 0, 0, 0, 'a', 'b', 'c'})
	f.Add(uint8(1), uint8(1), uint16(9), []byte{2, 3, 0x88, 0xc6})
	f.Add(uint8(2), uint8(3), uint16(5), []byte{0x80, 1, 4, 5, 2, 2, 1, 0, 0, 0, 3})
	f.Fuzz(func(t *testing.T, typ, enc uint8, n uint16, b []byte) {
		e := types[int(typ)%len(types)]
		d := decoder{leaf: fileLeaf{elem: &e}, stats: &Stats{}, pageMemory: &pageMemory{}}
		d.dict = &decodedPage{n: 2, i32: []int32{1, 2}, i64: []int64{1, 2}, data: make([]byte, 32), offs: []uint32{0, 3, 32}}
		h := pageHeader{typ: pageData, values: int32(n), encoding: encodings[int(enc)%len(encodings)], uncompressed: int32(len(b)), compressed: int32(len(b))}
		if err := d.readPage(&h, b); err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%v, want ErrCorrupt", err)
			}
			return
		}
		if d.page.n != int(n) {
			t.Fatalf("%d values of %d", d.page.n, n)
		}
		kinds := []coltype.Kind{coltype.Bool, coltype.Int32, coltype.Int64, coltype.Float32, coltype.Float64, coltype.String, coltype.UUID}
		out := newSink(kindType(kinds[int(typ)%len(types)]), kindType(kinds[int(typ)%len(types)]).Arrow())
		if err := out.appendValues(&d, 0, d.page.n); err != nil {
			t.Fatal(err)
		}
		got := out.array()
		if got.Len() != int(n) {
			t.Fatalf("array of %d rows, want %d", got.Len(), n)
		}
		// The same page, as far as its first half.
		half := decoder{leaf: d.leaf, stats: d.stats, dict: d.dict, need: int(n) / 2, pageMemory: &pageMemory{}}
		if err := half.readPage(&h, b); err != nil {
			t.Fatalf("the first half: %v", err)
		}
		first := newSink(out.typ, out.dt)
		if err := first.appendValues(&half, 0, int(n)/2); err != nil {
			t.Fatal(err)
		}
		if want := array.NewSlice(got, 0, int64(n)/2); !array.ApproxEqual(want, first.array(), array.WithNaNsEqual(true), array.WithAbsTolerance(0)) {
			t.Fatalf("the first half is %.300s, want %.300s", first.array(), want)
		}
	})
}

func TestRefusals(t *testing.T) {
	s := oneColumn(kindType(coltype.Int64))
	whole, _ := write(t, s, WriteOptions{}, rowsOf(t, s, 1, 2, 3))
	tests := []struct {
		name string
		b    []byte
		want string
	}{
		{"nothing", nil, "open Parquet: corrupt Parquet file: 0 bytes are too few"},
		{"too short", []byte("PAR1PAR1"), "open Parquet: corrupt Parquet file: 8 bytes are too few"},
		{"text", []byte("this is not a Parquet file"), "open Parquet: corrupt Parquet file: does not end in PAR1"},
		{"encrypted", append([]byte("PARE"), append(make([]byte, 8), "PARE"...)...), "open Parquet: corrupt Parquet file: encrypted footer"},
		{"footer longer than the file", []byte("PAR1\xff\xff\xff\x00PAR1"), "open Parquet: corrupt Parquet file: footer of 16777215 bytes in a file of 12"},
		{"empty footer", []byte("PAR1\x00\x00\x00\x00PAR1"), "open Parquet: corrupt Parquet file: metadata: ends too early"},
		{"cut at the front", whole[10:], ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readAll(tt.b, s)
			if !errors.Is(err, ErrCorrupt) || tt.want != "" && err.Error() != tt.want {
				t.Errorf("error is %q, want %q", err, tt.want)
			}
		})
	}
}

// TestNullKey reads a map whose keys are optional in the file: one that is NULL is refused, and stops no process.
func TestNullKey(t *testing.T) {
	s := allKinds()
	b, _ := write(t, s, WriteOptions{}, batch(s, rand.New(rand.NewPCG(19, 20)), 300))
	f := open(t, b)
	f.schema.exactColumn().leaves[0].maxDef++
	ctx := context.Background()
	_, read := f.Read(ctx, 0, s.Columns, true, nil)
	var scan error
	for _, err := range f.Scan(ctx, 0, s, 100) {
		scan = err
	}
	windows := f.Windows(ctx, 0, s.Columns, true, nil, false, func(w *Window) error { _, err := w.Exact(); return err })
	for name, err := range map[string]error{"Read": read, "Scan": scan, "Windows": windows} {
		if !errors.Is(err, ErrCorrupt) || !strings.HasSuffix(err.Error(), "a key of a map is NULL") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestHugeClaims shows that memory follows the file's size, not what it claims.
func TestHugeClaims(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := decompress(nil, make([]byte, 100), codecZstd, maxPageBytes); !errors.Is(err, ErrCorrupt) {
		t.Errorf("100 bytes that claim 1 GiB: %v, want ErrCorrupt", err)
	}
	if _, _, err := readPageHeader([]byte{0x15, 0, 0x15, 1}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("negative page size: %v, want ErrCorrupt", err)
	}
	var m fileMeta
	r := thriftReader{b: []byte{0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07}} // a list of 2^31-1 structs
	m.read(&r)
	if !errors.Is(r.err, ErrCorrupt) {
		t.Errorf("list of 2^31 elements: %v, want ErrCorrupt", r.err)
	}
	d := decoder{leaf: fileLeaf{elem: &schemaElement{typ: physInt32}}, stats: &Stats{}, pageMemory: &pageMemory{}}
	h := pageHeader{typ: pageData, values: 1 << 30, encoding: encRLEDictionary, uncompressed: 4, compressed: 4}
	if err := d.readPage(&h, []byte{1, 2, 3, 4}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("page of 2^30 values in 4 bytes: %v, want ErrCorrupt", err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

// shortSource gives fewer bytes than it was asked for.
type shortSource struct{ Bytes }

func (s shortSource) ReadRanges(ctx context.Context, r []objstore.Range) ([][]byte, error) {
	got, err := s.Bytes.ReadRanges(ctx, r)
	if err == nil && len(got) > 0 && len(got[0]) > 0 {
		got[0] = got[0][:len(got[0])-1]
	}
	return got, err
}

func TestShortSource(t *testing.T) {
	s := oneColumn(kindType(coltype.Int64))
	b, _ := write(t, s, WriteOptions{}, rowsOf(t, s, 1, 2, 3))
	if _, err := Open(context.Background(), shortSource{b}, ReadOptions{}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("error is %v, want ErrCorrupt", err)
	}
}
