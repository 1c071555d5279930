package pgcopy

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// Rows that are decoded field by field give the values that they give otherwise.
func TestLongRows(t *testing.T) {
	s := schema(tInt4, tText, arrayOf(tText), tJSONB, tFloat8, tBytea, tDate, dec(9, 2))
	rnd := rand.New(rand.NewPCG(5, 6))
	text := func() []byte { return bytes.Repeat([]byte("a\x00é"), rnd.IntN(1<<rnd.IntN(13))) }
	maybe := func(v []byte) []byte {
		if rnd.IntN(4) == 0 {
			return nil
		}
		return v
	}
	var rows [][][]byte
	for range 300 {
		elem := text()
		list := append(be.AppendUint32(unhex(t, "00000001 00000000 00000019 00000001 00000001"), uint32(len(elem))), elem...)
		rows = append(rows, [][]byte{maybe(unhex(t, "0000002a")), maybe(text()), maybe(list), maybe(append([]byte{1}, text()...)),
			maybe(unhex(t, "fff8000000000001")), maybe(append([]byte{7}, text()...)), maybe(unhex(t, "7fffffff")), unhex(t, "0000 0000 c000 0000")})
	}
	stream := streamOf(rows...)
	whole := NewDecoder(bytes.NewReader(stream), s, DecodeOptions{})
	want := decoded(t, whole)
	for _, long := range []int{0, 1, 3, 100, 5000} {
		for name, r := range map[string]io.Reader{"whole": bytes.NewReader(stream), "bytes": iotest.OneByteReader(bytes.NewReader(stream)), "halves": iotest.HalfReader(bytes.NewReader(stream))} {
			d := NewDecoder(r, s, DecodeOptions{})
			d.long = long
			got := decoded(t, d)
			if len(got) != 300 || d.Digest() != whole.Digest() {
				t.Fatalf("%d, %s: %d rows, digest %v; want 300, %v", long, name, len(got), d.Digest(), whole.Digest())
			}
			for i := range got {
				if got[i] != want[i] {
					at := 0
					for at < min(len(got[i]), len(want[i])) && got[i][at] == want[i][at] {
						at++
					}
					t.Fatalf("%d, %s: row %d is at %d %.200s, want %.200s", long, name, i, at, got[i][at:], want[i][at:])
				}
			}
		}
	}
}

// decoded is the rows as JSON.
func decoded(t *testing.T, d *Decoder) (rows []string) {
	t.Helper()
	for {
		b, err := d.Next()
		if err == io.EOF {
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.NumRows() {
			row := b.NewSlice(i, i+1)
			j, err := row.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, string(j))
			row.Release()
		}
		b.Release()
	}
}

func TestLongRowErrors(t *testing.T) {
	text := string(bytes.Repeat([]byte("61"), 40))
	for _, c := range []struct{ name, body, want string }{
		{"cut in a value", "0002 00000028 6161", "row 1: the stream ends in its tuple, after 8 bytes of at least 22"},
		{"cut after a value", "0002 00000028" + text, "row 1: the stream ends in its tuple, after 46 bytes of at least 50"},
		{"cut in the second", "0002 00000028" + text + "00000028 01 61", "row 1: the stream ends in its tuple, after 52 bytes of at least 67"},
		{"version", "0002 00000028" + text + "00000028 02" + text[2:], `row 1, column "c2": jsonb field of version 2, want 1`},
		{"negative", "0002 00000028" + text + "fffffffe", `row 1, column "c2": field length -2`},
		{"too long", "0002 00000028" + text + "3fffffff", `row 1, column "c2": field length 1073741823 makes the tuple longer than 1 GiB`},
		{"no trailer", "0002 00000028" + text + "ffffffff", "row 1: the stream ends after this row, without a trailer"},
	} {
		d := NewDecoder(iotest.OneByteReader(bytes.NewReader(unhex(t, head+c.body))), schema(tText, tJSONB), DecodeOptions{})
		d.long = 16
		_, err := decodeRows(d)
		if want := "decode COPY stream: " + c.want + ": corrupt COPY stream"; err == nil || err.Error() != want {
			t.Errorf("%s: got  %v\nwant %s", c.name, err, want)
		}
	}
	broken := errors.New("connection lost")
	d := NewDecoder(io.MultiReader(bytes.NewReader(unhex(t, head+"0001 00000028 6161")), iotest.ErrReader(broken)), schema(tText), DecodeOptions{})
	d.long = 1
	if _, err := decodeRows(d); !errors.Is(err, broken) || errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want the reader's error", err)
	}
}

// locker counts, and fails when it is taken twice.
type locker struct {
	mu    sync.Mutex
	held  bool
	times int
	t     *testing.T
}

func (l *locker) Lock()   { l.mu.Lock(); l.held = true; l.times++ }
func (l *locker) Unlock() { l.held = false; l.mu.Unlock() }

// A value of 64 MB takes little more than its own memory, in turn with others, and the next batch takes none for it.
func TestLongValueMemory(t *testing.T) {
	const size = 64 << 20
	turn := &locker{t: t}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	held := map[int64]bool{}
	d, err := Stream(schema(tInt4, tBytea), DecodeOptions{Turn: turn}, func(w io.Writer) (int64, error) {
		b := append(bytes.Clone(BinaryHeader), unhex(t, "0002 00000004 00000001 00000001 61")...)
		b = append(b, unhex(t, "0002 00000004 00000002")...)
		if _, err := w.Write(be.AppendUint32(b, size)); err != nil {
			return 0, err
		}
		piece := make([]byte, 64<<10)
		for range size / len(piece) {
			if _, err := w.Write(piece); err != nil {
				return 1, err
			}
		}
		_, err := w.Write(unhex(t, "0002 00000004 00000003 ffffffff ffff"))
		return 3, err
	}, func(b arrow.RecordBatch) error {
		n := 0
		for i := range int(b.NumRows()) {
			n = max(n, len(b.Column(1).(*array.Binary).Value(i)))
		}
		held[int64(n)] = turn.held
		return nil
	})
	runtime.ReadMemStats(&after)
	if err != nil || d.Rows != 3 {
		t.Fatalf("%v, %v", d, err)
	}
	if len(held) != 3 || held[1] || !held[size] || held[0] || turn.held || turn.times != 1 {
		t.Errorf("the turn was held with values of %v, taken %d times; want it with the long one alone", held, turn.times)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > size+(8<<20) {
		t.Errorf("%d bytes were allocated for a value of %d", used, size)
	}
	// It is given back also when the batch is refused.
	stop := errors.New("stop")
	_, err = Stream(schema(tBytea), DecodeOptions{Turn: turn, Bytes: 2 << 20}, func(w io.Writer) (int64, error) {
		_, err := w.Write(append(bytes.Clone(BinaryHeader), append(be.AppendUint32([]byte{0, 1}, 3<<20), make([]byte, 3<<20)...)...))
		return 1, err
	}, func(arrow.RecordBatch) error { return stop })
	if !errors.Is(err, stop) || turn.held || turn.times != 2 {
		t.Errorf("%v; the turn is held: %v, %d times", err, turn.held, turn.times)
	}
}
