package pgcopy

import (
	"errors"
	"fmt"
	"io"
	"slices"

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
	loaded []*source // without the generated ones
	byName map[string]int
	hasher *digest.Hasher
	text   bool // NeedsText
	rows   rowWriter
	row    []byte // the rows of the last chunk
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
			e.loaded = append(e.loaded, col)
		}
	}
	e.text = NeedsText(s)
	return e, nil
}

// Digest is of all batches given to DigestBatch.
func (e *Encoder) Digest() digest.Digest { return e.hasher.Digest }

// DigestBatch adds the batch's rows to the digest, encoding each as PostgreSQL sent it. An error
// names the row of the batch, counted from 0; rows before it may be missing from the digest.
func (e *Encoder) DigestBatch(b arrow.RecordBatch) error {
	if err := e.bind(b); err != nil {
		return err
	}
	defer e.forget()
	rows := int(b.NumRows())
	if rows == 1 && anyLong(e.cols) {
		return e.digestLong()
	}
	for from, step := 0, chunk(e.cols, rows); from < rows; from += step {
		n := min(step, rows-from)
		row, bad, err := e.rows.append(e.row[:0], e.cols, from, n, false)
		if err != nil {
			return e.bad(bad, err)
		}
		begin := 0
		for _, end := range e.rows.at[:n] {
			e.hasher.Tuple(row[begin:end])
			begin = end
		}
		e.keep(row)
	}
	return nil
}

// WriteBinary writes the tuples of b for COPY … FROM STDIN (FORMAT binary), generated columns left out, in Writes of about 128 KiB,
// of one row, or, of a row that is alone in its batch, of one text or bytea of more than a MiB. It returns the bytes written, and refuses
// a schema that NeedsText.
func (e *Encoder) WriteBinary(w io.Writer, b arrow.RecordBatch) (written int64, err error) {
	if e.text {
		return 0, fmt.Errorf("encode COPY binary: the table has a column that only text COPY can load; nothing was encoded")
	}
	if err := e.bind(b); err != nil {
		return 0, err
	}
	defer e.forget()
	rows := int(b.NumRows())
	if rows == 1 && anyLong(e.loaded) {
		return e.writeLongBinary(w)
	}
	for from, step := 0, chunk(e.loaded, rows); from < rows; from += step {
		out, bad, err := e.rows.append(e.row[:0], e.loaded, from, min(step, rows-from), true)
		if err != nil {
			return written, e.bad(slices.Index(e.cols, e.loaded[bad]), err)
		}
		n, err := w.Write(out)
		if written += int64(n); err != nil {
			return written, err
		}
		e.keep(out)
	}
	return written, nil
}

// WriteText is WriteBinary for COPY … FROM STDIN (FORMAT text), which every schema can be loaded by.
func (e *Encoder) WriteText(w io.Writer, b arrow.RecordBatch) (written int64, err error) {
	if err := e.bind(b); err != nil {
		return 0, err
	}
	defer e.forget()
	if b.NumRows() == 1 && anyLong(e.loaded) {
		return e.writeLongText(w)
	}
	out := e.row[:0]
	for i := range int(b.NumRows()) {
		for n, c := range e.loaded {
			if n > 0 {
				out = append(out, '\t')
			}
			if out, err = c.appendCopyText(out, i, &e.list); err != nil {
				return written, e.bad(slices.Index(e.cols, c), &badCell{i, err})
			}
		}
		if out = append(out, '\n'); len(out) < bytesAtOnce && i < int(b.NumRows())-1 {
			continue
		}
		n, err := w.Write(out)
		if written += int64(n); err != nil {
			return written, err
		}
		out = out[:0]
	}
	e.keep(out)
	return written, nil
}

// keep keeps a buffer for the next rows, unless long ones made it large.
func (e *Encoder) keep(b []byte) {
	if e.row = b; cap(b) > 1<<20 {
		e.row = nil
	}
}

func (e *Encoder) bad(column int, err error) error {
	row := 0
	if cell := (*badCell)(nil); errors.As(err, &cell) {
		row, err = cell.row, cell.err
	}
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
