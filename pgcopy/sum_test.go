package pgcopy

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"frostline/coltype"
	"frostline/digest"
)

// decodedDigest is the digest of a stream as the Decoder takes it.
func decodedDigest(t *testing.T, s coltype.Schema, stream []byte) digest.Digest {
	t.Helper()
	d := NewDecoder(bytes.NewReader(stream), s, DecodeOptions{})
	if _, err := decodeRows(d); err != nil {
		t.Fatal(err)
	}
	return d.Digest()
}

// pieces writes b in pieces of up to most bytes.
func pieces(w io.Writer, b []byte, r *rand.Rand, most int) error {
	for len(b) > 0 {
		n := min(len(b), 1+r.IntN(most))
		if _, err := w.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// Sum gives the Decoder's digest, however the stream is cut.
func TestSumIsTheDecodersDigest(t *testing.T) {
	floats := schema(tInt4, tFloat8, arrayOf(tFloat8), tText, arrayOf(tInt4))
	nan := unhex(t, "fff0000000000001")
	nans := unhex(t, "00000001 00000000 000002bd 00000002 00000001 00000008 fff0000000000001 00000008 3ff0000000000000")
	ints := unhex(t, "00000001 00000000 00000017 00000001 00000001 00000004 00000007")
	none := unhex(t, "00000000 00000000 000002bd")
	// A row of 5 MB: a long array of floats between long texts.
	manyNaN := unhex(t, "00000001 00000000 000002bd 00020000 00000001")
	for range 1 << 17 {
		manyNaN = append(manyNaN, unhex(t, "00000008 fff0000000000001")...)
	}
	text := []byte(strings.Repeat("frost", 700_000))
	for _, c := range []struct {
		name   string
		schema coltype.Schema
		stream []byte
		rows   int64
		most   []int // longest pieces
	}{
		{"no rows", lineitem(), streamOf(), 0, []int{1, 100}},
		{"lineitem", lineitem(), lineitems(20_000), 20_000, []int{7, 1000, 100_000, 1 << 30}},
		{"NULLs, NaNs and arrays", floats, streamOf(
			[][]byte{{0, 0, 0, 1}, nan, nans, []byte("x"), ints}, [][]byte{nil, nil, nil, nil, nil}, [][]byte{{0, 0, 0, 2}, nan, none, {}, ints},
		), 3, []int{1, 3, 50, 1 << 30}},
		{"long rows", floats, streamOf(
			[][]byte{{0, 0, 0, 1}, nan, nans, text, ints}, [][]byte{{0, 0, 0, 2}, nan, manyNaN, text, ints}, [][]byte{nil, nil, nil, text, nil}, [][]byte{nil, nil, nil, []byte("x"), ints},
		), 4, []int{65_536, 300_000, 1 << 30}},
	} {
		want := decodedDigest(t, c.schema, c.stream)
		for _, most := range c.most {
			var told int64
			got, err := Sum(c.schema, func(w io.Writer) (int64, error) {
				return c.rows, pieces(w, c.stream, rand.New(rand.NewPCG(1, uint64(most))), most)
			}, func(n int64) { told += n })
			if err != nil || got != want || told != c.rows {
				t.Errorf("%s, pieces of %d bytes: %v, %v, told of %d rows; want %v", c.name, most, got, err, told, want)
			}
		}
	}
}

// A long text passes through: what is held of it is no more than the first MiB.
func TestSumHoldsNoLongText(t *testing.T) {
	s := schema(tText)
	w := newSummer(s, nil)
	stream := streamOf([][]byte{bytes.Repeat([]byte("x"), 40<<20)})
	if err := pieces(w, stream, rand.New(rand.NewPCG(1, 2)), 65_536); err != nil {
		t.Fatal(err)
	}
	if err := w.end(); err != nil || w.hasher.Digest.Rows != 1 {
		t.Fatalf("%d rows, %v", w.hasher.Digest.Rows, err)
	}
	if cap(w.rest) > 3<<20 {
		t.Errorf("%d bytes were held", cap(w.rest))
	}
}

func TestSumRefuses(t *testing.T) {
	s := schema(tInt4, arrayOf(tFloat8), tText)
	row := "0003 00000004 00000007 ffffffff 00000001 78"
	longField := strings.Repeat("78", 1<<20)
	for _, c := range []struct{ name, stream, want string }{
		{"nothing", "", "row 1: the stream ends in its header"},
		{"another header", "504743505a", `row 1: the stream starts with "PGCPZ", which is not the signature`},
		{"flags", "5047434f50590aff0d0a00 00010000 00000000", "row 1: header flags 0x00010000 with an extension of 0 bytes are not known"},
		{"no trailer", head + row, "row 2: the stream ends before it, without a trailer"},
		{"in a tuple", head + row + "0003 0000", "row 2: the stream ends in its tuple"},
		{"in a long tuple", head + "0003 ffffffff ffffffff 00200000" + longField, "row 1: the stream ends in its tuple"},
		{"after the trailer", head + row + end + "00", "row 2: bytes follow the trailer"},
		{"another number of fields", head + row + "0002 ffffffff ffffffff" + end, "row 2: tuple of 2 fields, want 3"},
		{"a negative length", head + "0003 fffffffe", `row 1, column "c1": field length -2`},
		{"a length beyond 1 GiB", head + "0003 ffffffff ffffffff 3ffffff7", `row 1, column "c3": field length 1073741815 makes the tuple longer than 1 GiB`},
		{"a negative length in a long tuple", head + "0003 fffffffe" + longField, `row 1, column "c1": field length -2`},
		{"an array without its head", head + "0003 ffffffff 00000004 00000001 ffffffff" + end, `row 1, column "c2": malformed array`},
		{"an array of more dimensions than bytes", head + "0003 ffffffff 0000000c 7fffffff 00000000 000002bd ffffffff" + end, `row 1, column "c2": malformed array`},
		{"an element beyond the array", head + "0003 ffffffff 0000001c 00000001 00000000 000002bd 00000001 00000001 00000009 3ff00000 00000000 ffffffff" + end, `row 1, column "c2": malformed array`},
	} {
		_, err := Sum(s, func(w io.Writer) (int64, error) {
			n, err := w.Write(unhex(t, c.stream))
			return int64(n), err
		}, nil)
		if want := "read COPY stream: " + c.want + ": corrupt COPY stream"; !errors.Is(err, ErrCorrupt) || err.Error() != want {
			t.Errorf("%s: got  %v\nwant %s", c.name, err, want)
		}
	}
	_, err := Sum(s, func(w io.Writer) (int64, error) {
		_, err := w.Write(unhex(t, head+row+end))
		return 2, err
	}, nil)
	if want := "server sent 2 rows, 1 were read: corrupt COPY stream"; err == nil || err.Error() != want {
		t.Errorf("a row is missing: got %v\nwant %s", err, want)
	}
	gone := errors.New("connection lost")
	if _, err := Sum(s, func(io.Writer) (int64, error) { return 0, gone }, nil); err != gone {
		t.Errorf("got %v, want the error of the copy", err)
	}
}

func BenchmarkSum(b *testing.B) {
	stream, s := lineitems(benchRows), lineitem()
	b.SetBytes(int64(len(stream)))
	var rows [][]byte
	for at := len(BinaryHeader); at < len(stream); {
		next := at + 2
		if be.Uint16(stream[at:]) == 16 {
			for range 16 {
				next += 4 + int(be.Uint32(stream[next:]))
			}
		}
		rows = append(rows, stream[at:next])
		at = next
	}
	for b.Loop() {
		_, err := Sum(s, func(w io.Writer) (int64, error) {
			if _, err := w.Write(BinaryHeader); err != nil {
				return 0, err
			}
			for _, r := range rows {
				if _, err := w.Write(r); err != nil {
					return 0, err
				}
			}
			return benchRows, nil
		}, nil)
		if err != nil {
			b.Fatal(err)
		}
	}
	perRow(b)
}
