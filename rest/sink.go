package rest

import (
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/labstack/echo/v4"
)

// partSize is how much is gathered for one write.
const partSize = 64 << 10

// sink is the body of an answer: it gathers parts and compresses them where the caller takes that.
// Nothing is sent before the first part is full, so that what fails early is still a problem with a status of its own.
type sink struct {
	c       echo.Context
	media   string
	coding  string // "" for none
	buf     []byte
	zip     compressor // nil until the first part, and without a coding
	failed  error
	writing time.Duration // of writes to the connection
}

// compressor is gzip's or zstd's writer.
type compressor interface {
	io.WriteCloser
	Reset(io.Writer)
}

// zips are idle compressors by coding. A zstd one has a window of 1 MiB.
var zips = map[string]*sync.Pool{
	"gzip": {New: func() any { w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed); return w }},
	"zstd": {New: func() any {
		w, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
		return w
	}},
}

// smallest is the size below which an answer is not compressed.
const smallest = 1 << 10

func newSink(c echo.Context, media string, compress bool) *sink {
	k := &sink{c: c, media: media}
	if compress {
		c.Response().Header().Add(echo.HeaderVary, echo.HeaderAcceptEncoding)
		k.coding = coding(c.Request().Header.Get(echo.HeaderAcceptEncoding))
	}
	return k
}

// Write implements io.Writer.
func (k *sink) Write(b []byte) (int, error) {
	if k.failed != nil {
		return 0, k.failed
	}
	k.buf = append(k.buf, b...)
	if len(k.buf) < partSize {
		return len(b), nil
	}
	return len(b), k.flush()
}

// flush sends what has gathered.
func (k *sink) flush() error {
	h := k.c.Response().Header()
	if !k.c.Response().Committed {
		h.Set(echo.HeaderContentType, k.media)
		if k.coding != "" {
			h.Set(echo.HeaderContentEncoding, k.coding)
			k.zip = zips[k.coding].Get().(compressor)
			k.zip.Reset(timed{k})
		}
		k.c.Response().WriteHeader(http.StatusOK)
	}
	var w io.Writer = timed{k}
	if k.zip != nil {
		w = k.zip
	}
	_, k.failed = w.Write(k.buf)
	k.buf = k.buf[:0]
	return k.failed
}

// timed writes to the connection.
type timed struct{ *sink }

func (t timed) Write(b []byte) (int, error) {
	begin := time.Now()
	defer func() { t.writing += time.Since(begin) }()
	return t.c.Response().Write(b)
}

// close sends the rest. The answer is complete when it gives no error.
func (k *sink) close() error {
	if k.failed != nil {
		return k.failed
	}
	if !k.c.Response().Committed && len(k.buf) < smallest {
		k.coding = ""
	}
	if !k.c.Response().Committed && k.coding == "" && k.c.Response().Header().Get("Trailer") == "" {
		k.c.Response().Header().Set(echo.HeaderContentLength, strconv.Itoa(len(k.buf)))
	}
	if err := k.flush(); err != nil {
		return err
	}
	if k.zip != nil {
		if err := k.zip.Close(); err != nil {
			return err
		}
	}
	k.release()
	return nil
}

// release gives the compressor back. An answer that was not closed stays incomplete.
func (k *sink) release() {
	if k.zip != nil {
		k.zip.Reset(nil)
		zips[k.coding].Put(k.zip)
		k.zip = nil
	}
}
