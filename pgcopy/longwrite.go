package pgcopy

import (
	"encoding/hex"
	"io"
	"slices"

	"frostline/coltype"
)

// textPiece of a long value are made text at once.
const textPiece = 64 << 10

// long is the one row of a text or bytea whose bytes travel as they are, when it is so long that no tuple should be built with it.
func (s *source) long() ([]byte, bool) {
	if s.offs == nil || s.elem != nil || s.codes != nil || s.null(0) {
		return nil, false
	}
	switch s.typ.Wire {
	case coltype.WireText, coltype.WireRaw, coltype.WireJSONB:
		v := s.str(0)
		return v, len(v) > longTuple
	}
	return nil, false
}

// anyLong tells whether the one row of cols has such a value.
func anyLong(cols []*source) bool {
	for _, c := range cols {
		if _, long := c.long(); long {
			return true
		}
	}
	return false
}

// appendLongHead appends what stands before the bytes of a long value in a tuple.
func (s *source) appendLongHead(dst, v []byte) []byte {
	if s.typ.Wire == coltype.WireJSONB {
		return append(be.AppendUint32(dst, uint32(len(v)+1)), 1)
	}
	return be.AppendUint32(dst, uint32(len(v)))
}

// digestLong adds the one row of the batch to the digest without building it.
func (e *Encoder) digestLong() (err error) {
	e.hasher.Begin()
	for k, c := range e.cols {
		if v, long := c.long(); long {
			e.row = c.appendLongHead(e.row[:0], v)
			e.hasher.Piece(e.row)
			e.hasher.Piece(v)
			continue
		}
		if e.row, err = c.appendField(e.row[:0], 0); err != nil {
			return e.bad(k, err)
		}
		e.hasher.Field(k, e.row)
	}
	e.hasher.End()
	e.keep(e.row)
	return nil
}

// pieceWriter counts what it writes. Its error stays.
type pieceWriter struct {
	w   io.Writer
	n   int64
	err error
}

func (p *pieceWriter) write(b []byte) {
	if p.err == nil && len(b) > 0 {
		var n int
		n, p.err = p.w.Write(b)
		p.n += int64(n)
	}
}

// writeLongBinary writes the tuple of the batch's one row in pieces.
func (e *Encoder) writeLongBinary(w io.Writer) (written int64, err error) {
	out := pieceWriter{w: w}
	row := be.AppendUint16(e.row[:0], uint16(len(e.loaded)))
	for _, c := range e.loaded {
		if v, long := c.long(); long {
			out.write(c.appendLongHead(row, v))
			out.write(v)
			row = row[:0]
			continue
		}
		if row, err = c.appendField(row, 0); err != nil {
			return out.n, e.bad(slices.Index(e.cols, c), err)
		}
	}
	out.write(row)
	e.keep(row)
	return out.n, out.err
}

// writeLongText writes the line of the batch's one row in pieces.
func (e *Encoder) writeLongText(w io.Writer) (written int64, err error) {
	out := pieceWriter{w: w}
	row := e.row[:0]
	for k, c := range e.loaded {
		if k > 0 {
			row = append(row, '\t')
		}
		v, long := c.long()
		if !long || c.typ.Kind == coltype.Binary && (c.typ.Base == "geometry" || c.typ.Base == "geography") {
			if row, err = c.appendCopyText(row, 0, &e.list); err != nil {
				return out.n, e.bad(slices.Index(e.cols, c), err)
			}
			continue
		}
		if c.typ.Kind == coltype.Binary {
			row = append(row, `\\x`...)
		}
		for len(v) > 0 {
			n := min(len(v), textPiece)
			if c.typ.Kind == coltype.Binary {
				row = hex.AppendEncode(row, v[:n])
			} else {
				row = appendEscaped(row, v[:n])
			}
			out.write(row)
			row, v = row[:0], v[n:]
		}
	}
	out.write(append(row, '\n'))
	e.keep(row)
	return out.n, out.err
}

// forget lets go of the batch: it may hold a long value.
func (e *Encoder) forget() {
	for _, c := range e.cols {
		c.forget()
	}
}

func (s *source) forget() {
	if s.elem != nil {
		s.elem.forget()
	}
	s.bytes = nil
}
