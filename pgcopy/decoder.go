package pgcopy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
	"frostline/digest"
)

// DecodeOptions bound a batch.
type DecodeOptions struct {
	Rows  int              // rows a batch, default 20480
	Bytes int64            // stream bytes a batch, default 16 MiB: wide rows make short batches
	Alloc memory.Allocator // default memory.DefaultAllocator

	// Turn, not nil, is held from before memory is taken for a value longer than Bytes until Stream has released its batch, or the
	// next one is asked for, so that those who share it hold one such value in memory.
	Turn sync.Locker
}

const (
	defaultRows  = 20480
	defaultBytes = 16 << 20
	chunkRows    = 256       // tuples whose fields are located before they are decoded, column by column
	readSize     = 256 << 10 // of the read buffer, until a tuple is longer
	maxTuple     = 1 << 30   // PostgreSQL builds a tuple in a buffer of at most 1 GiB (MaxAllocSize)
)

// Decoder decodes a COPY binary stream into batches. After an error every call returns it again.
type Decoder struct {
	r      io.Reader
	schema coltype.Schema
	arrow  *arrow.Schema
	o      DecodeOptions
	cols   []*column
	hasher *digest.Hasher
	exacts []exactCell

	buf      []byte
	pos, end int // buf[pos:end] is read and not decoded yet
	started  bool
	row      int64 // rows decoded before the current chunk
	err      error

	fields    []field // chunkRows of column 0, then of column 1 …
	tuples    [chunkRows]field
	chunk     int   // rows a chunk: chunkRows, or fewer where values are much longer as text
	hints     []int // bytes of each column in the last batch
	lastBatch int   // its rows

	long   int // longTuple, less in tests
	passed int // bytes of a long tuple that have left the read buffer
	turn   turns
}

// NewDecoder reads the stream r of rows with the columns of s, in that order. Batches have the
// schema s.Arrow(), the side column included. A type without a wire form is the error of the first Next.
func NewDecoder(r io.Reader, s coltype.Schema, o DecodeOptions) *Decoder {
	if o.Rows <= 0 {
		o.Rows = defaultRows
	}
	if o.Bytes <= 0 {
		o.Bytes = defaultBytes
	}
	if o.Alloc == nil {
		o.Alloc = memory.DefaultAllocator
	}
	d := &Decoder{r: r, schema: s, o: o, hasher: digest.NewHasher(s.Columns), chunk: chunkRows, long: longTuple, turn: turns{l: o.Turn}}
	for i, c := range s.Columns {
		if err := checkType(c.Type); err != nil {
			d.err = fmt.Errorf("decode column %q: %w; nothing was read", c.Name, err)
			return d
		}
		col, err := newColumn(c.Type, c.ArrowField().Type)
		if err != nil {
			d.err = fmt.Errorf("decode column %q: %w; nothing was read", c.Name, err)
			return d
		}
		col.use(o.Alloc, i, &d.exacts)
		d.cols = append(d.cols, col)
	}
	d.arrow = s.Arrow()
	d.fields = make([]field, chunkRows*len(d.cols))
	d.hints = make([]int, len(d.cols))
	return d
}

// checkType tells whether t has an Arrow type, which its Arrow method panics without.
func checkType(t coltype.Type) error {
	if t.Kind == coltype.List && t.Elem != nil {
		t = *t.Elem
	}
	if t.Kind == coltype.Invalid || t.Kind >= coltype.List {
		return fmt.Errorf("type %s: kind %v is not that of a value", t.Name, t.Kind)
	}
	return nil
}

// use gives the column its allocator, its place and where its exact cells go.
func (c *column) use(alloc memory.Allocator, index int, exacts *[]exactCell) {
	c.valid.alloc, c.data.alloc, c.offs.alloc = alloc, alloc, alloc
	c.index, c.exacts = index, exacts
	if c.elem != nil {
		c.elem.use(alloc, index, exacts)
	}
}

// Digest is of all rows decoded so far.
func (d *Decoder) Digest() digest.Digest { return d.hasher.Digest }

// Next is the next batch, or io.EOF after the trailer and the end of r. The caller releases the batch.
func (d *Decoder) Next() (arrow.RecordBatch, error) {
	d.turn.give()
	if d.err != nil {
		return nil, d.err
	}
	batch, err := d.next()
	if err != nil {
		d.turn.give()
		d.err = err
		d.exacts = nil
		for _, c := range d.cols {
			c.discard()
		}
	}
	return batch, err
}

func (d *Decoder) next() (arrow.RecordBatch, error) {
	if !d.started {
		if err := d.header(); err != nil {
			return nil, err
		}
		d.started = true
	}
	for i, c := range d.cols {
		c.start(d.lastBatch, d.hints[i]+d.hints[i]/8)
	}
	d.exacts = d.exacts[:0]
	d.shrink()
	rows, size := 0, int64(0)
	for rows < d.o.Rows && size < d.o.Bytes {
		n, streamed, err := d.locate(min(d.chunk, d.o.Rows-rows), d.o.Bytes-size, rows == 0)
		if err != nil {
			return nil, err
		}
		if n == 0 && streamed > 0 && rows == 0 { // a long row begins a batch
			made, err := d.longRow()
			if err != nil {
				return nil, err
			}
			rows, size = 1, max(made, 1)
			continue
		}
		if n == 0 {
			break
		}
		made, err := d.decode(n)
		if err != nil {
			return nil, err
		}
		rows += n
		// Text may be far longer than what was sent: 1e131071 travels as ten bytes.
		size += max(streamed, made-4*streamed)
		d.resize(streamed, made)
	}
	if rows == 0 {
		for _, c := range d.cols {
			c.discard()
		}
		return nil, d.finish()
	}
	return d.batch(rows), nil
}

// resize makes the next chunk shorter after one whose values grew more than eightfold.
func (d *Decoder) resize(streamed, made int64) {
	if made > 1<<20 && made > 8*streamed {
		d.chunk = max(1, d.chunk/16)
	} else {
		d.chunk = min(chunkRows, 2*d.chunk)
	}
}

// decode appends the n located rows to the columns and hashes them; made is the bytes that they take up there.
func (d *Decoder) decode(n int) (made int64, err error) {
	for i, c := range d.cols {
		before := c.bytes()
		cells := len(d.exacts)
		if err := c.loop(c, d.buf, d.fields[i*chunkRows:i*chunkRows+n]); err != nil {
			row := d.row + 1
			if e := (*badCell)(nil); errors.As(err, &e) {
				row += int64(e.row)
			}
			return 0, d.corrupt(row, i, err.Error())
		}
		made += int64(c.bytes() - before)
		for _, cell := range d.exacts[cells:] {
			made += int64(len(cell.text))
		}
	}
	// Only now: the hasher relies on arrays being well formed.
	for _, t := range d.tuples[:n] {
		d.hasher.Tuple(d.buf[t.off : t.off+t.n])
	}
	d.row += int64(n)
	return made, nil
}

func (d *Decoder) batch(rows int) arrow.RecordBatch {
	arrays := make([]arrow.Array, 0, len(d.cols)+1)
	for i, c := range d.cols {
		if d.hints[i] = c.data.n; int64(c.data.n) > d.o.Bytes { // a long value, which the next batch need not have
			d.hints[i] = 0
		}
		data := c.finish()
		arrays = append(arrays, array.MakeFromData(data))
		data.Release()
	}
	d.lastBatch = rows
	side := d.arrow.Field(len(d.cols)).Type.(*arrow.MapType)
	arrays = append(arrays, exactColumn(d.o.Alloc, side, d.schema.Columns, rows, d.exacts))
	batch := array.NewRecordBatch(d.arrow, arrays, int64(rows))
	for _, a := range arrays {
		a.Release()
	}
	return batch
}

// locate finds the fields of up to limit tuples in the read buffer. It reads only when
// not even one is there, and takes no more than room bytes, but always one tuple when first is true.
// No tuple means the trailer, or that the batch is full; with a size above 0, that a long one is at pos.
func (d *Decoder) locate(limit int, room int64, first bool) (n int, size int64, err error) {
	for n < limit {
		length, need, err := d.tuple(n)
		if err != nil {
			return 0, 0, err
		}
		if need > 0 {
			if n > 0 {
				break
			}
			if need > max(d.long, 2) { // so its field count was seen
				return 0, int64(need), nil
			}
			if err := d.fill(need); err != nil {
				return 0, 0, err
			}
			continue
		}
		if length == 0 || size+int64(length) > room && !(first && n == 0) {
			break
		}
		d.tuples[n] = field{off: int32(d.pos + 2), n: int32(length - 2)}
		d.pos += length
		size += int64(length)
		n++
	}
	return n, size, nil
}

// tuple locates the fields of the tuple at pos as row n of the chunk. It returns the tuple's length, 0
// for the trailer; or how many bytes from pos it needs to go on.
func (d *Decoder) tuple(n int) (length, need int, err error) {
	b := d.buf[d.pos:d.end]
	if len(b) < 2 {
		return 0, 2, nil
	}
	if count := int(int16(binary.BigEndian.Uint16(b))); count != len(d.cols) {
		if count == -1 {
			return 0, 0, nil
		}
		return 0, 0, d.corrupt(d.row+int64(n)+1, -1, fmt.Sprintf("tuple of %d fields, want %d", count, len(d.cols)))
	}
	at := 2
	for i, k := 0, n; i < len(d.cols); i, k = i+1, k+chunkRows {
		if len(b) < at+4 {
			return 0, at + 4, nil
		}
		size := int(int32(binary.BigEndian.Uint32(b[at:])))
		at += 4
		if size > len(b)-at || size < 0 {
			if what := badLength(size, at); what != "" {
				return 0, 0, d.corrupt(d.row+int64(n)+1, i, what)
			}
			if size >= 0 {
				return 0, at + size, nil
			}
			d.fields[k] = field{n: -1}
			continue
		}
		d.fields[k] = field{off: int32(d.pos + at), n: int32(size)}
		at += size
	}
	return at, 0, nil
}

// fill reads until need bytes from pos are in the buffer. The buffer grows with what has come, not
// with what was announced.
func (d *Decoder) fill(need int) error {
	if d.end-d.pos >= need {
		return nil
	}
	copy(d.buf, d.buf[d.pos:d.end])
	d.pos, d.end = 0, d.end-d.pos
	for empty := 0; d.end < need; {
		if d.end == len(d.buf) {
			// A tuple needs no more; and fields hold int32 offsets.
			bigger := make([]byte, min(max(readSize, 2*len(d.buf)), maxTuple+readSize))
			copy(bigger, d.buf[:d.end])
			d.buf = bigger
		}
		n, err := d.r.Read(d.buf[d.end:])
		d.end += n
		if d.end >= need {
			return nil
		}
		if err == io.EOF {
			return d.truncated(need)
		}
		if n > 0 {
			empty = 0
		} else if empty++; err == nil && empty == 100 {
			err = io.ErrNoProgress
		}
		if err != nil {
			return fmt.Errorf("decode COPY stream after row %d: %w", d.row, err)
		}
	}
	return nil
}

// truncated is the error of a stream that ends where need bytes from pos were wanted.
func (d *Decoder) truncated(need int) error {
	switch {
	case !d.started:
		return d.corrupt(0, -1, fmt.Sprintf("the stream ends in its header, after %d bytes", d.end))
	case d.end+d.passed == 0:
		return d.corrupt(d.row, -1, "the stream ends after this row, without a trailer")
	}
	return d.corrupt(d.row+1, -1, fmt.Sprintf("the stream ends in its tuple, after %d bytes of at least %d", d.passed+d.end, d.passed+need))
}

// shrink gives the memory of a long array back.
func (d *Decoder) shrink() {
	if len(d.buf) > 4*longTuple && d.end-d.pos <= readSize {
		buf := make([]byte, readSize)
		d.pos, d.end = 0, copy(buf, d.buf[d.pos:d.end])
		d.buf = buf
	}
}

// header checks the signature and flags, and skips the extension.
func (d *Decoder) header() error {
	if err := d.fill(len(BinaryHeader)); err != nil {
		return err
	}
	if !bytes.Equal(d.buf[:11], BinaryHeader[:11]) {
		return d.corrupt(0, -1, fmt.Sprintf("it starts with %q, which is not the signature", d.buf[:11]))
	}
	if flags := binary.BigEndian.Uint32(d.buf[11:]); flags>>16 != 0 {
		return d.corrupt(0, -1, fmt.Sprintf("header flags %#08x are not known", flags))
	}
	extension := int64(int32(binary.BigEndian.Uint32(d.buf[15:])))
	if extension < 0 {
		return d.corrupt(0, -1, fmt.Sprintf("header extension of %d bytes", extension))
	}
	d.pos = len(BinaryHeader)
	for extension > 0 {
		if d.pos == d.end {
			if err := d.fill(1); err != nil {
				return err
			}
		}
		skip := min(extension, int64(d.end-d.pos))
		d.pos += int(skip)
		extension -= skip
	}
	return nil
}

// finish sees that nothing follows the trailer, which is at pos.
func (d *Decoder) finish() error {
	d.pos += 2
	if d.pos == d.end {
		d.pos, d.end = 0, 0
		for empty := 0; d.end == 0; empty++ {
			n, err := d.r.Read(d.buf)
			d.end = n
			if n == 0 && err == io.EOF {
				return io.EOF
			}
			if n == 0 && err == nil && empty == 100 {
				err = io.ErrNoProgress
			}
			if n == 0 && err != nil {
				return fmt.Errorf("decode COPY stream after row %d and the trailer: %w", d.row, err)
			}
		}
	}
	return d.corrupt(d.row, -1, "bytes follow the trailer after this row")
}

// corrupt is the error of a stream; row counts from 1, 0 is the header; column -1 is none.
func (d *Decoder) corrupt(row int64, column int, what string) error {
	where := "header"
	if row > 0 || d.started {
		where = fmt.Sprintf("row %d", row)
	}
	if column >= 0 {
		where += fmt.Sprintf(", column %q", d.schema.Columns[column].Name)
	}
	return fmt.Errorf("decode COPY stream: %s: %s: %w", where, what, ErrCorrupt)
}
