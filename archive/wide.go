package archive

import (
	"runtime"
	"sync"

	"frostline/postgres"
)

// wideToast is how many times larger than its heap a relation is whose rows have about a megabyte: a row of TOAST
// pointers takes some 60 bytes.
const wideToast = 1 << 14

// longValues is held by whoever has a value of more than 16 MiB in memory, copying or reading back. There is one such value in the
// process, also where several partitions are archived at once.
var longValues turn

type turn struct{ mu sync.Mutex }

// Lock waits for the turn. The garbage of the value before is given back at once: the collector would let it grow to the size of
// what is in use.
func (t *turn) Lock() {
	t.mu.Lock()
	runtime.GC()
}

func (t *turn) Unlock() { t.mu.Unlock() }

// isWide tells whether most rows are so long that one worker is enough, since long values are copied one at a time.
func isWide(s postgres.Sizes) bool { return s.Toast/wideToast >= max(s.Heap, 1) }
