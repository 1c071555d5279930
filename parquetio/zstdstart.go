package parquetio

import (
	"encoding/binary"
	"math/bits"
)

// zstdSpare is decompressed beyond what a share of the values should need: the lengths of texts stand before them.
const zstdSpare = 32 << 10

// decompressStart expands the beginning of a zstd frame of size bytes, enough bytes or more, into dst's memory when it is
// large enough. ok is false where that saves nothing or the frame is not of the usual make: then all of it is to be expanded.
func decompressStart(dst, src []byte, size, enough int) (out []byte, ok bool) {
	if size > maxPageBytes || enough > size-zstdBlock/2 {
		return nil, false
	}
	frame, most := zstdStart(src, size, enough)
	if frame == nil {
		return nil, false
	}
	room := most + zstdBlock + padding
	if cap(dst) < room {
		dst = make([]byte, 0, room)
	}
	out, err := zstdDecoder().DecodeAll(frame, dst[:0:room-padding])
	giveBytes(frame)
	if err != nil || len(out) < enough || len(out) > most {
		return nil, false
	}
	return out, true
}

// zstdStart makes a frame of the first blocks of src, which hold at least enough bytes where every block but the last of
// src is full, and most at the most. It is nil when all blocks are needed. See RFC 8878, section 3.1.1.
func zstdStart(src []byte, size, enough int) (frame []byte, most int) {
	const magic, longest = 0xFD2FB528, 8 << 20
	if len(src) < 9 || binary.LittleEndian.Uint32(src) != magic || size > longest {
		return nil, 0
	}
	descriptor := src[4]
	single := descriptor >> 5 & 1
	if descriptor&3 != 0 { // a dictionary
		return nil, 0
	}
	header := 5 + [4]int{int(single), 2, 4, 8}[descriptor>>6]
	if single == 0 {
		header++
	}
	end := header
	for most < enough {
		if end+3 > len(src) {
			return nil, 0
		}
		h := int(src[end]) | int(src[end+1])<<8 | int(src[end+2])<<16
		if h&1 != 0 { // the last
			return nil, 0
		}
		n := h >> 3
		if h>>1&3 == 1 { // one byte, repeated
			n = 1
		}
		if end+3+n > len(src) {
			return nil, 0
		}
		end += 3 + n
		most += zstdBlock
	}
	// A header of six bytes: no size, no checksum, and a window that holds all.
	frame = takeBytes(6 + end - header)
	binary.LittleEndian.PutUint32(frame, magic)
	frame[4] = 0
	frame[5] = byte(max(bits.Len(uint(size-1)), 10)-10) << 3
	copy(frame[6:], src[header:end])
	// The last block is marked.
	at := 6
	for {
		h := int(frame[at]) | int(frame[at+1])<<8 | int(frame[at+2])<<16
		n := h >> 3
		if h>>1&3 == 1 {
			n = 1
		}
		if at+3+n == len(frame) {
			frame[at] |= 1
			return frame, most
		}
		at += 3 + n
	}
}
