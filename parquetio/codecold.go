package parquetio

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/pierrec/lz4/v4"
)

// Codecs that are read and never written.

// unbrotli expands src into dst; more than dst holds is an error.
func unbrotli(dst, src []byte) (int, error) {
	r := brotli.NewReader(bytes.NewReader(src))
	n, err := io.ReadFull(r, dst)
	if err != nil {
		return n, err
	}
	if m, err := io.ReadFull(r, make([]byte, 1)); err != io.EOF {
		return n + m, err
	}
	return n, nil
}

// unlz4 expands a page of the old codec LZ4, which is either as Hadoop writes it (blocks, each behind its size and its compressed
// size, big-endian) or one raw block. Nothing but the content tells which.
func unlz4(dst, src []byte) (int, error) {
	if n, ok := unHadoop(dst, src); ok {
		return n, nil
	}
	return lz4.UncompressBlock(src, dst)
}

func unHadoop(dst, src []byte) (n int, ok bool) {
	for len(src) > 0 {
		if len(src) < 8 {
			return 0, false
		}
		size, stored := binary.BigEndian.Uint32(src), binary.BigEndian.Uint32(src[4:])
		src = src[8:]
		if uint64(size) > uint64(len(dst)-n) || uint64(stored) > uint64(len(src)) {
			return 0, false
		}
		got, err := lz4.UncompressBlock(src[:stored], dst[n:n+int(size)])
		if err != nil || got != int(size) {
			return 0, false
		}
		n, src = n+got, src[stored:]
	}
	return n, n == len(dst)
}
