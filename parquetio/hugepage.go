package parquetio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/delta"
)

// hugeValue is the length from which on a text or binary value is not copied into its page: the page refers to the batch's memory,
// and is written before the batch is given back, as the end of its row group. Tests make it less.
var hugeValue = 16 << 20

const (
	// keepZipped is what is kept of a huge page that compresses. One that takes more is compressed again while it is written.
	keepZipped = 32 << 20
	// sampleBytes are tried from each of samples places of a huge value, to see whether it compresses.
	sampleBytes, samples = 64 << 10, 16
)

// zstdStreams are encoders of one goroutine each, which give the same bytes for the same value.
var zstdStreams = sync.Pool{New: func() any {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20),
		zstd.WithAllLitEntropyCompression(true), zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err) // the options are constants
	}
	return e
}}

// flushHuge encodes the one huge value of vals as a data page, without a copy of it.
func (w *leafWriter) flushHuge() error {
	p := &w.vals
	b := boundsOf(&w.leaf, p)
	if len(w.pages) == 0 {
		if err := w.choose(); err != nil {
			return err
		}
	}
	w.dict = nil // the pages so far keep it
	head, encoding, err := hugeHead(len(p.data), w.o.Compatible)
	if err != nil {
		return err
	}
	body := hugeBody{head, p.data}
	def := appendHybrid(nil, p.defs, indexWidth(w.maxDef+1))
	h := pageHeader{values: 1, rows: 1, encoding: encoding, hasCRC: true}
	var before []byte // of the body, never compressed
	if w.o.Compatible {
		h.typ = pageData
		levels := binary.LittleEndian.AppendUint32(nil, uint32(len(def)))
		body = append(hugeBody{append(levels, def...)}, body...)
	} else {
		h.typ, h.defLen, before = pageDataV2, int32(len(def)), def
	}
	raw := len(before) + body.size()
	if raw > math.MaxInt32-1024 {
		return fmt.Errorf("column %q: a page of %d bytes; a Parquet page ends at 2 GiB", w.path[0], raw)
	}
	page := encodedPage{rows: 1, bounds: b, tail: body.write, tailSize: body.size()}
	sum := crc32.ChecksumIEEE(before)
	zipped := false
	if w.codec == codecZstd && (w.o.Compatible || worthZipping(p.data)) {
		most := body.size() - body.size()/10
		if w.o.Compatible { // a V1 page is compressed whatever it gives
			most = math.MaxInt32 - 1024
		}
		z := zippedPage{most: most, keep: w.o.keepZipped, sum: sum}
		if zipped, err = z.take(body); err != nil {
			return fmt.Errorf("column %q: %w", w.path[0], err)
		}
		if zipped {
			page.tail, page.tailSize, h.isCompressed = z.write(body), z.n, true
			sum = z.sum
		} else if w.o.Compatible {
			return fmt.Errorf("column %q: a page of more than 2 GiB", w.path[0])
		}
	}
	if !zipped {
		for _, part := range body {
			sum = crc32.Update(sum, crc32.IEEETable, part)
		}
	}
	h.uncompressed, h.compressed, h.crc = int32(raw), int32(len(before)+page.tailSize), int32(sum)
	var tw thriftWriter
	h.write(&tw)
	page.raw = raw + len(tw.b)
	page.bytes = append(tw.b, before...)
	w.keep(page, encoding, 1)
	return nil
}

// hugeHead is what stands before the bytes of a page's only value.
func hugeHead(size int, compatible bool) ([]byte, int32, error) {
	if compatible {
		return binary.LittleEndian.AppendUint32(nil, uint32(size)), encPlain, nil
	}
	head, err := new(delta.BinaryPackedEncoding).EncodeInt32(nil, []int32{int32(size)})
	return head, encDeltaLength, err
}

// hugeBody is a page's body in parts.
type hugeBody [][]byte

func (b hugeBody) size() (n int) {
	for _, part := range b {
		n += len(part)
	}
	return n
}

func (b hugeBody) write(w io.Writer) error {
	for _, part := range b {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// zip writes the body compressed.
func (b hugeBody) zip(w io.Writer) error {
	e := zstdStreams.Get().(*zstd.Encoder)
	defer func() {
		e.Reset(nil)
		zstdStreams.Put(e)
	}()
	e.ResetContentSize(w, int64(b.size()))
	if err := b.write(e); err != nil {
		return err
	}
	return e.Close()
}

// worthZipping tries some of v.
func worthZipping(v []byte) bool {
	size, of := 0, 0
	for i := range samples {
		from := (len(v) - sampleBytes) / samples * i
		z := zstdEncoder().EncodeAll(v[from:from+sampleBytes], nil)
		size, of = size+len(z), of+sampleBytes
	}
	return size < of-of/10
}

var errNotSmaller = errors.New("it does not get small enough")

// zippedPage takes a compressed body: its size and its checksum, and its bytes while they are few.
type zippedPage struct {
	most   int // of its size
	keep   int // of its bytes
	n      int
	sum    uint32
	pieces hugeBody // nil: too many to keep
}

const zippedPiece = 1 << 20

// take compresses body; false when it takes more than most.
func (z *zippedPage) take(body hugeBody) (bool, error) {
	err := body.zip(z)
	if errors.Is(err, errNotSmaller) {
		z.pieces = nil
		return false, nil
	}
	return err == nil, err
}

func (z *zippedPage) Write(p []byte) (int, error) {
	if z.n += len(p); z.n > z.most {
		return 0, errNotSmaller
	}
	z.sum = crc32.Update(z.sum, crc32.IEEETable, p)
	if z.n > z.keep {
		z.pieces = nil
		return len(p), nil
	}
	for rest := p; len(rest) > 0; {
		last := len(z.pieces) - 1
		if last < 0 || len(z.pieces[last]) == zippedPiece {
			z.pieces = append(z.pieces, make([]byte, 0, zippedPiece))
			last++
		}
		n := min(len(rest), zippedPiece-len(z.pieces[last]))
		z.pieces[last] = append(z.pieces[last], rest[:n]...)
		rest = rest[n:]
	}
	return len(p), nil
}

// write writes what take has compressed, or compresses it once more.
func (z *zippedPage) write(body hugeBody) func(io.Writer) error {
	if z.pieces != nil {
		return z.pieces.write
	}
	return func(w io.Writer) error {
		again := countedWriter{w: w}
		if err := body.zip(&again); err != nil {
			return err
		}
		if again.n != z.n {
			return fmt.Errorf("a page was %d bytes compressed and is %d the second time; the file is not valid", z.n, again.n)
		}
		return nil
	}
}

// countedWriter counts.
type countedWriter struct {
	w io.Writer
	n int
}

func (c *countedWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += n
	return n, err
}
