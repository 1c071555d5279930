package parquetio

import (
	"bytes"
	"compress/gzip"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// One encoder and one decoder serve the process: EncodeAll and DecodeAll may run at once.
var zstdEncoder = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20), zstd.WithAllLitEntropyCompression(true))
	if err != nil {
		panic(err) // the options are constants
	}
	return e
})

// The decoder serves as many at once as the machine has cores: GOMAXPROCS may be raised after the first page.
var zstdDecoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(runtime.NumCPU()), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(1<<31))
	if err != nil {
		panic(err) // the options are constants
	}
	return d
})

var gzipReaders sync.Pool

// maxPageBytes caps a decompressed page: PostgreSQL's largest value is below 1 GiB.
const maxPageBytes = 1<<30 + 1<<20

// maxRatio is above what any of the codecs can reach (zstd: a 4-byte block of 128 KiB).
const maxRatio = 1 << 15

// padding is kept behind every buffer that values are unpacked from: the vector code reads
// beyond the end.
const padding = 64

// zstdBlock is the most that a block of zstd holds.
const zstdBlock = 128 << 10

// decompress expands src, which must give exactly size bytes, into dst's memory when it is large
// enough. The result has padding bytes of capacity behind it.
func decompress(dst, src []byte, codec int32, size int) ([]byte, error) {
	if size > maxPageBytes || size/maxRatio > len(src)+4 {
		return nil, corruptf("page of %d bytes in %d", size, len(src))
	}
	if codec == codecNone && len(src) != size {
		return nil, corruptf("uncompressed page of %d bytes in %d", size, len(src))
	}
	slack := padding
	if codec == codecZstd && size > zstdBlock {
		slack += zstdBlock // with room for a block behind the end all are copied in wide moves
	}
	if cap(dst) < size+slack {
		dst = make([]byte, size, size+slack+size/8)
	}
	dst = dst[:size]
	var n int
	var err error
	switch codec {
	case codecNone:
		n = copy(dst, src)
	case codecSnappy:
		if n, err = snappy.DecodedLen(src); err == nil && n == size {
			_, err = snappy.Decode(dst, src)
		}
	case codecZstd:
		var out []byte
		out, err = zstdDecoder().DecodeAll(src, dst[:0:size+slack])
		n = len(out)
	case codecGzip:
		n, err = gunzip(dst, src)
	case codecLZ4Raw:
		n, err = lz4.UncompressBlock(src, dst)
	case codecBrotli:
		n, err = unbrotli(dst, src)
	case codecLZ4:
		n, err = unlz4(dst, src)
	default:
		return nil, corruptf("codec %d is not supported", codec)
	}
	if err != nil {
		return nil, corruptf("page does not decompress: %v", err)
	}
	if n != size {
		return nil, corruptf("page of %d bytes expands to %d", size, n)
	}
	return dst, nil
}

// gunzip reads all gzip members of src into dst; more than dst holds is an error.
func gunzip(dst, src []byte) (int, error) {
	zr, _ := gzipReaders.Get().(*gzip.Reader)
	var err error
	if zr == nil {
		zr, err = gzip.NewReader(bytes.NewReader(src))
	} else {
		err = zr.Reset(bytes.NewReader(src))
	}
	if err != nil {
		return 0, err
	}
	defer gzipReaders.Put(zr)
	n, err := io.ReadFull(zr, dst)
	if err != nil {
		return n, err
	}
	if m, err := io.ReadFull(zr, make([]byte, 1)); err != io.EOF {
		return n + m, err
	}
	return n, nil
}
