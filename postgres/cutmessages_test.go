package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

// frame is a message of the server with its head.
func frame(typ byte, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{typ}, uint32(len(body)+4)), body...)
}

// uneven reads in pieces of random length.
type uneven struct {
	r   io.Reader
	rnd *rand.Rand
}

func (u *uneven) Read(p []byte) (int, error) {
	return u.r.Read(p[:min(len(p), 1+u.rnd.IntN(1<<u.rnd.IntN(20)))])
}

// Messages of every size about the limits come out as they went in, but for long CopyData messages, which come in pieces.
func TestMessages(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 3*readAhead)
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	var sizes []int
	for _, about := range []int{0, longestCopyData, 2 * longestCopyData, readAhead, readAhead + longestCopyData, 2 * readAhead} {
		for size := max(0, about-7); size <= about+7; size++ {
			sizes = append(sizes, size)
		}
	}
	for round := range 60 {
		var in, want []byte
		for range 1 + rnd.IntN(40) {
			size := sizes[rnd.IntN(len(sizes))]
			if rnd.IntN(3) > 0 {
				size = rnd.IntN(60)
			}
			typ := "ddddDCZ"[rnd.IntN(7)]
			from := rnd.IntN(len(noise) - size)
			body := noise[from : from+size]
			in = append(in, frame(typ, body)...)
			for typ == 'd' && len(body) > 65536 {
				want = append(want, frame('d', body[:65536])...)
				body = body[65536:]
			}
			want = append(want, frame(typ, body)...)
		}
		in, want = append(in, 'd', 0, 0), append(want, 'd', 0, 0) // cut off in a head
		got, err := io.ReadAll(&uneven{newMessages(&uneven{bytes.NewReader(in), rnd}), rnd})
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("round %d: %d bytes became %d, want %d; %v", round, len(in), len(got), len(want), err)
		}
	}
}

func TestMessagesEnds(t *testing.T) {
	long := frame('d', make([]byte, 100_000))
	tests := []struct {
		name string
		in   []byte
		want int // bytes passed
	}{
		{"nothing", nil, 0},
		{"in a head", []byte("d\x00\x00"), 3},
		{"in a short message", frame('C', []byte("COPY 1"))[:7], 7},
		{"in the first piece", long[:5+65000], 5 + 65000},
		{"between pieces", long[:5+65536], 5 + 65536 + 5},
		{"in the second piece", long[:5+70000], 5 + 65536 + 5 + 70000 - 65536},
		{"a length that no message has", []byte("d\x00\x00\x00\x03"), 5},
		{"a negative length", []byte("d\xff\xff\xff\xff"), 5},
	}
	for _, tt := range tests {
		got, err := io.ReadAll(iotest.OneByteReader(newMessages(bytes.NewReader(tt.in))))
		if len(got) != tt.want || err != nil {
			t.Errorf("%s: %d bytes, %v; want %d", tt.name, len(got), err, tt.want)
		}
	}
	// An error that may pass loses nothing: the head is read again.
	broken := errors.New("timeout")
	m := newMessages(io.MultiReader(bytes.NewReader([]byte("C\x00")), &once{err: broken}, bytes.NewReader([]byte("\x00\x00\x04Z"))))
	p := make([]byte, 64)
	if n, err := m.Read(p); n != 0 || err != broken {
		t.Errorf("%d bytes, %v; want the error", n, err)
	}
	if n, err := m.Read(p); string(p[:n]) != "C\x00\x00\x00\x04" || err != nil {
		t.Errorf("%q, %v; want the whole head", p[:n], err)
	}
}

// once fails once.
type once struct{ err error }

func (o *once) Read([]byte) (int, error) {
	err := o.err
	o.err = io.EOF
	return 0, err
}

// longest is the longest Write.
type longest struct {
	bytes.Buffer
	n int
}

func (l *longest) Write(p []byte) (int, error) {
	l.n = max(l.n, len(p))
	return l.Buffer.Write(p)
}

// A server's long rows come in pieces and are the same bytes; the connection goes on.
func TestCopyOutLongRows(t *testing.T) {
	db, _ := start(t, `CREATE TABLE t (id int, v bytea)`,
		`INSERT INTO t SELECT i, decode(repeat('ab', n), 'hex') FROM (VALUES (1, 10), (2, 65515), (3, 65516), (4, 65517), (5, 65518),
			(6, 65519), (7, 65536), (8, 131072), (9, 3000000), (10, 0)) x(i, n)`)
	for range 2 { // on a connection that has copied before, too
		var got longest
		n, err := db.CopyOut(t.Context(), "SELECT id, v FROM public.t ORDER BY id", &got)
		if n != 10 || err != nil {
			t.Fatalf("%d rows, %v", n, err)
		}
		if got.n > 65536 {
			t.Errorf("a piece of %d bytes", got.n)
		}
		p := got.Bytes()[19:]
		for i, size := range []int{10, 65515, 65516, 65517, 65518, 65519, 65536, 131072, 3000000, 0} {
			want := fmt.Appendf(nil, "\x00\x02\x00\x00\x00\x04\x00\x00\x00%c", i+1)
			want = binary.BigEndian.AppendUint32(want, uint32(size))
			want = append(want, bytes.Repeat([]byte{0xab}, size)...)
			if !bytes.HasPrefix(p, want) {
				t.Fatalf("row %d of %d bytes differs", i+1, size)
			}
			p = p[len(want):]
		}
		if !bytes.Equal(p, []byte{0xff, 0xff}) {
			t.Errorf("%d bytes follow", len(p))
		}
		if rows, err := db.QueryText(t.Context(), "count", "SELECT count(*), max(length(v)) FROM public.t"); err != nil || *rows[0][0] != "10" || *rows[0][1] != "3000000" {
			t.Errorf("afterwards %v, %v", rows, err)
		}
	}
}
