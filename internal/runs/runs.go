// Package runs is what the runs of archive, restore and load have in common: what became of several, the audit line of one, one
// word for the kind of an error, and the turn for values that are too long to have two of them in memory.
package runs

import (
	"runtime"
	"sync"
)

// Failure is one partition whose run failed.
type Failure struct {
	Partition string `json:"partition,omitempty"`
	Leaf      string `json:"leaf,omitempty"`
	Error     string `json:"error"`
	Err       error  `json:"-"`
}

// Failed is the failure of one run.
func Failed(partition, leaf string, err error) Failure {
	return Failure{partition, leaf, err.Error(), err}
}

// Failures are those of several runs.
type Failures []Failure

// Errors are the errors of what failed.
func (f Failures) Errors() []error {
	var errs []error
	for _, one := range f {
		errs = append(errs, one.Err)
	}
	return errs
}

// Status is "success" when nothing failed, "failed" when nothing but failures came of the runs, else "partial".
func Status(done, failed int) string {
	switch {
	case failed == 0:
		return "success"
	case done == 0:
		return "failed"
	}
	return "partial"
}

// Turn is the lock of whoever has a very long value in memory, so that there is one such value at a time.
type Turn struct{ mu sync.Mutex }

// Lock waits for the turn. The garbage of the value before is given back at once: the collector would let it grow to the size of
// what is in use.
func (t *Turn) Lock() {
	t.mu.Lock()
	runtime.GC()
}

// Unlock ends the turn.
func (t *Turn) Unlock() { t.mu.Unlock() }
