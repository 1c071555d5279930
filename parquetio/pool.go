package parquetio

import (
	"math/bits"
	"sync"
)

// Memory that is used again, in sizes of 4, 5, 6 and 7 times a power of two: from 64 KiB to 64 MiB.
const (
	leastPooled = 64 << 10
	mostPooled  = 64 << 20
)

var arenas [64]sync.Pool

// sizeClass is the place of n in arenas, and the size of what lies there; -1 for what is not pooled.
func sizeClass(n int) (class, size int) {
	switch {
	case n > mostPooled:
		return -1, n
	case n <= leastPooled:
		return 0, leastPooled
	}
	shift := bits.Len(uint(n-1)) - 3
	quarters := (n + 1<<shift - 1) >> shift // 5 to 8
	if quarters == 8 {
		quarters, shift = 4, shift+1
	}
	return (shift-14)*4 + quarters - 4, quarters << shift
}

// takeBytes gives n bytes with padding behind them; what stands there is anything.
func takeBytes(n int) []byte {
	class, size := sizeClass(n + padding)
	if class >= 0 {
		if b, ok := arenas[class].Get().(*[]byte); ok {
			return (*b)[:n]
		}
	}
	return make([]byte, n, size)
}

// giveBytes takes back what takeBytes gave.
func giveBytes(b []byte) {
	if class, size := sizeClass(cap(b)); class >= 0 && size == cap(b) {
		b = b[:0]
		arenas[class].Put(&b)
	}
}

// lent is memory of the pool in an Arrow buffer: its last release gives it back.
type lent struct{ bytes []byte }

func (l *lent) Allocate(n int) []byte { return make([]byte, n) }

func (l *lent) Reallocate(n int, b []byte) []byte { return append(make([]byte, 0, n), b...)[:n] }

func (l *lent) Free([]byte) {
	giveBytes(l.bytes)
	l.bytes = nil
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
