package restore

import (
	"runtime"
	"sync"
)

// longValues is held by whoever has a value of more than 16 MiB in memory: there is one such value in the process, also where
// several partitions are restored at once.
var longValues turn

type turn struct{ mu sync.Mutex }

// Lock waits for the turn. The garbage of the value before is given back at once: the collector would let it grow to the size of
// what is in use.
func (t *turn) Lock() {
	t.mu.Lock()
	runtime.GC()
}

func (t *turn) Unlock() { t.mu.Unlock() }
