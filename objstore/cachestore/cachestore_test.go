package cachestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"frostline/internal/s3test"
	"frostline/objstore"
	"frostline/objstore/faultstore"
	"frostline/objstore/storetest"
)

func fileStore(t *testing.T) objstore.Store {
	t.Helper()
	s, err := objstore.Open(t.Context(), "file://"+t.TempDir(), objstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func s3Store(t *testing.T) objstore.Store {
	t.Helper()
	s, err := objstore.Open(t.Context(), s3test.Start(t).Warehouse(t), objstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wrap(t *testing.T, s objstore.Store, o Options) *Store {
	t.Helper()
	c, err := Wrap(s, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func both(t *testing.T) Options {
	return Options{MemoryBytes: 4 << 20, Dir: t.TempDir(), DiskBytes: 64 << 20}
}

// The suite of all stores, with every key taken for one that is cached in each of the ways.
func TestConformance(t *testing.T) {
	for _, tt := range []struct {
		name string
		open func(*testing.T) objstore.Store
		way  class
	}{{"file, blocks", fileStore, blocks}, {"file, whole", fileStore, whole}, {"s3, blocks", s3Store, blocks}, {"s3, versions", s3Store, version}} {
		t.Run(tt.name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) objstore.Store {
				s := wrap(t, tt.open(t), both(t))
				s.class = func(string) class { return tt.way }
				return s
			})
		})
	}
}

func TestClassOf(t *testing.T) {
	for key, want := range map[string]class{
		"s/t/at=2024-01/data/run-00000.parquet":        blocks,
		"s/t/metadata/snap-1-1-uuid.avro":              whole,
		"s/t/metadata/uuid-m0.avro":                    whole,
		"s/t/at=2024-01/schema_snapshot-run.json":      whole,
		"s/t/metadata/v12.metadata.json":               version,
		"s/t/at=2024-01/schema_snapshot.json":          never, // replaced by the next run
		"s/t/metadata/version-hint.text":               never,
		"s/t/data.avro":                                never,
		"s/t/x.json":                                   never,
		"_audit/2024/run.json":                         never,
		"s/t/metadata/00001-uuid.metadata.json":        never,
		"s/t/at=2024-01/data/run-00000.parquet.backup": never,
	} {
		if got := classOf(key); got != want {
			t.Errorf("%s: %d, want %d", key, got, want)
		}
	}
}

func TestRefusedOptions(t *testing.T) {
	for _, o := range []Options{{MemoryBytes: -1}, {Dir: t.TempDir()}, {Dir: t.TempDir(), DiskBytes: 1 << 20}, {Dir: "/dev/null/no", DiskBytes: 1 << 30}} {
		if _, err := Wrap(fileStore(t), o); err == nil || !strings.Contains(err.Error(), "cache of file://") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

const dataKey = "s/t/p=1/data/run-00000.parquet"

func content(seed uint64, n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func put(t *testing.T, s objstore.Store, key string, b []byte) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, s objstore.Store, key string, want []byte, ranges ...objstore.Range) {
	t.Helper()
	got, err := s.ReadRanges(t.Context(), key, ranges)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range ranges {
		if !bytes.Equal(got[i], want[r.Off:r.Off+r.Len]) {
			t.Fatalf("range %d+%d differs", r.Off, r.Len)
		}
	}
}

// calls are the ranges asked of the store below.
func calls(s *faultstore.Store) int { return s.Count(faultstore.ReadRanges) }

func TestBlocksInMemory(t *testing.T) {
	below := faultstore.Wrap(fileStore(t))
	const size = 2<<20 + 777
	want := content(1, size)
	put(t, below, dataKey, want)
	s := wrap(t, below, Options{MemoryBytes: 4 << 20})
	tail := objstore.Range{Off: size - 1000, Len: 1000}
	for _, step := range []struct {
		name   string
		ranges []objstore.Range
		reads  int // of the store below, in all
	}{
		{"the tail, as a footer is read", []objstore.Range{tail}, 1},
		{"the tail again", []objstore.Range{tail}, 1},
		{"the block that the tail lies in", []objstore.Range{{Off: size - 777, Len: 777}}, 1},
		{"the block before it", []objstore.Range{{Off: size - 100_000, Len: 100}}, 1}, // the tail's first part: whole already
		{"one in the middle", []objstore.Range{{Off: 1 << 20, Len: 10}}, 2},
		{"all of its block", []objstore.Range{{Off: 1 << 20, Len: blockBytes}}, 2},
		{"one more byte", []objstore.Range{{Off: 1 << 20, Len: blockBytes + 1}}, 3},
		{"two that are near each other", []objstore.Range{{Off: 0, Len: 1}, {Off: 3 * blockBytes, Len: 1}}, 4},
		{"what lies between", []objstore.Range{{Off: blockBytes, Len: 2 * blockBytes}}, 4},
		{"nothing", []objstore.Range{{Off: 5, Len: 0}, {Off: 9, Len: 1}, {Off: 9, Len: 1}}, 4},
		{"a quarter of the memory", []objstore.Range{{Off: 0, Len: 1 << 20}}, 5},
		{"more is not kept", []objstore.Range{{Off: 0, Len: size}}, 6},
		{"and is read again", []objstore.Range{{Off: 0, Len: size}}, 7},
	} {
		read(t, s, dataKey, want, step.ranges...)
		if calls(below) != step.reads {
			t.Fatalf("%s: %d reads of the store, want %d", step.name, calls(below), step.reads)
		}
	}
	// What a caller does to his bytes is not seen by others.
	got, err := s.ReadRanges(t.Context(), dataKey, []objstore.Range{tail})
	if err != nil {
		t.Fatal(err)
	}
	clear(got[0])
	read(t, s, dataKey, want, tail)
	if st := s.Stats(); st.MemoryHits == 0 || st.Misses == 0 || st.DiskHits != 0 || st.MemoryBytes <= 0 || st.MemoryBytes > 4<<20 {
		t.Errorf("counts %+v", st)
	}
	// An object that is replaced through the wrapper leaves it.
	fresh := content(2, size)
	put(t, s, dataKey, fresh)
	read(t, s, dataKey, fresh, tail)
	if err := s.Delete(t.Context(), dataKey); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadRanges(t.Context(), dataKey, []objstore.Range{tail}); !errors.Is(err, objstore.ErrNotExist) {
		t.Errorf("a deleted object: %v", err)
	}
}

// The memory is bounded whatever is read, and what was used last stays.
func TestMemoryBound(t *testing.T) {
	below := faultstore.Wrap(fileStore(t))
	const size = 8 << 20
	want := content(3, size)
	put(t, below, dataKey, want)
	s := wrap(t, below, Options{MemoryBytes: 10 * (blockBytes + blockOverhead)})
	hot := objstore.Range{Off: 0, Len: 10}
	read(t, s, dataKey, want, objstore.Range{Off: size - 1, Len: 1}) // now the size is known, and blocks are whole
	read(t, s, dataKey, want, hot)
	for i := int64(1); i < size/blockBytes; i++ {
		read(t, s, dataKey, want, objstore.Range{Off: i * blockBytes, Len: 1})
		read(t, s, dataKey, want, hot)
		if m := s.Stats().MemoryBytes; m > 10*(blockBytes+blockOverhead) {
			t.Fatalf("%d bytes in memory", m)
		}
	}
	if n := calls(below); n != size/blockBytes+1 { // the last block once more
		t.Errorf("%d reads of the store, want %d", n, size/blockBytes+1)
	}
	read(t, s, dataKey, want, objstore.Range{Off: blockBytes, Len: 1})
	if n := calls(below); n != size/blockBytes+2 {
		t.Errorf("a block that was used long ago: %d reads, want one more", n)
	}
}

// Readers of one block at the same time fetch it once; when the one that fetches is cancelled another goes on.
func TestOneFetch(t *testing.T) {
	below := faultstore.Wrap(fileStore(t), faultstore.Rule{Op: faultstore.ReadRanges, Kind: faultstore.Slow, Delay: 30 * time.Millisecond})
	want := content(4, 1<<20)
	put(t, below, dataKey, want)
	s := wrap(t, below, Options{MemoryBytes: 4 << 20})
	var all errgroup.Group
	for i := range 50 {
		all.Go(func() error {
			off := int64(i % 4 * 1000)
			got, err := s.ReadRanges(t.Context(), dataKey, []objstore.Range{{Off: off, Len: 9000}, {Off: 500_000, Len: 5}})
			if err == nil && !bytes.Equal(got[0], want[off:off+9000]) {
				err = fmt.Errorf("other bytes")
			}
			return err
		})
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := calls(below); n != 1 {
		t.Errorf("%d reads of the store, want 1", n)
	}

	below.Reset()
	entered := make(chan struct{})
	below.Add(faultstore.Rule{Op: faultstore.ReadRanges, Nth: 1, Kind: faultstore.Slow, Delay: time.Hour, Do: func(string) { close(entered) }})
	put(t, s, dataKey, want) // forgotten
	first, stop := context.WithCancel(t.Context())
	errs := make(chan error, 2)
	ask := func(ctx context.Context) {
		_, err := s.ReadRanges(ctx, dataKey, []objstore.Range{{Off: 1, Len: 1}})
		errs <- err
	}
	go ask(first)
	<-entered
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.ReadRanges(short, dataKey, []objstore.Range{{Off: 1, Len: 1}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one that waits for another: %v, want its own deadline", err)
	}
	done := make(chan struct{})
	go func() { read(t, s, dataKey, want, objstore.Range{Off: 1, Len: 1}); close(done) }()
	time.Sleep(10 * time.Millisecond)
	stop()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("the one that was cancelled: %v", err)
	}
	<-done
	if len(s.flights) != 0 {
		t.Errorf("%d flights are left over", len(s.flights))
	}
}

// An error of the store below is that reader's, is not kept, and leaves nothing behind.
func TestErrorsAreNotKept(t *testing.T) {
	below := faultstore.Wrap(fileStore(t))
	want := content(5, 300_000)
	put(t, below, dataKey, want)
	s := wrap(t, below, both(t))
	below.Add(faultstore.Rule{Op: faultstore.ReadRanges, Nth: 1, Kind: faultstore.Fail}, faultstore.Rule{Op: faultstore.Get, Nth: 1, Kind: faultstore.Truncate})
	if _, err := s.ReadRanges(t.Context(), dataKey, []objstore.Range{{Off: 0, Len: 5}}); !errors.Is(err, faultstore.ErrInjected) {
		t.Errorf("error %v", err)
	}
	read(t, s, dataKey, want, objstore.Range{Off: 0, Len: 5})
	if _, err := s.ReadRanges(t.Context(), dataKey, []objstore.Range{{Off: 299_999, Len: 2}}); !errors.Is(err, objstore.ErrCorrupt) {
		t.Errorf("beyond the end: %v, want ErrCorrupt", err)
	}
	read(t, s, dataKey, want, objstore.Range{Off: 299_999, Len: 1})
	const manifest = "s/t/metadata/m.avro"
	put(t, s, manifest, want)
	body, _, err := s.Get(t.Context(), manifest)
	if err == nil {
		_, err = io.ReadAll(body)
		body.Close()
	}
	if !errors.Is(err, faultstore.ErrInjected) {
		t.Errorf("a manifest whose transfer broke: %v", err)
	}
	for range 2 {
		if got := get(t, s, manifest); !bytes.Equal(got, want) {
			t.Error("the manifest differs")
		}
	}
}

func get(t *testing.T, s objstore.Store, key string) []byte {
	t.Helper()
	body, o, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil || o.Key != key || o.Size != int64(len(b)) {
		t.Fatalf("Get describes %+v, the body has %d bytes: %v", o, len(b), err)
	}
	return b
}

// Many readers of several files with too little memory and a disk: every byte is right.
func TestRandomReads(t *testing.T) {
	below := fileStore(t)
	files := map[string][]byte{}
	var keys []string
	for i, size := range []int{1, 5000, blockBytes - 1, blockBytes, blockBytes + 1, 1 << 20, 3<<20 + 12345} {
		key := fmt.Sprintf("s/t/p=%d/data/f.parquet", i)
		files[key] = content(uint64(10+i), size)
		put(t, below, key, files[key])
		keys = append(keys, key)
	}
	s := wrap(t, below, Options{MemoryBytes: 1 << 20, Dir: t.TempDir(), DiskBytes: leastDisk})
	var all sync.WaitGroup
	for seed := range 8 {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(seed), 7))
			for range 150 {
				key := keys[rng.IntN(len(keys))]
				want := files[key]
				var ranges []objstore.Range
				for range 1 + rng.IntN(6) {
					off := rng.Int64N(int64(len(want)))
					most := int64(len(want)) - off
					if rng.IntN(3) > 0 {
						most = min(most, 4000)
					}
					ranges = append(ranges, objstore.Range{Off: off, Len: rng.Int64N(most + 1)})
				}
				got, err := s.ReadRanges(t.Context(), key, ranges)
				if err != nil {
					t.Errorf("%s %v: %v", key, ranges, err)
					return
				}
				for i, r := range ranges {
					if !bytes.Equal(got[i], want[r.Off:r.Off+r.Len]) {
						t.Errorf("%s: range %v differs", key, r)
						return
					}
				}
			}
		})
	}
	all.Wait()
	if st := s.Stats(); st.MemoryHits == 0 || st.DiskHits == 0 || st.Misses == 0 || st.DiskErrors != 0 || st.MemoryBytes > 1<<20 {
		t.Errorf("counts %+v", st)
	}
	if len(s.flights) != 0 {
		t.Errorf("%d flights are left over", len(s.flights))
	}
}
