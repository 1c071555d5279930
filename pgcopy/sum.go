package pgcopy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"frostline/coltype"
	"frostline/digest"
)

const (
	sumEvery = 8192    // rows between two reports
	sumWhole = 1 << 20 // a tuple that is longer is hashed in pieces as they come
)

// Sum returns the digest of the rows that copyOut writes, as [Stream] does, without decoding their values: it checks that the
// stream is made of tuples of the right number of fields, and hashes them where they lie. It holds at most the longest tuple
// of up to 1 MiB, or the longest array. copyOut returns the rows that the server says it sent; another number seen is ErrCorrupt.
// rows, when not nil, is told of the rows as they come, some thousand at a time.
func Sum(s coltype.Schema, copyOut func(io.Writer) (int64, error), rows func(n int64)) (digest.Digest, error) {
	w := newSummer(s, rows)
	sent, err := copyOut(w)
	if err != nil {
		return digest.Digest{}, err
	}
	if err := w.end(); err != nil {
		return digest.Digest{}, err
	}
	if d := w.hasher.Digest; d.Rows != sent {
		return digest.Digest{}, fmt.Errorf("server sent %d rows, %d were read: %w", sent, d.Rows, ErrCorrupt)
	}
	return w.hasher.Digest, nil
}

// summer is the writer that hashes the tuples of a binary stream.
type summer struct {
	schema coltype.Schema
	hasher *digest.Hasher
	rows   func(int64)
	told   int64 // of the rows

	rest    []byte // written, and not hashed yet
	started bool
	ended   bool

	long  bool // a tuple is being hashed in pieces
	field int  // of it, the next
	left  int  // bytes of that field to come
	size  int  // of the tuple so far
	err   error
}

func newSummer(s coltype.Schema, rows func(int64)) *summer {
	return &summer{schema: s, hasher: digest.NewHasher(s.Columns), rows: rows}
}

// Write hashes what is whole and keeps the rest.
func (w *summer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	b := p
	if len(w.rest) > 0 {
		w.rest = append(w.rest, p...)
		b = w.rest
	}
	used, err := w.take(b)
	if err != nil {
		w.err = err
		return 0, err
	}
	if len(w.rest) == 0 || used > 0 { // else b is the rest already: a long array that is not whole yet
		w.rest = append(w.rest[:0], b[used:]...)
	}
	if w.rows != nil && w.hasher.Digest.Rows-w.told >= sumEvery {
		w.tell()
	}
	return len(p), nil
}

func (w *summer) tell() {
	w.rows(w.hasher.Digest.Rows - w.told)
	w.told = w.hasher.Digest.Rows
}

// end sees that the stream was whole.
func (w *summer) end() error {
	switch {
	case w.err != nil:
		return w.err
	case !w.started:
		return w.corrupt(-1, "the stream ends in its header")
	case w.long || len(w.rest) > 0:
		return w.corrupt(-1, "the stream ends in its tuple")
	case !w.ended:
		return w.corrupt(-1, "the stream ends before it, without a trailer")
	}
	if w.rows != nil {
		w.tell()
	}
	return nil
}

// take hashes the tuples of b and returns how many bytes of it are done.
func (w *summer) take(b []byte) (used int, err error) {
	if !w.started {
		if used, err = w.header(b); !w.started {
			return 0, err
		}
	}
	for used < len(b) {
		if w.long {
			n, err := w.pieces(b[used:])
			used += n
			if w.long || err != nil {
				return used, err
			}
			continue
		}
		n, err := w.tuple(b[used:])
		if err != nil || n == 0 {
			return used, err
		}
		used += n
	}
	return used, nil
}

// header is the length of the header, once it is there.
func (w *summer) header(b []byte) (int, error) {
	if n := min(len(b), 11); !bytes.Equal(b[:n], BinaryHeader[:n]) {
		return 0, w.corrupt(-1, fmt.Sprintf("the stream starts with %q, which is not the signature", b[:n]))
	}
	if len(b) < len(BinaryHeader) {
		return 0, nil
	}
	if flags, extension := binary.BigEndian.Uint32(b[11:]), binary.BigEndian.Uint32(b[15:]); flags>>16 != 0 || extension != 0 {
		return 0, w.corrupt(-1, fmt.Sprintf("header flags %#08x with an extension of %d bytes are not known", flags, extension))
	}
	w.started = true
	return len(BinaryHeader), nil
}

// tuple hashes the tuple that b begins with and returns its length, 0 while it is not whole.
func (w *summer) tuple(b []byte) (int, error) {
	switch {
	case w.ended:
		return 0, w.corrupt(-1, "bytes follow the trailer")
	case len(b) < 2:
		return 0, nil
	}
	cols := len(w.schema.Columns)
	if count := int(int16(binary.BigEndian.Uint16(b))); count == -1 {
		w.ended = true
		return 2, nil
	} else if count != cols {
		return 0, w.corrupt(-1, fmt.Sprintf("tuple of %d fields, want %d", count, cols))
	}
	at := 2
	for i := range cols {
		if len(b) < at+4 {
			return w.begin(b), nil
		}
		size := int(int32(binary.BigEndian.Uint32(b[at:])))
		if at += 4; size <= 0 {
			if size < -1 {
				return 0, w.corrupt(i, fmt.Sprintf("field length %d", size))
			}
			continue
		}
		if size > maxTuple-at {
			return 0, w.corrupt(i, fmt.Sprintf("field length %d makes the tuple longer than 1 GiB", size))
		}
		if size > len(b)-at {
			return w.begin(b), nil
		}
		if t := w.schema.Columns[i].Type; t.Kind == coltype.List && !wellFormed(b[at:at+size]) {
			return 0, w.corrupt(i, "malformed array")
		}
		at += size
	}
	w.hasher.Tuple(b[2:at])
	return at, nil
}

// begin goes over to pieces where b is the begin of a long tuple, behind its field count; else it waits for more.
func (w *summer) begin(b []byte) int {
	if len(b) < sumWhole {
		return 0
	}
	w.long, w.field, w.left, w.size = true, 0, 0, 2
	w.hasher.Begin()
	return 2
}

// pieces hashes what b has of a long tuple and returns how much that is.
func (w *summer) pieces(b []byte) (used int, err error) {
	for w.field < len(w.schema.Columns) {
		if w.left > 0 {
			n := min(w.left, len(b)-used)
			w.hasher.Piece(b[used : used+n])
			used, w.left = used+n, w.left-n
			if w.left > 0 {
				return used, nil
			}
			w.field++
			continue
		}
		if len(b)-used < 4 {
			return used, nil
		}
		size := int(int32(binary.BigEndian.Uint32(b[used:])))
		if size < -1 || size > maxTuple-w.size-4 {
			return used, w.corrupt(w.field, fmt.Sprintf("field length %d", size))
		}
		whole := max(size, 0) + 4
		switch w.schema.Columns[w.field].Type.Kind {
		case coltype.List, coltype.Float32, coltype.Float64:
			if len(b)-used < whole {
				return used, nil
			}
			if v := b[used+4 : used+whole]; w.schema.Columns[w.field].Type.Kind == coltype.List && len(v) > 0 && !wellFormed(v) {
				return used, w.corrupt(w.field, "malformed array")
			}
			w.hasher.Field(w.field, b[used:used+whole])
			used += whole
			w.field++
		default:
			w.hasher.Piece(b[used : used+4])
			if used, w.left = used+4, whole-4; w.left == 0 {
				w.field++
			}
		}
		w.size += whole
	}
	w.hasher.End()
	w.long = false
	return used, nil
}

// wellFormed says whether an array's head and elements end where it does.
func wellFormed(v []byte) bool {
	if len(v) < arrayHead {
		return false
	}
	dims := int64(binary.BigEndian.Uint32(v))
	if dims > int64(len(v)) || arrayHead+8*dims > int64(len(v)) {
		return false
	}
	for at := arrayHead + 8*int(dims); at < len(v); {
		if len(v)-at < 4 {
			return false
		}
		size := int(int32(binary.BigEndian.Uint32(v[at:])))
		if size < -1 || max(size, 0) > len(v)-at-4 {
			return false
		}
		at += 4 + max(size, 0)
	}
	return true
}

// corrupt is the error of the row that comes next; column -1 is none.
func (w *summer) corrupt(column int, what string) error {
	where := fmt.Sprintf("row %d", w.hasher.Digest.Rows+1)
	if column >= 0 {
		where += fmt.Sprintf(", column %q", w.schema.Columns[column].Name)
	}
	return fmt.Errorf("read COPY stream: %s: %s: %w", where, what, ErrCorrupt)
}
