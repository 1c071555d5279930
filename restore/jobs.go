package restore

import (
	"context"
	"sync"

	"frostline/internal/progress"
)

// MaxJobs bounds the partitions at once, each of which needs a connection for its lock and one for its snapshot beside those of
// the workers.
const MaxJobs = 12

// sharing is what several runs at once have in common.
type sharing struct {
	workers chan struct{} // a place for each worker
	serial  sync.Mutex    // held while a run makes or attaches tables: types and schemas that it makes may be the others', too
}

// shared is the Restorer for runs at once: together they have its workers, and so its memory and connections.
func (r *Restorer) shared() *Restorer {
	one := *r
	one.sharing = &sharing{workers: make(chan struct{}, r.Workers)}
	one.Progress = whole{r.Progress}
	return &one
}

// enter waits for a worker's place, which leave gives back.
func (r *Restorer) enter(ctx context.Context) (leave func(), err error) {
	if r.sharing == nil {
		return func() {}, nil
	}
	select {
	case r.sharing.workers <- struct{}{}:
		return func() { <-r.sharing.workers }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// alone runs fn while no other of the runs at once is in alone.
func (r *Restorer) alone(fn func() error) error {
	if r.sharing != nil {
		r.sharing.serial.Lock()
		defer r.sharing.serial.Unlock()
	}
	return fn()
}

// whole reports the rows of several runs at once as those of one step.
type whole struct{ progress.Reporter }

func (whole) Begin(string, int64) {}
func (whole) End()                {}
