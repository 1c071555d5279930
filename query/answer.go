package query

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"frostline/iceberg"
)

// Query answers r.
func (e *Engine) Query(ctx context.Context, r Request) (*Result, error) {
	if err := e.check(r); err != nil {
		return nil, err
	}
	return e.run(ctx, r, func(ctx context.Context, q *query) (*Result, error) {
		switch {
		case r.aggregated():
			return q.aggregate(ctx)
		case len(r.OrderBy) > 0 && r.Limit > 0:
			return q.ordered(ctx)
		}
		return q.page(ctx)
	})
}

// query is a request that has been admitted, opened and planned.
type query struct {
	*plan
	agg    *aggregation // with aggregates or groups
	order  []sortKey    // of plan.cols, for rows
	engine *Engine
	req    Request
	target *target
	memory *account
	took   time.Duration // of planning
}

// run admits r, plans it, and gives it to answer. Whatever answer has reserved and did not hand out in a Result is
// given back.
func (e *Engine) run(ctx context.Context, r Request, answer func(ctx context.Context, q *query) (*Result, error)) (*Result, error) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, e.timeout(ctx))
	defer cancel()
	leave, err := e.admit(ctx)
	if err != nil {
		return nil, e.failed(ctx, r.Path, err)
	}
	defer leave()
	queued := time.Since(start)
	q := &query{engine: e, req: r, memory: &account{of: e.memory, limit: e.opt.QueryBytes}}
	handedOut := false
	defer func() {
		if !handedOut {
			q.memory.letGoAll()
		}
	}()
	res, err := q.plannedBy(ctx, answer)
	if err != nil {
		return nil, e.failed(ctx, r.Path, err)
	}
	res.release, handedOut = q.memory.letGoAll, true
	res.Path = q.target.location
	res.Snapshot = q.target.snapshot
	res.Filtered = q.target.grant.filters()
	res.Warnings = q.warnings
	res.Cost = e.cost(res.Pruning.BytesRead)
	res.Memory = q.memory.most()
	res.Queued, res.Planned, res.Elapsed = queued, q.took, time.Since(start)
	return res, nil
}

func (q *query) plannedBy(ctx context.Context, answer func(ctx context.Context, q *query) (*Result, error)) (res *Result, err error) {
	begin := time.Now()
	if err := q.planned(ctx); err != nil {
		return nil, err
	}
	q.took = time.Since(begin)
	ctx, span := part(ctx, "scan")
	defer func() { endScan(span, res, err) }()
	return answer(ctx, q)
}

// planned opens the table and binds the request.
func (q *query) planned(ctx context.Context) (err error) {
	ctx, span := part(ctx, "plan")
	defer func() { q.endPlan(span, err) }()
	r, err := resumed(q.req)
	if err != nil {
		return err
	}
	q.req = r
	if q.target, err = q.engine.open(ctx, r.Path, r.Snapshot); err != nil {
		return err
	}
	if q.plan, err = q.engine.plan(ctx, q.target, r); err != nil {
		return err
	}
	if r.aggregated() {
		q.agg, err = q.bindGroups(r)
	} else {
		q.order, err = bindOrder(q.visible(), r.OrderBy)
	}
	if err != nil {
		return err
	}
	if err := q.checkPosition(); err != nil {
		return err
	}
	reads, keys := q.reads()
	if q.agg == nil {
		reads = q.project // asked for, also where only their number is
	}
	q.warn(slices.Concat(reads, keys))
	return nil
}

// cost is the price of reading n bytes, in USD.
func (e *Engine) cost(n int64) float64 {
	return math.Max(e.opt.PricePerTB, 0) * float64(n) / 1e12
}

// resumed is r with the snapshot of the page before it.
func resumed(r Request) (Request, error) {
	if r.After == nil {
		return r, nil
	}
	if r.After.Snapshot <= 0 || r.After.Seen < 0 || r.After.Seen > 1<<60 || r.After.RowGroup < 0 || r.After.Row < 0 {
		return r, badRequest("bad_position", "pageToken", "ask for the first page again", "the position is not one that a page ended at")
	}
	if r.Snapshot != 0 && r.Snapshot != r.After.Snapshot {
		return r, badRequest("bad_position", "pageToken", "leave the snapshot out, or ask for the first page again",
			"the page belongs to snapshot %d, and snapshot %d is asked for", r.After.Snapshot, r.Snapshot)
	}
	r.Snapshot = r.After.Snapshot
	return r, nil
}

// checkPosition sees that the file that the page begins in is there.
func (q *query) checkPosition() error {
	at := q.req.After
	if at == nil {
		return nil
	}
	if sorted := q.req.sorted(); sorted != (at.File == "") {
		return badRequest("bad_position", "pageToken", "ask for the first page again", "the position belongs to a request with another order")
	}
	if at.File == "" {
		return nil
	}
	for i := range q.parts {
		if q.parts[i].Name != at.Partition {
			continue
		}
		for _, pf := range q.parts[i].Files {
			if q.below(pf) == at.File {
				return nil
			}
		}
	}
	return badRequest("bad_position", "pageToken", "ask for the first page again", "the position names a file that snapshot %d does not have", at.Snapshot)
}

// below is a file's location below the table's.
func (p *plan) below(pf iceberg.PlanFile) string {
	return strings.TrimPrefix(pf.Location, p.location+"/")
}

// sorted reports whether rows come in another order than the stable one.
func (r *Request) sorted() bool { return r.aggregated() || len(r.OrderBy) > 0 }

func (r *Request) aggregated() bool { return len(r.Aggregates) > 0 || len(r.GroupBy) > 0 }

// page gathers the page's rows in the stable order, or counts only.
func (q *query) page(ctx context.Context) (*Result, error) {
	r := q.req
	res := &Result{Columns: q.project, Counted: true}
	if r.Count == CountNone && r.Limit == 0 {
		res.Counted = false
		return res, nil
	}
	s := q.engine.newScan(q.plan, r, q.memory)
	tail, err := s.run(ctx)
	if err != nil {
		s.release()
		return nil, err
	}
	for seq, n := 0, len(s.rows); n > 0; seq++ {
		if batches, ok := s.rows[seq]; ok {
			res.Batches = append(res.Batches, batches...)
			n--
		}
	}
	for _, b := range res.Batches {
		res.Rows += b.NumRows()
	}
	q.ended(res, s, tail)
	return res, nil
}

// ended fills in what a scan in the stable order has counted, and where the next page begins.
func (q *query) ended(res *Result, s *scan, tail link) {
	res.Scanned, res.Pruning = s.scanned.Load(), s.pruning()
	res.Matched, res.Counted = tail.rows, !tail.full
	if s.after != nil && s.after.File != "" {
		res.Matched += s.after.Seen
	}
	if !s.last.set || res.Rows < q.req.Limit || res.Counted && tail.rows <= s.end {
		return
	}
	res.Next = &Position{Snapshot: q.target.snapshot, Seen: q.req.Offset + res.Rows, Partition: s.last.u.part.Name,
		File: q.below(s.last.u.pf), RowGroup: s.last.rg, Row: s.last.row}
	if q.req.After != nil {
		res.Next.Seen += q.req.After.Seen
	}
}

// check refuses what no table could answer.
func (e *Engine) check(r Request) error {
	switch {
	case r.Limit < 0:
		return badRequest("bad_limit", "limit", "", "limit %d is negative", r.Limit)
	case r.Limit > e.opt.MaxLimit:
		return badRequest("bad_limit", "limit", "ask for pages by pageToken or offset, or filter more",
			"limit %d is above the largest allowed, %d", r.Limit, e.opt.MaxLimit)
	}
	return e.checkAny(r)
}

// checkAny is what check and a stream have in common.
func (e *Engine) checkAny(r Request) error {
	switch {
	case r.Offset < 0:
		return badRequest("bad_offset", "offset", "", "offset %d is negative", r.Offset)
	case r.Offset > 1<<62:
		return badRequest("bad_offset", "offset", "", "offset %d is too large", r.Offset)
	case r.Snapshot < 0:
		return badRequest("bad_snapshot", "snapshotId", "", "snapshot %d is negative", r.Snapshot)
	}
	return nil
}
