package query

import (
	"context"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
	"frostline/parquetio"
)

// Stream answers r row by row: start is called once before the first batch, each for every batch in the rows' order, on
// the caller's goroutine. A batch is released when each returns. The memory is bounded however large the result is;
// Options.MaxLimit and MaxResultBytes do not apply, and a Limit below 0 is all rows. What is sorted keeps
// all sort keys of the rows up to the limit in memory, what is grouped all groups: beyond Options.QueryBytes that is refused as
// TooLarge. An error of start or each ends the query and is returned as it is. The Result has no batches.
func (e *Engine) Stream(ctx context.Context, r Request, start func(cols []coltype.Column, snapshot int64) error,
	each func(b arrow.RecordBatch) error) (*Result, error) {
	if err := e.checkAny(r); err != nil {
		return nil, err
	}
	if r.Limit < 0 || r.Limit > allRows {
		r.Limit = allRows
	}
	var said error // by start or each
	res, err := e.run(ctx, r, func(ctx context.Context, q *query) (*Result, error) {
		return q.stream(ctx, func(cols []coltype.Column) error {
			said = start(cols, q.target.snapshot)
			return said
		}, func(b arrow.RecordBatch) error {
			said = each(b)
			return said
		})
	})
	if said != nil {
		return nil, said
	}
	if err != nil {
		return nil, err
	}
	res.Release()
	return res, nil
}

// allRows is the limit of a stream without one.
const allRows = 1 << 60

func (q *query) stream(ctx context.Context, start func([]coltype.Column) error, each func(arrow.RecordBatch) error) (*Result, error) {
	switch {
	case q.req.aggregated():
		g, err := q.groups(ctx)
		if err != nil {
			return nil, err
		}
		return g.emit(ctx, start, each)
	case len(q.req.OrderBy) > 0 && q.req.Limit > 0:
		w, err := q.winners(ctx)
		if err != nil {
			return nil, err
		}
		return w.emit(ctx, start, each)
	}
	if err := start(q.project); err != nil {
		return nil, err
	}
	res := &Result{Columns: q.project, Counted: true}
	if q.req.Count == CountNone && q.req.Limit == 0 {
		res.Counted = false
		return res, nil
	}
	s := q.engine.newScan(q.plan, q.req, q.memory)
	s.opensAll = q.req.Limit == allRows // every file will be read: the workers share its row groups
	tail, err := s.inOrder(ctx, func(b arrow.RecordBatch) error {
		res.Rows += b.NumRows()
		return each(b)
	})
	if err != nil {
		return nil, err
	}
	q.ended(res, s, tail)
	return res, nil
}

// lanes bring the batches of units, which workers read at once, into the units' order.
type lanes struct {
	mu   sync.Mutex
	head int // the unit whose batches are being handed on
	open map[int]*lane
}

// lane is one unit's way to the caller.
type lane struct {
	batches chan arrow.RecordBatch
	taken   chan struct{} // the batch has been used
	end     chan struct{} // closed: there are no more
}

func (l *lanes) of(seq int) *lane {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[seq] == nil {
		l.open[seq] = &lane{batches: make(chan arrow.RecordBatch), taken: make(chan struct{}, 1), end: make(chan struct{})}
	}
	return l.open[seq]
}

// isHead reports whether all units before seq have been handed on.
func (l *lanes) isHead(seq int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return seq == l.head
}

func (l *lanes) next() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, l.head)
	l.head++
	return l.head
}

// inOrder runs the scan and hands its batches to each in the rows' order. A worker waits with its batch until all before
// it have been used, so that there is one for each worker at most.
func (s *scan) inOrder(ctx context.Context, each func(arrow.RecordBatch) error) (link, error) {
	ways := &lanes{open: map[int]*lane{}}
	s.urgent = func(u unit) bool { return ways.isHead(u.seq) }
	s.lends = true
	s.take = func(ctx context.Context, u unit, _ int, _ []parquetio.RowRange, b arrow.RecordBatch) error {
		way := ways.of(u.seq)
		select {
		case way.batches <- b:
		case <-ctx.Done():
			b.Release()
			return ctx.Err()
		}
		select {
		case <-way.taken:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.ended = func(u unit) { close(ways.of(u.seq).end) }

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var tail link
	var failed error
	over := make(chan struct{})
	go func() {
		defer close(over)
		tail, failed = s.run(ctx)
	}()
	way := ways.of(0)
	for {
		select {
		case b := <-way.batches:
			err := each(b)
			b.Release()
			if err != nil {
				stop(err)
				<-over
				return tail, err
			}
			way.taken <- struct{}{}
		case <-way.end:
			way = ways.of(ways.next())
			s.memory.wake()
		case <-over:
			return tail, failed
		}
	}
}
