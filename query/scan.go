package query

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/parquetio"
	"frostline/predicate"
)

// scan is one running query. Its work is cut into units (a row group, or a whole file that
// metadata has decided), which workers take in the rows' order. Each evaluates its unit alone,
// waits for the number of matching rows before it, and reads what of the page lies in it.
type scan struct {
	*plan
	engine     *Engine
	noPrune    bool
	first, end int64 // the page: matching rows [first, end)
	count      Count
	memory     *account
	after      *Position // matching rows before it are not looked at, nil without
	hooks
	lends  bool                    // what take is given is not looked at after its release, as the answer's batches are not
	cancel context.CancelCauseFunc // ends everything: the query has failed
	full   context.CancelFunc      // ends evaluation: count is none and the page is full

	held      heldObjects
	stats     parquetio.Stats
	files     counter // opened
	rowGroups counter
	byBloom   atomic.Int64 // row groups that only a Bloom filter has excluded
	pages     counter
	scanned   atomic.Int64
	bytes     atomic.Int64 // of the rows kept
	opening   atomic.Int64 // nanoseconds of opening files and deciding their row groups, summed

	mu     sync.Mutex
	rows   map[int][]arrow.RecordBatch // by unit
	opened map[string]bool             // partitions of which a file was opened
}

// counter counts parts seen and parts read.
type counter struct{ total, read atomic.Int64 }

func (c *counter) level() Level {
	return Level{Total: c.total.Load(), Skipped: c.total.Load() - c.read.Load()}
}

// unit is a piece of work: row group rg of file, or all of pf when file is nil.
type unit struct {
	seq  int
	part *partition
	pf   iceberg.PlanFile
	file *parquetio.File
	rg   int
	from int64 // rows before it are not looked at
	all  bool  // every row matches
	err  error
	prev <-chan link
	next chan<- link
	read *bool // data pages of the row group were read
}

// wasRead notes that data pages were read, and reports whether it is the first time.
func (u unit) wasRead() bool {
	if u.read == nil { // a whole file: each of its row groups is read once
		return true
	}
	first := !*u.read
	*u.read = true
	return first
}

// rows is their number.
func (u unit) rows() int64 {
	if u.file != nil {
		return u.file.RowGroupRows(u.rg)
	}
	return u.pf.Rows
}

// bounds are those of a column in the unit.
func (u unit) bounds(c coltype.Column) coltype.Bounds {
	if u.file != nil {
		return u.file.Bounds(u.rg, c)
	}
	return fileBounds(&u.pf, c)
}

// link passes from unit to unit in order: the matching rows so far.
type link struct {
	rows int64
	full bool  // the page is full and no total is wanted
	err  error // the first unit that failed
}

// newScan is a scan of p that has not begun. Hooks are set before it runs.
func (e *Engine) newScan(p *plan, r Request, memory *account) *scan {
	return &scan{
		plan: p, engine: e, noPrune: r.NoPrune,
		first: r.Offset, end: r.Offset + r.Limit, count: r.Count,
		memory: memory, after: r.After,
		rows: map[int][]arrow.RecordBatch{}, opened: map[string]bool{},
	}
}

// run scans to the end, or until the page is full and no total is wanted. It returns once all workers have ended.
func (s *scan) run(ctx context.Context) (link, error) {
	ctx, s.cancel = context.WithCancelCause(ctx)
	defer s.cancel(nil)
	evalCtx, full := context.WithCancel(ctx)
	s.full = full
	defer full()
	defer s.held.close()
	for _, part := range s.parts {
		s.files.total.Add(int64(len(part.Files)))
	}
	units := make(chan unit)
	var work, opens sync.WaitGroup
	for range s.engine.opt.Workers {
		work.Go(func() {
			for u := range units {
				s.guarded(u.pf.Location, func() { s.work(ctx, evalCtx, u) })
				if s.ended != nil {
					s.ended(u)
				}
			}
		})
	}
	var last <-chan link
	s.guarded(s.location, func() { last = s.dispatch(evalCtx, units, &opens) })
	work.Wait()
	full() // what was opened ahead in vain
	opens.Wait()

	err := context.Cause(ctx)
	var tail link
	if err == nil {
		tail = <-last
		err = tail.err
	}
	if err == nil {
		err = s.withinScan()
	}
	return tail, err
}

// pruning is what was skipped and what reading cost.
func (s *scan) pruning() Pruning {
	return Pruning{
		Partitions: Level{Total: int64(len(s.parts)), Skipped: int64(len(s.parts) - len(s.opened))},
		Files:      s.files.level(),
		RowGroups:  s.rowGroups.level(),
		Pages:      s.pages.level(),
		PagesRead:  s.stats.Pages.Load(),
		BytesRead:  s.stats.Bytes.Load(),
		Requests:   s.stats.Requests.Load(),

		BloomSkipped: s.byBloom.Load(),
		Opening:      time.Duration(s.opening.Load()),
	}
}

func (s *scan) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, list := range s.rows {
		for _, b := range list {
			b.Release()
		}
	}
}

// opening is a file that survived pruning, being opened ahead of its turn.
type opening struct {
	part   *partition
	pf     iceberg.PlanFile
	all    bool          // decided by metadata: not opened
	resume bool          // the page begins in this file
	done   chan struct{} // file, groups and err are set
	file   *parquetio.File
	groups []group
	err    error
}

// dispatch sends the units that pruning leaves in the rows' order. It returns
// the end of the chain. Files are opened a few ahead.
func (s *scan) dispatch(ctx context.Context, units chan<- unit, opens *sync.WaitGroup) <-chan link {
	defer close(units)
	ahead := make(chan *opening, 2*s.engine.opt.Workers)
	opens.Go(func() { s.guarded(s.location, func() { s.openAhead(ctx, ahead, opens) }) })

	head := make(chan link, 1)
	head <- link{}
	var prev <-chan link = head
	seq := 0
	send := func(u unit) bool {
		next := make(chan link, 1)
		u.seq, u.prev, u.next = seq, prev, next
		select {
		case units <- u:
			seq++
			prev = next
			return true
		case <-ctx.Done():
			return false
		}
	}
	for o := range ahead {
		if o.all {
			if !send(unit{part: o.part, pf: o.pf, all: true}) {
				break
			}
			continue
		}
		select {
		case <-o.done:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		if o.err != nil {
			send(unit{part: o.part, pf: o.pf, err: o.err})
			break
		}
		if !s.rowGroupUnits(o, send) {
			break
		}
	}
	return prev
}

// rowGroupUnits sends the row groups of an opened file that are left.
func (s *scan) rowGroupUnits(o *opening, send func(unit) bool) bool {
	var order []int
	if s.arrange != nil {
		order = s.arrange(o)
	}
	for i := range o.groups {
		rg := i
		if order != nil {
			rg = order[i]
		}
		g := o.groups[rg]
		s.rowGroups.total.Add(1)
		var from int64
		if o.resume {
			if rg < s.after.RowGroup {
				continue
			}
			if rg == s.after.RowGroup {
				from = s.after.Row
			}
		}
		if g.verdict == predicate.None {
			if g.byBloom {
				s.byBloom.Add(1)
			}
			continue
		}
		u := unit{part: o.part, pf: o.pf, file: o.file, rg: rg, from: from, all: g.verdict == predicate.All, read: new(bool)}
		if u.all && s.decided != nil && s.decided(u) || s.useless != nil && s.useless(u) {
			continue
		}
		if !send(u) {
			return false
		}
	}
	return true
}

// openAhead prunes partitions and files and opens the others, a bounded number ahead of their turn.
func (s *scan) openAhead(ctx context.Context, ahead chan<- *opening, opens *sync.WaitGroup) {
	defer close(ahead)
	for i := range s.parts {
		part := &s.parts[i]
		if s.after != nil && part.Name < s.after.Partition {
			continue
		}
		verdict := s.byPartition(part)
		for i := range part.Files {
			pf := part.Files[i]
			v := verdict
			if v == predicate.Some {
				v = s.byFile(&pf)
			}
			before, resume := s.place(part, pf)
			if v == predicate.None || before {
				continue
			}
			file := unit{part: part, pf: pf, all: v == predicate.All}
			if file.all && s.decided != nil && s.decided(file) || s.useless != nil && s.useless(file) {
				continue
			}
			o := &opening{part: part, pf: pf, all: v == predicate.All && !s.opensAll && !resume, resume: resume, done: make(chan struct{})}
			select {
			case ahead <- o:
			case <-ctx.Done():
				return
			}
			if !o.all {
				opens.Go(func() {
					defer close(o.done)
					begin := time.Now()
					defer func() { s.opening.Add(int64(time.Since(begin))) }()
					s.guarded(pf.Location, func() {
						if o.file, o.err = s.openFile(ctx, part, pf); o.err == nil {
							o.groups, o.err = s.byRowGroup(ctx, o.file, pf)
						}
					})
				})
			}
		}
	}
}

// openFile opens a file of the plan and checks it against the manifest.
func (s *scan) openFile(ctx context.Context, part *partition, pf iceberg.PlanFile) (*parquetio.File, error) {
	f, err := s.engine.openFile(ctx, pf.Location, pf.Bytes, &s.held, &s.stats)
	if err != nil {
		return nil, err
	}
	if f.Rows() != pf.Rows {
		return nil, unreadable(pf.Location, errRows(f.Rows(), pf.Rows))
	}
	s.files.read.Add(1)
	s.mu.Lock()
	s.opened[part.Name] = true
	s.mu.Unlock()
	return f, nil
}

// guarded turns a panic over damaged data at location into the failure of this query; other queries go on.
func (s *scan) guarded(location string, f func()) {
	defer func() {
		if p := recover(); p != nil {
			s.cancel(&Error{Code: Internal, Msg: "read " + location + ": the query failed and no rows were returned",
				Err: fmt.Errorf("panic: %v\n%s", p, debug.Stack())})
		}
	}()
	f()
}

// work does one unit and passes the chain on.
func (s *scan) work(ctx, evalCtx context.Context, u unit) {
	var sel selection
	err := u.err
	if err == nil {
		sel, err = s.evaluate(evalCtx, u)
		defer sel.done()
	}
	var prev link
	select {
	case prev = <-u.prev:
	case <-ctx.Done():
		return
	}
	next := prev
	switch {
	case prev.err != nil || prev.full:
	case err != nil:
		next.err = err
		s.cancel(err)
	default:
		next.rows += sel.rows
		next.full = s.count == CountNone && next.rows >= s.end
		if next.full {
			s.full()
		}
	}
	u.next <- next
	if prev.err != nil || prev.full || err != nil {
		return
	}
	from, to := max(s.first, prev.rows), min(s.end, next.rows)
	if from >= to {
		return
	}
	if err := s.materialise(ctx, u, sel, from-prev.rows, to-from); err != nil {
		s.cancel(err)
	}
}
