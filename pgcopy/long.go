package pgcopy

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"frostline/coltype"
)

const (
	// longTuple is the length from which on a tuple is not collected in the read buffer, but decoded field by field.
	longTuple = 1 << 20
	// pieceBytes are read and hashed at once: they are still in the cache when they are hashed.
	pieceBytes = 128 << 10
)

// turns is a locker that is held or not, and may be nil.
type turns struct {
	l    sync.Locker
	held bool
}

func (t *turns) take() {
	if t.l != nil && !t.held {
		t.l.Lock()
		t.held = true
	}
}

func (t *turns) give() {
	if t.held {
		t.held = false
		t.l.Unlock()
	}
}

// inPieces tells whether the bytes of a field are the bytes of its value, in one buffer.
func (c *column) inPieces() bool {
	switch c.typ.Wire {
	case coltype.WireText, coltype.WireRaw, coltype.WireJSONB:
		return c.elem == nil && (c.typ.Kind == coltype.String || c.typ.Kind == coltype.Binary)
	}
	return false
}

// longRow decodes and hashes the tuple at pos field by field; made is the bytes that it takes up in the columns. A long text or
// bytea goes straight into the column's memory, which is made for it; a long value of another type stands in the read buffer
// first. The tuple's start was seen to be valid.
func (d *Decoder) longRow() (made int64, err error) {
	defer func() { d.passed = 0 }()
	d.pass(2)
	d.hasher.Begin()
	for i, c := range d.cols {
		if err := d.fill(4); err != nil {
			return 0, err
		}
		size := int(int32(binary.BigEndian.Uint32(d.buf[d.pos:])))
		if what := badLength(size, d.passed+4); what != "" {
			return 0, d.corrupt(d.row+1, i, what)
		}
		switch {
		case size < 0:
			d.hasher.Field(i, d.buf[d.pos:d.pos+4])
			d.pass(4)
			c.appendNull()
		case size > d.long && c.inPieces():
			if err := d.longField(i, size); err != nil {
				return 0, err
			}
			made += int64(size)
		default:
			if err := d.fill(4 + size); err != nil {
				return 0, err
			}
			before, cells := c.bytes(), len(d.exacts)
			if err := c.loop(c, d.buf, []field{{int32(d.pos + 4), int32(size)}}); err != nil {
				return 0, d.corrupt(d.row+1, i, err.Error())
			}
			d.hasher.Field(i, d.buf[d.pos:d.pos+4+size])
			d.pass(4 + size)
			made += int64(c.bytes() - before)
			for _, cell := range d.exacts[cells:] {
				made += int64(len(cell.text))
			}
		}
	}
	d.hasher.End()
	d.row++
	return made, nil
}

// pass moves on by n bytes of the tuple.
func (d *Decoder) pass(n int) {
	d.pos += n
	d.passed += n
}

// badLength says what is wrong with the length of a field whose value begins at from in its tuple, "" nothing.
func badLength(size, from int) string {
	switch {
	case size < -1:
		return fmt.Sprintf("field length %d", size)
	case size > maxTuple-from:
		return fmt.Sprintf("field length %d makes the tuple longer than 1 GiB", size)
	}
	return ""
}

// longField takes the field at pos, of size bytes, into column i.
func (d *Decoder) longField(i, size int) error {
	c := d.cols[i]
	d.hasher.Piece(d.buf[d.pos : d.pos+4])
	d.pass(4)
	if c.typ.Wire == coltype.WireJSONB {
		if err := d.fill(1); err != nil {
			return err
		}
		if v := d.buf[d.pos]; v != 1 {
			return d.corrupt(d.row+1, i, badJSONB(v).Error())
		}
		d.hasher.Piece(d.buf[d.pos : d.pos+1])
		d.pass(1)
		size--
	}
	// Memory for it is made only when some of it has come.
	if err := d.fill(min(size, d.long)); err != nil {
		return err
	}
	if int64(size) > d.o.Bytes {
		d.turn.take()
	}
	value := c.data.extend(size)
	n := copy(value, d.buf[d.pos:d.end])
	d.hasher.Piece(value[:n])
	d.pass(n)
	for n < len(value) {
		m, err := d.read(value[n:min(len(value), n+pieceBytes)], d.passed+len(value)-n)
		if err != nil {
			return err
		}
		d.hasher.Piece(value[n : n+m])
		d.passed += m
		n += m
	}
	c.endValue()
	return nil
}

// read reads into p, past the read buffer, which is empty; need is how many bytes the tuple has at least.
func (d *Decoder) read(p []byte, need int) (int, error) {
	d.pos, d.end = 0, 0
	for empty := 0; ; {
		n, err := d.r.Read(p)
		if n > 0 {
			return n, nil
		}
		if err == io.EOF {
			return 0, d.truncated(need - d.passed)
		}
		if empty++; err == nil && empty == 100 {
			err = io.ErrNoProgress
		}
		if err != nil {
			return 0, fmt.Errorf("decode COPY stream after row %d: %w", d.row, err)
		}
	}
}
