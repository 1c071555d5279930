package parquetio

import (
	"math/bits"
	"sync"
)

// Bytes of pages are read into memory that is used again, by powers of two.
const (
	leastPooled = 16 // 64 KiB
	mostPooled  = 25 // 32 MiB
)

var arenas [mostPooled + 1]sync.Pool

// takeBytes gives n bytes with padding behind them; what stands there is anything.
func takeBytes(n int) []byte {
	class := max(bits.Len(uint(n+padding-1)), leastPooled)
	if class > mostPooled {
		return make([]byte, n, n+padding)
	}
	if b, ok := arenas[class].Get().(*[]byte); ok {
		return (*b)[:n]
	}
	return make([]byte, n, 1<<class)
}

// giveBytes takes them back.
func giveBytes(b []byte) {
	class := bits.Len(uint(cap(b) - 1))
	if cap(b) == 1<<class && class >= leastPooled && class <= mostPooled {
		b = b[:0]
		arenas[class].Put(&b)
	}
}

// free gives back the memory that the cursors have used. What they have shown in place is gone.
func (p *readPlan) free() {
	for _, c := range p.cursors {
		switch c := c.(type) {
		case *flatCursor:
			c.dec.free()
		case *nestedCursor:
			for _, s := range c.streams {
				s.dec.free()
			}
		}
	}
	if p.bytes != nil {
		giveBytes(p.bytes)
		p.bytes = nil
	}
}
