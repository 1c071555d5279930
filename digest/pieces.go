package digest

import "github.com/zeebo/xxh3"

// Begin begins a row that is too long to be held whole: Field and Piece follow for its fields, in order, and End.
func (h *Hasher) Begin() {
	if h.pieces == nil {
		h.pieces = xxh3.New()
	}
	h.pieces.Reset()
}

// Field adds the next field whole, that of column index: its int32 length and its bytes, as Tuple has them.
func (h *Hasher) Field(index int, field []byte) {
	for _, c := range h.changed {
		if c.index == index {
			c.index = 0
			field = h.normalise(field, []column{c})
		}
	}
	h.Piece(field)
}

// Piece adds the next bytes of the tuple. The fields of arrays and of floats must go to Field.
func (h *Hasher) Piece(b []byte) { _, _ = h.pieces.Write(b) } // it never fails

// End adds the row. What is left of a row without it is forgotten by the next Begin.
func (h *Hasher) End() { h.add(h.pieces.Sum128()) }
