// Package pgcopy converts between the PostgreSQL COPY stream and Arrow record batches. It does no
// I/O of its own and holds no connection.
//
// A binary stream is a 19-byte header (signature, flags, extension length), one tuple per row, then
// an int16 -1 trailer. Decoding is strict: a short field, a count larger than the bytes left, or
// a missing trailer is [ErrCorrupt]. Values are never truncated or rounded.
//
// A Decoder and an Encoder each serve one goroutine; the caller releases the batches.
package pgcopy

import (
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
	"frostline/digest"
)

// ErrCorrupt is wrapped by every refusal of a stream.
var ErrCorrupt = errors.New("corrupt COPY stream")

// SelectList is the select list that a copy out uses: quoted names, col::text where the wire form
// asks for it, in the order of cols. alias, when not empty, qualifies each.
func SelectList(cols []coltype.Column, alias string) string { panic("stub") }

// InsertColumns is the quoted column list of COPY … FROM: cols without the generated ones.
func InsertColumns(cols []coltype.Column) string { panic("stub") }

// Decoder is an io.Writer-fed or reader-fed decoder of a COPY binary stream.
type Decoder struct{}

// DecodeOptions bound a batch.
type DecodeOptions struct {
	Rows  int              // rows a batch, default 20480
	Bytes int64            // stream bytes a batch, default 16 MiB: wide rows make short batches
	Alloc memory.Allocator // default memory.DefaultAllocator
}

// NewDecoder reads the stream r of rows with the columns of s, in that order. Batches have the
// schema s.Arrow(), the side column included.
func NewDecoder(r io.Reader, s coltype.Schema, o DecodeOptions) *Decoder { panic("stub") }

// Next is the next batch, or io.EOF after the trailer. The caller releases the batch.
func (d *Decoder) Next() (arrow.RecordBatch, error) { panic("stub") }

// Digest is of all rows decoded so far.
func (d *Decoder) Digest() digest.Digest { panic("stub") }

// Encoder turns batches back into COPY binary tuples.
type Encoder struct{}

// NewEncoder encodes batches whose columns are those of s.Arrow() (by position).
func NewEncoder(s coltype.Schema) (*Encoder, error) { panic("stub") }

// DigestBatch adds the batch's rows to the digest, encoding each as PostgreSQL sent it.
func (e *Encoder) DigestBatch(b arrow.RecordBatch) error { panic("stub") }

// Digest is of all batches given to DigestBatch.
func (e *Encoder) Digest() digest.Digest { panic("stub") }

// AppendBinary appends the tuples of b for COPY … FROM STDIN (FORMAT binary), generated columns left out.
func (e *Encoder) AppendBinary(dst []byte, b arrow.RecordBatch) ([]byte, error) { panic("stub") }

// AppendText appends the lines of b for COPY … FROM STDIN (FORMAT text), generated columns left out.
func (e *Encoder) AppendText(dst []byte, b arrow.RecordBatch) ([]byte, error) { panic("stub") }

// NeedsText reports whether the loaded columns must go through text COPY: one of them is WireText.
func NeedsText(s coltype.Schema) bool { panic("stub") }

// BinaryHeader and BinaryTrailer frame a binary stream.
var (
	BinaryHeader  = []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	BinaryTrailer = []byte{0xff, 0xff}
)
