package archive

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/postgres"
)

const (
	// wideBatch is twice what the decoder puts into a batch unless one row is longer.
	wideBatch = 32 << 20

	// wideToast is how many times larger than its heap a relation is whose rows have about a megabyte: a row of TOAST
	// pointers takes some 60 bytes.
	wideToast = 1 << 14
)

// turn lets one worker at a time encode very long values, or read them back: each takes several times their length.
type turn struct {
	mu   sync.Mutex
	wide atomic.Bool // a wide batch was seen
}

// take waits for the turn when b is wide. The garbage of long values is given back at once: the collector would let it
// grow to the size of what is in use.
func (t *turn) take(b batch) (release func()) {
	size := 0
	for _, c := range b.Columns() {
		size += dataBytes(c.Data())
	}
	if size < wideBatch {
		return func() {}
	}
	t.wide.Store(true)
	return t.hold()
}

// hold waits for the turn once a wide batch was seen.
func (t *turn) hold() (release func()) {
	if !t.wide.Load() {
		return func() {}
	}
	t.mu.Lock()
	runtime.GC()
	return t.mu.Unlock
}

// isWide tells whether most rows are so long that one worker is enough, and two would hold twice the memory.
func isWide(s postgres.Sizes) bool { return s.Toast/wideToast >= max(s.Heap, 1) }

func dataBytes(d arrow.ArrayData) (n int) {
	for _, b := range d.Buffers() {
		if b != nil {
			n += b.Len()
		}
	}
	for _, c := range d.Children() {
		n += dataBytes(c)
	}
	return n
}
