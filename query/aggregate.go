package query

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
)

// aggregation is a bound request for groups.
type aggregation struct {
	keys  []coltype.Column // of GROUP BY: the first of the columns read
	reads []coltype.Column
	args  []int // by aggregate: its column among reads, -1 for count(*)
	made  []func() state
	out   []coltype.Column // of the result
	order []sortKey        // by out
}

// maxGroupKeys and maxAggregates bound a request.
const (
	maxGroupKeys  = 64
	maxAggregates = 256
)

// bindGroups types GROUP BY, the aggregates and ORDER BY of r.
func (p *plan) bindGroups(r Request) (*aggregation, error) {
	if len(r.Columns) > 0 {
		return nil, badRequest("bad_columns", "columns", "name them in groupBy", "columns cannot be asked for beside aggregates")
	}
	if len(r.GroupBy) > maxGroupKeys || len(r.Aggregates) > maxAggregates {
		return nil, badRequest("too_many", "aggregates", "", "at most %d columns to group by and %d aggregates are possible", maxGroupKeys, maxAggregates)
	}
	a := &aggregation{}
	for _, name := range r.GroupBy {
		c, err := p.column("groupBy", name)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(a.keys, func(k coltype.Column) bool { return k.Name == name }) {
			return nil, badRequest("duplicate_column", "groupBy", "", "column %q is asked for twice", name)
		}
		if _, o := formOf(c.Type); o == noOrder {
			return nil, badRequest("type_mismatch", "groupBy", "", "column %q is %s, whose values have no equality here", name, c.Type.Name)
		}
		a.keys = append(a.keys, c)
	}
	a.reads = slices.Clone(a.keys)
	a.out = slices.Clone(a.keys)
	for _, f := range r.Aggregates {
		if err := a.bind(p, f); err != nil {
			return nil, err
		}
	}
	for i, c := range a.out { // they are columns of the result alone
		a.out[i] = coltype.Column{Name: c.Name, AttNum: i + 1, Type: c.Type}
	}
	coltype.NameFields(a.out)
	var err error
	a.order, err = bindOrder(a.out, r.OrderBy)
	return a, err
}

// functions are the aggregates.
var functions = []string{"count", "sum", "min", "max", "avg"}

// bind adds one aggregate.
func (a *aggregation) bind(p *plan, f Aggregate) error {
	if !slices.Contains(functions, f.Func) {
		return badRequest("unknown_aggregate", "aggregates", meant(f.Func, functions), "there is no aggregate %q; there are %s", f.Func, strings.Join(functions, ", "))
	}
	name := f.As
	if name == "" {
		name = f.Func
		if f.Column != "" {
			name += "_" + f.Column
		}
	}
	if slices.ContainsFunc(a.out, func(c coltype.Column) bool { return c.Name == name }) {
		return badRequest("duplicate_column", "aggregates", "name one with as", "the result would have two columns %q", name)
	}
	if f.Column == "" {
		if f.Func != "count" || f.Distinct {
			return badRequest("bad_aggregate", "aggregates", "name a column", "only count can be without a column, and without distinct")
		}
		a.args = append(a.args, -1)
		a.made = append(a.made, func() state { return &counter64{} })
		a.out = append(a.out, coltype.Column{Name: name, Type: int8Type})
		return nil
	}
	c, err := p.column("aggregates", f.Column)
	if err != nil {
		return err
	}
	made, t, err := newState(f, c)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(a.reads, func(r coltype.Column) bool { return r.Name == c.Name })
	if at < 0 {
		at = len(a.reads)
		a.reads = append(a.reads, c)
	}
	a.args = append(a.args, at)
	a.made = append(a.made, made)
	a.out = append(a.out, coltype.Column{Name: name, Type: t})
	return nil
}

// column is the named one.
func (p *plan) column(field, name string) (coltype.Column, error) {
	visible := p.visible()
	for _, c := range visible {
		if c.Name == name {
			return c, nil
		}
	}
	names := make([]string, len(visible))
	for i, c := range visible {
		names[i] = c.Name
	}
	return coltype.Column{}, badRequest("unknown_column", field, meant(name, names), "column %q does not exist", name)
}

func (a *aggregation) newTable() *table {
	states := make([]state, len(a.made))
	for i, f := range a.made {
		states[i] = f()
	}
	return newTable(a.keys, states)
}

// grouped is the finished groups in the result's order.
type grouped struct {
	q     *query
	a     *aggregation
	t     *table
	order []int // groups, those of the page
	next  bool  // more follow
	scan  *scan
	rows  int64 // matching
}

// groups scans and aggregates.
func (q *query) groups(ctx context.Context) (*grouped, error) {
	a := q.agg
	g := &gathering{q: q, a: a, meta: a.newTable()}
	r := q.req
	r.Offset, r.Limit, r.Count, r.After = 0, 1<<62, CountExact, nil
	q.plan.project = a.reads
	s := q.engine.newScan(q.plan, r, q.memory)
	s.opensAll, s.lends = true, true
	s.take = g.take
	if !r.NoPrune && len(a.keys) == 0 {
		s.decided = g.decided
	}
	if len(a.reads) == 0 { // count(*) needs no rows
		s.end, s.opensAll = 0, false
		s.decided = nil
	}
	tail, err := s.run(ctx)
	if err != nil {
		return nil, err
	}
	out := &grouped{q: q, a: a, scan: s, rows: tail.rows + g.decidedRows.Load()}
	if len(a.reads) == 0 {
		for _, st := range g.meta.states {
			st.(*counter64).addRows(nil, 0)
			st.(*counter64).n[0] = tail.rows
		}
		out.t = g.meta
	} else if out.t, err = g.merged(ctx); err != nil {
		return nil, err
	}
	return out, out.sort(ctx)
}

// sort puts the groups in order and cuts the page.
func (g *grouped) sort(ctx context.Context) error {
	order := g.a.order
	for i := range g.a.keys {
		if !slices.ContainsFunc(order, func(k sortKey) bool { return k.col == i }) {
			f, _ := formOf(g.a.keys[i].Type)
			order = append(order, sortKey{col: i, form: f}) // NULLs last, as ORDER BY does
		}
	}
	keys := make([][]byte, g.t.n)
	var mem int64
	for n := range keys {
		if n%takeRows == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		var key []byte
		for _, k := range order {
			c, err := g.cell(k.col, n)
			if err != nil {
				return err
			}
			if key, err = k.append(key, g.a.out[k.col].Type, c); err != nil {
				return err
			}
		}
		keys[n] = key
		mem += int64(len(key)) + 32
	}
	if err := g.q.memory.hold(mem, "the groups are"); err != nil {
		return err
	}
	g.order = make([]int, g.t.n)
	for i := range g.order {
		g.order[i] = i
	}
	if err := sorting(ctx, g.order, func(a, b int) int { return bytes.Compare(keys[a], keys[b]) }); err != nil {
		return err
	}
	from := g.q.req.Offset
	if g.q.req.After != nil {
		from += g.q.req.After.Seen
	}
	from = min(from, int64(len(g.order)))
	to := min(from+g.q.req.Limit, int64(len(g.order)))
	g.next = to < int64(len(g.order)) && to > from
	g.order = g.order[from:to]
	return nil
}

// cell is a column of the result.
func (g *grouped) cell(col, group int) (cell, error) {
	if col < len(g.a.keys) {
		return g.t.cell(col, group), nil
	}
	return g.t.states[col-len(g.a.keys)].result(group)
}

// groupBatch is the rows of a result's batch.
const groupBatch = 8192

// emit hands the groups on in batches.
func (g *grouped) emit(ctx context.Context, start func([]coltype.Column) error, each func(arrow.RecordBatch) error) (*Result, error) {
	if err := start(g.a.out); err != nil {
		return nil, err
	}
	res := &Result{Columns: g.a.out, Counted: true, Matched: g.rows, Scanned: g.scan.scanned.Load(), Pruning: g.scan.pruning()}
	sheet := newSheet(g.a.out)
	defer sheet.release()
	for from := 0; from < len(g.order); from += groupBatch {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for _, group := range g.order[from:min(from+groupBatch, len(g.order))] {
			for col := range g.a.out {
				c, err := g.cell(col, group)
				if err != nil {
					return nil, err
				}
				if err := sheet.put(col, c); err != nil {
					return nil, err
				}
			}
			sheet.endRow()
		}
		b := sheet.batch()
		res.Rows += b.NumRows()
		err := each(b)
		b.Release()
		if err != nil {
			return nil, err
		}
	}
	if g.next {
		seen := g.q.req.Offset + res.Rows
		if g.q.req.After != nil {
			seen += g.q.req.After.Seen
		}
		res.Next = &Position{Snapshot: g.q.target.snapshot, Seen: seen}
	}
	return res, nil
}

// aggregate gathers the page's groups.
func (q *query) aggregate(ctx context.Context) (*Result, error) {
	g, err := q.groups(ctx)
	if err != nil {
		return nil, err
	}
	return q.gathered(func(each func(arrow.RecordBatch) error) (*Result, error) {
		return g.emit(ctx, func([]coltype.Column) error { return nil }, each)
	})
}

// gathered keeps the batches of emit in the result.
func (q *query) gathered(emit func(each func(arrow.RecordBatch) error) (*Result, error)) (*Result, error) {
	var batches []arrow.RecordBatch
	var total int64
	res, err := emit(func(b arrow.RecordBatch) error {
		b.Retain()
		batches = append(batches, b)
		n := size(b)
		if total += n; total > q.engine.opt.MaxResultBytes {
			return resultTooLarge(q.engine.opt.MaxResultBytes)
		}
		return q.memory.hold(n, "the result is")
	})
	if err != nil {
		for _, b := range batches {
			b.Release()
		}
		return nil, err
	}
	res.Batches = batches
	return res, nil
}
