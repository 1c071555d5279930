package query

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// ledger is the memory that the queries of an Engine share.
type ledger struct {
	mu    sync.Mutex
	total int64
	used  int64
	freed chan struct{} // closed when memory is given back to those who wait
}

func newLedger(total int64) *ledger { return &ledger{total: total, freed: make(chan struct{})} }

// account is the memory of one query: what units need while they are worked on, and what stays until the end or the
// result's release.
type account struct {
	of    *ledger
	limit int64

	working, held, peak int64 // under of.mu
}

// memoryWait is how long a query waits for the memory of others before it is refused. Queries that hold rows while they
// wait for more could otherwise wait for each other.
const memoryWait = 5 * time.Second

// retryAfter is the advice that goes with a refusal.
const retryAfter = time.Second

// tooLarge is the refusal of a query that needs more memory than one may have.
func (a *account) tooLarge(what string) error {
	return &Error{Code: TooLarge, Msg: fmt.Sprintf("%s larger than the memory of one query, %s", what, inBytes(a.limit)),
		Hint: "filter more, lower limit and offset, or ask for fewer columns or groups"}
}

func inBytes(n int64) string {
	if n < 10<<20 {
		return fmt.Sprintf("%d KiB", (n+1023)>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// work reserves n bytes for a unit, which gives them back by done. It waits while units of this query hold
// what it needs, and for a while when other queries do. Units that wait for an urgent one do not make it wait: it
// passes the bounds.
func (a *account) work(ctx context.Context, n int64, urgent func() bool) error {
	var expired <-chan time.Time
	l := a.of
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		fits := a.held+a.working+n <= a.limit
		switch {
		case fits && l.used+n <= l.total:
			a.working += n
			a.add(n)
			return nil
		case a.working > 0 && urgent != nil && urgent():
			a.working += n
			a.add(n)
			return nil
		case !fits && a.working == 0:
			return a.tooLarge("what the query reads at once is")
		case fits && expired == nil:
			t := time.NewTimer(memoryWait)
			defer t.Stop()
			expired = t.C
		}
		if err := a.wait(ctx, expired); err != nil {
			return err
		}
	}
}

// wait ends when memory was given back. It lets go of the lock meanwhile.
func (a *account) wait(ctx context.Context, expired <-chan time.Time) error {
	l := a.of
	freed := l.freed
	l.mu.Unlock()
	defer l.mu.Lock()
	select {
	case <-freed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-expired:
		return &Error{Code: Busy, Msg: fmt.Sprintf("the memory of all queries, %s, has been in use for %s", inBytes(l.total), memoryWait),
			Hint: "ask again later", RetryAfter: retryAfter}
	}
}

// more adds n bytes to what work reserved, where a unit turns out larger than was thought.
func (a *account) more(n int64) {
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	a.working += n
	a.add(n)
}

// done gives back what work reserved.
func (a *account) done(n int64) {
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	a.working -= n
	a.sub(n)
}

// hold reserves n bytes until letGo; what is the subject of the refusal ("the result is"). The bytes exist already, so
// that the memory of all may be passed by what units have under way.
func (a *account) hold(n int64, what string) error {
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	if a.held+n > a.limit {
		return a.tooLarge(what)
	}
	a.held += n
	a.add(n)
	return nil
}

// letGo gives back n bytes of what hold reserved.
func (a *account) letGo(n int64) {
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	a.held -= n
	a.sub(n)
}

// letGoAll gives back all that hold reserved.
func (a *account) letGoAll() {
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	n := a.held
	a.held = 0
	a.sub(n)
}

func (a *account) add(n int64) {
	a.of.used += n
	a.peak = max(a.peak, a.held+a.working)
}

func (a *account) sub(n int64) {
	a.of.used -= n
	close(a.of.freed)
	a.of.freed = make(chan struct{})
}

// wake lets those who wait look again.
func (a *account) wake() {
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	a.sub(0)
}

func (a *account) most() int64 {
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	return a.peak
}

// admit waits for one of the Options.Queries places; leave gives it back. A full queue is a refusal at once.
func (e *Engine) admit(ctx context.Context) (leave func(), err error) {
	leave = func() { <-e.slots }
	select {
	case e.slots <- struct{}{}:
		return leave, nil
	default:
	}
	if e.waiting.Add(1) > int64(max(e.opt.Queue, 0)) {
		e.waiting.Add(-1)
		return nil, &Error{Code: Busy, Msg: fmt.Sprintf("%d queries are running and %d are waiting, as many as may", e.opt.Queries, max(e.opt.Queue, 0)),
			Hint: "ask again later", RetryAfter: retryAfter}
	}
	defer e.waiting.Add(-1)
	select {
	case e.slots <- struct{}{}:
		return leave, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// withinScan refuses a query that has read more than one may.
func (s *scan) withinScan() error {
	if n := s.stats.Bytes.Load(); s.mostBytes > 0 && n > s.mostBytes {
		return &Error{Code: TooMuch, Msg: fmt.Sprintf("the query reads more than %s, the most that one may", inBytes(s.mostBytes)),
			Hint: "filter more, ask for one partition, or ask for fewer columns"}
	}
	if n := s.scanned.Load(); s.mostRows > 0 && n > s.mostRows {
		return &Error{Code: TooMuch, Msg: fmt.Sprintf("the query looks at more than %d rows, the most that one may", s.mostRows),
			Hint: "filter more, or ask for one partition"}
	}
	return nil
}

// Usage is what queries take at this moment.
type Usage struct {
	Running int   // queries that have one of Options.Queries places
	Waiting int   // in the queue
	Memory  int64 // bytes reserved, those of results that have not been released included
}

// Usage says what queries take.
func (e *Engine) Usage() Usage {
	e.memory.mu.Lock()
	defer e.memory.mu.Unlock()
	return Usage{Running: len(e.slots), Waiting: int(e.waiting.Load()), Memory: e.memory.used}
}
