package parquetio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"frostline/objstore"
)

// pieces is a file that remembers the longest range that was asked of it.
type pieces struct {
	Bytes
	longest int64
	fail    error
}

func (p *pieces) ReadRanges(ctx context.Context, r []objstore.Range) ([][]byte, error) {
	for _, r := range r {
		p.longest = max(p.longest, r.Len)
		if r.Len >= 1<<20 && p.fail != nil {
			return nil, p.fail
		}
	}
	return p.Bytes.ReadRanges(ctx, r)
}

// scanHuge reads the file and gives its rows' sizes of blob and note, -1 for NULL.
func scanHuge(f *File, turn sync.Locker, check func(at int64, b arrow.RecordBatch)) (sizes []string, err error) {
	at := int64(0)
	for rg := range f.RowGroups() {
		for b, err := range f.ScanHuge(context.Background(), rg, hugeSchema, 100, turn) {
			if err != nil {
				return sizes, err
			}
			if check != nil {
				check(at, b)
			}
			for i := range int(b.NumRows()) {
				blob, note := -1, -1
				if c := b.Column(1).(*array.Binary); c.IsValid(i) {
					blob = len(c.Value(i))
				}
				if c := b.Column(2).(*array.String); c.IsValid(i) {
					note = len(c.Value(i))
				}
				sizes = append(sizes, fmt.Sprint(blob, " ", note))
			}
			at += b.NumRows()
		}
	}
	return sizes, nil
}

func TestScanHuge(t *testing.T) {
	const mib = 1 << 20
	all := hugeBatch(
		[2][]byte{[]byte("short"), nil},
		[2][]byte{noise(5 * mib / 2), nil},
		[2][]byte{noise(4 * mib), []byte("note")},
		[2][]byte{nil, bytes.Repeat([]byte("compresses well, "), mib/4)},
		[2][]byte{hexNoise(4 * mib), hexNoise(7 * mib / 2)},
		[2][]byte{[]byte("the end"), nil},
	)
	defer all.Release()
	want := fmt.Sprint([]string{"5 -1", "2621440 -1", "4194304 4", "-1 4456448", "4194304 3670016", "7 -1"})
	for _, o := range []WriteOptions{{}, {Compatible: true}} {
		b, _ := write(t, hugeSchema, o, all)
		src := &pieces{Bytes: b}
		f, err := Open(t.Context(), src, ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		turn := &held{}
		sizes, err := scanHuge(f, turn, func(at int64, b arrow.RecordBatch) {
			sameHuge(t, all, at, b)
			if (at >= 2 && at <= 4) != turn.held || turn.held && b.NumRows() != 1 {
				t.Errorf("row %d of %d: the turn is held: %v", at, b.NumRows(), turn.held)
			}
		})
		if err != nil || fmt.Sprint(sizes) != want {
			t.Errorf("%v, %v; want %s", sizes, err, want)
		}
		if turn.times != 3 || turn.held {
			t.Errorf("the turn was taken %d times, held %v", turn.times, turn.held)
		}
		if src.longest > 3<<20 {
			t.Errorf("%d bytes were asked for at once", src.longest)
		}
		for range f.ScanHuge(t.Context(), 0, hugeSchema, 1, turn) { // who stops early gives the turn back
			break
		}
		for b := range f.ScanHuge(t.Context(), 1, hugeSchema, 1, turn) {
			if b == nil || !turn.held {
				t.Error("no batch, or not in turn")
			}
			break
		}
		if turn.held {
			t.Error("the turn is still held")
		}
	}
}

// held is a turn that tells whether it is held.
type held struct {
	mu    sync.Mutex
	held  bool
	times int
}

func (h *held) Lock()   { h.mu.Lock(); h.held = true; h.times++ }
func (h *held) Unlock() { h.held = false; h.mu.Unlock() }

// A changed byte anywhere in a huge page is ErrCorrupt, and the store's errors stay what they are.
func TestScanHugeErrors(t *testing.T) {
	for name, value := range map[string][]byte{"noise": noise(7 << 19), "text": hexNoise(7 << 19)} {
		for _, o := range []WriteOptions{{}, {Compatible: true}} {
			one := hugeBatch([2][]byte{value, nil})
			good, _ := write(t, hugeSchema, o, one)
			one.Release()
			f := open(t, good)
			huge, _, err := f.hugePages(t.Context(), 0, hugeSchema)
			if err != nil || len(huge) != 1 {
				t.Fatalf("%d huge pages, %v", len(huge), err)
			}
			at, n := int(huge[0].body.Off), int(huge[0].body.Len)
			for _, k := range []int{0, 1, 2, 3, 7, 11, n / 2, n - 1} {
				bad := bytes.Clone(good)
				bad[at+k] ^= 0x15
				if _, err := scanHuge(open(t, bad), nil, nil); !errors.Is(err, ErrCorrupt) {
					t.Errorf("%s, %+v: byte %d of %d changed: %v", name, o, k, n, err)
				}
			}
			broken := errors.New("connection lost")
			f, err = Open(t.Context(), &pieces{Bytes: good, fail: broken}, ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			turn := &held{}
			if _, err := scanHuge(f, turn, nil); !errors.Is(err, broken) || errors.Is(err, ErrCorrupt) || turn.held {
				t.Errorf("%s, %+v: %v, the turn is held: %v; want the store's error", name, o, err, turn.held)
			}
		}
	}
	// Every cut and every change of a small page's head that passes for a huge one is refused without a panic.
	one := hugeBatch([2][]byte{bytes.Repeat([]byte("x"), 7<<19), nil})
	good, _ := write(t, hugeSchema, WriteOptions{}, one)
	one.Release()
	huge, _, err := open(t, good).hugePages(t.Context(), 0, hugeSchema)
	if err != nil || len(huge) != 1 {
		t.Fatalf("%d huge pages, %v", len(huge), err)
	}
	for k := range int(huge[0].body.Len) {
		for _, x := range []byte{1, 0x80, 0xff} {
			bad := bytes.Clone(good)
			bad[int(huge[0].body.Off)+k] ^= x
			if _, err := scanHuge(open(t, bad), nil, nil); !errors.Is(err, ErrCorrupt) {
				t.Errorf("byte %d changed by %#x: %v", k, x, err)
			}
		}
		if k > 20 {
			break
		}
	}
}

// into serves ranges into memory that it is given.
type into struct{ Bytes }

func (s into) ReadInto(_ context.Context, ranges []objstore.Range, bufs [][]byte) error {
	for i, r := range ranges {
		copy(bufs[i], s.Bytes[r.Off:r.Off+r.Len])
	}
	return nil
}

// A huge value takes its own memory and a piece of its page.
func TestScanHugeMemory(t *testing.T) {
	for name, value := range map[string][]byte{"noise": noise(12 << 20), "text": hexNoise(12 << 20)} {
		one := hugeBatch([2][]byte{value, nil})
		b, _ := write(t, hugeSchema, WriteOptions{}, one)
		one.Release()
		f, err := Open(t.Context(), into{b}, ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		const most = 12<<20 + 6<<20
		used := leastAllocated(most, func() uint64 {
			before := allocated()
			sizes, err := scanHuge(f, nil, nil)
			used := allocated() - before
			if err != nil || len(sizes) != 1 || sizes[0] != "12582912 -1" {
				t.Fatalf("%s: %v, %v", name, sizes, err)
			}
			return used
		})
		if used > most {
			t.Errorf("%s: %d bytes were allocated for a value of %d", name, used, len(value))
		}
	}
}
