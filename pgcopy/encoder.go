package pgcopy

import (
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"frostline/coltype"
	"frostline/digest"
)

// Encoder turns batches back into COPY tuples. After an error it may be used again; the digest then
// lacks the batch's remaining rows.
type Encoder struct {
	schema coltype.Schema
	cols   []*source
	loaded []int // positions of the columns that are loaded
	byName map[string]int
	hasher *digest.Hasher
	text   bool // NeedsText
	row    []byte
	list   listScratch
}

// NewEncoder encodes batches whose columns are those of s.Arrow(), by position, the side column
// included; a string column may be dictionary-encoded.
func NewEncoder(s coltype.Schema) (*Encoder, error) {
	e := &Encoder{schema: s, byName: map[string]int{}, hasher: digest.NewHasher(s.Columns)}
	for i, c := range s.Columns {
		col, err := newSource(c.Type)
		if err != nil {
			return nil, fmt.Errorf("encode column %q: %w; nothing was encoded", c.Name, err)
		}
		e.cols = append(e.cols, col)
		e.byName[c.Name] = i
		if !c.Generated {
			e.loaded = append(e.loaded, i)
		}
	}
	e.text = NeedsText(s)
	return e, nil
}

// Digest is of all batches given to DigestBatch.
func (e *Encoder) Digest() digest.Digest { return e.hasher.Digest }

// DigestBatch adds the batch's rows to the digest, encoding each as PostgreSQL sent it. An error
// names the row of the batch, counted from 0.
func (e *Encoder) DigestBatch(b arrow.RecordBatch) error {
	if err := e.bind(b); err != nil {
		return err
	}
	row := e.row
	for i := range int(b.NumRows()) {
		row = row[:0]
		var err error
		for k, c := range e.cols {
			if row, err = c.appendField(row, i); err != nil {
				return e.bad(k, i, err)
			}
		}
		e.hasher.Tuple(row)
	}
	e.row = row
	return nil
}

// AppendBinary appends the tuples of b for COPY … FROM STDIN (FORMAT binary), generated columns left
// out. It refuses a schema that NeedsText.
func (e *Encoder) AppendBinary(dst []byte, b arrow.RecordBatch) ([]byte, error) {
	if e.text {
		return dst, fmt.Errorf("encode COPY binary: the table has a column that only text COPY can load; nothing was encoded")
	}
	if err := e.bind(b); err != nil {
		return dst, err
	}
	out := dst
	for i := range int(b.NumRows()) {
		out = binary.BigEndian.AppendUint16(out, uint16(len(e.loaded)))
		var err error
		for _, k := range e.loaded {
			if out, err = e.cols[k].appendField(out, i); err != nil {
				return dst, e.bad(k, i, err)
			}
		}
	}
	return out, nil
}

// AppendText appends the lines of b for COPY … FROM STDIN (FORMAT text), generated columns left out.
func (e *Encoder) AppendText(dst []byte, b arrow.RecordBatch) ([]byte, error) {
	if err := e.bind(b); err != nil {
		return dst, err
	}
	out := dst
	for i := range int(b.NumRows()) {
		var err error
		for n, k := range e.loaded {
			if n > 0 {
				out = append(out, '\t')
			}
			if out, err = e.cols[k].appendCopyText(out, i, &e.list); err != nil {
				return dst, e.bad(k, i, err)
			}
		}
		out = append(out, '\n')
	}
	return out, nil
}

func (e *Encoder) bad(column, row int, err error) error {
	return fmt.Errorf("encode row %d of the batch, column %q: %w", row, e.schema.Columns[column].Name, err)
}

// bind points the columns at the batch, and their exact cells at the side column.
func (e *Encoder) bind(b arrow.RecordBatch) error {
	if int(b.NumCols()) != len(e.cols)+1 {
		return fmt.Errorf("encode batch: it has %d columns, want %d and the side column", b.NumCols(), len(e.cols))
	}
	for i, c := range e.cols {
		if err := c.bind(b.Column(i)); err != nil {
			return fmt.Errorf("encode column %q: %w; nothing was encoded", e.schema.Columns[i].Name, err)
		}
	}
	side, ok := b.Column(len(e.cols)).(*array.Map)
	if !ok {
		return fmt.Errorf("encode batch: its last column is %v, want the side column %s", b.Column(len(e.cols)).DataType(), coltype.ExactName)
	}
	if side.NullN() == side.Len() {
		return nil
	}
	keys, okKeys := side.Keys().(*array.String)
	items, okItems := side.Items().(*array.String)
	if !okKeys || !okItems {
		return fmt.Errorf("encode batch: side column %s is %v, want map<utf8, utf8>", coltype.ExactName, side.DataType())
	}
	for row := range side.Len() {
		if side.IsNull(row) {
			continue
		}
		start, end := side.ValueOffsets(row)
		for k := int(start); k < int(end); k++ {
			i, known := e.byName[keys.Value(k)]
			if !known || !e.schema.Columns[i].Type.MayBeExact() || items.IsNull(k) {
				return fmt.Errorf("encode batch: row %d has exact text under %q, which is no column that can have it", row, keys.Value(k))
			}
			if err := e.cols[i].setExact(row, items.Value(k)); err != nil {
				return fmt.Errorf("encode column %q: %w; nothing was encoded", e.schema.Columns[i].Name, err)
			}
		}
	}
	return nil
}
