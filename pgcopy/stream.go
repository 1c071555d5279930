package pgcopy

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
	"frostline/digest"
)

// streamBuffer collects the small CopyData messages (one a row) before they cross to the decoder.
const streamBuffer = 256 << 10

// errStopped tells a sender that its stream is no longer read.
var errStopped = errors.New("stream is no longer read")

// Stream decodes what copyOut writes, while it writes, hands each batch to sink (nil: only the
// digest is wanted), releases it, and returns the digest of all rows. copyOut returns the rows
// that the server says it sent; another number decoded is ErrCorrupt. The error is copyOut's when
// that is what broke the stream off. It returns after copyOut has.
func Stream(s coltype.Schema, o DecodeOptions, copyOut func(io.Writer) (int64, error), sink func(arrow.RecordBatch) error) (digest.Digest, error) {
	pr, pw := io.Pipe()
	type sent struct {
		rows int64
		err  error
	}
	done := make(chan sent, 1)
	go func() {
		buf := bufio.NewWriterSize(pw, streamBuffer)
		n, err := copyOut(buf)
		if err == nil {
			err = buf.Flush()
		}
		pw.CloseWithError(err) // nil is io.EOF
		done <- sent{n, err}
	}()
	dec := NewDecoder(pr, s, o)
	err := drain(dec, sink)
	pr.CloseWithError(errors.Join(errStopped, err))
	end := <-done
	if end.err != nil && !errors.Is(end.err, errStopped) {
		return digest.Digest{}, end.err
	}
	if err != nil {
		return digest.Digest{}, err
	}
	d := dec.Digest()
	if d.Rows != end.rows {
		return digest.Digest{}, fmt.Errorf("server sent %d rows, %d were decoded: %w", end.rows, d.Rows, ErrCorrupt)
	}
	return d, nil
}

func drain(dec *Decoder, sink func(arrow.RecordBatch) error) error {
	for {
		b, err := dec.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if sink != nil {
			err = sink(b)
		}
		b.Release()
		dec.turn.give()
		if err != nil {
			return err
		}
	}
}
