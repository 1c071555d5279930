package parquetio

import (
	"bytes"
	"context"
	"math/rand/v2"
	"runtime"
	"testing"

	"frostline/objstore"
)

// copying is a file whose reads are copies, as a store's are.
type copying struct{ Bytes }

func (c copying) ReadRanges(ctx context.Context, ranges []objstore.Range) ([][]byte, error) {
	got, err := c.Bytes.ReadRanges(ctx, ranges)
	for i := range got {
		got[i] = bytes.Clone(got[i])
	}
	return got, err
}

// MemoryBytes is what the memory really grows by, within a third, for few and for many row groups.
func TestMemoryBytes(t *testing.T) {
	s := allKinds()
	all := batch(s, rand.New(rand.NewPCG(41, 42)), 4000)
	for _, tt := range []struct {
		name string
		o    WriteOptions
	}{
		{"one row group", WriteOptions{}},
		{"row groups of 5 pages", WriteOptions{RowGroupRows: 100, PageRows: 20}},
		{"row groups of one page", WriteOptions{RowGroupRows: 50, PageRows: 50}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, _ := write(t, s, tt.o, all)
			const files = 5
			opened := make([]*File, files)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.GC()
			runtime.ReadMemStats(&before)
			for i := range opened {
				f, err := Open(t.Context(), copying{b}, ReadOptions{})
				if err != nil {
					t.Fatal(err)
				}
				for rg := range f.RowGroups() {
					if _, err := f.pageIndex(t.Context(), rg); err != nil {
						t.Fatal(err)
					}
				}
				opened[i] = f
			}
			runtime.GC()
			runtime.GC()
			runtime.ReadMemStats(&after)
			taken, said := int64(after.HeapAlloc-before.HeapAlloc)/files, opened[0].MemoryBytes()
			t.Logf("file of %d bytes, %d row groups: %d bytes taken, %d said", len(b), opened[0].RowGroups(), taken, said)
			if said < taken*2/3 || said > taken*3/2 {
				t.Errorf("%d bytes are taken, %d are said", taken, said)
			}
			runtime.KeepAlive(opened)
			runtime.KeepAlive(b)
		})
	}
}
