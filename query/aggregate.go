package query

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
	"frostline/parquetio"
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
		s.decided = g.decided(s)
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

// gathering is the tables that workers fill.
type gathering struct {
	q  *query
	a  *aggregation
	mu sync.Mutex

	idle []*table
	held map[*table]int64

	metaMu      sync.Mutex
	meta        *table // what metadata said
	decidedRows atomic.Int64
}

func (g *gathering) get() *table {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.idle); n > 0 {
		t := g.idle[n-1]
		g.idle = g.idle[:n-1]
		return t
	}
	return g.a.newTable()
}

// put gives a table back and accounts for what it has grown.
func (g *gathering) put(t *table) error {
	n := t.bytes()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.idle = append(g.idle, t)
	if g.held == nil {
		g.held = map[*table]int64{}
	}
	grown := n - g.held[t]
	g.held[t] = n
	return g.q.memory.hold(grown, "the groups are")
}

// takeRows is how many rows are aggregated between two looks at the context.
const takeRows = 8192

// take aggregates a batch.
func (g *gathering) take(ctx context.Context, u unit, _ int, _ []parquetio.RowRange, b arrow.RecordBatch) error {
	defer b.Release()
	t := g.get()
	for from := int64(0); from < b.NumRows(); from += takeRows {
		if err := ctx.Err(); err != nil {
			return err
		}
		some := b.NewSlice(from, min(from+takeRows, b.NumRows()))
		err := g.add(t, some)
		some.Release()
		if err != nil {
			return unreadable(u.pf.Location, err)
		}
	}
	return g.put(t)
}

func (g *gathering) add(t *table, b arrow.RecordBatch) error {
	side, err := sideOf(b, g.a.reads)
	if err != nil {
		return err
	}
	rows := int(b.NumRows())
	groups, err := t.groups(rows, b.Columns()[:len(g.a.keys)], side)
	if err != nil {
		return err
	}
	for i, st := range t.states {
		at := g.a.args[i]
		if at < 0 {
			st.(*counter64).addRows(groups, rows)
			continue
		}
		if err := st.add(groups, b.Column(at), side[at]); err != nil {
			return fmt.Errorf("column %q: %w", g.a.reads[at].Name, err)
		}
	}
	return nil
}

// merged is one table of all.
func (g *gathering) merged(ctx context.Context) (*table, error) {
	all := g.idle
	if len(g.a.keys) == 0 {
		all = append([]*table{g.meta}, all...)
	}
	if len(all) == 0 {
		return g.a.newTable(), nil
	}
	t := all[0]
	for _, o := range all[1:] {
		before := t.bytes()
		if err := t.merge(ctx, o); err != nil {
			return nil, err
		}
		if err := g.q.memory.hold(t.bytes()-before, "the groups are"); err != nil {
			return nil, err
		}
		g.q.memory.letGo(g.held[o])
	}
	return t, nil
}

// decided answers files and row groups that match wholly from their statistics, where these prove the aggregates.
func (g *gathering) decided(s *scan) func(u unit) bool {
	return func(u unit) bool {
		rows := u.pf.Rows
		bounds := func(c coltype.Column) coltype.Bounds {
			if b, ok := u.pf.Bounds(c); ok {
				return b
			}
			return unknownBounds
		}
		if u.file != nil {
			rows = u.file.RowGroupRows(u.rg)
			bounds = func(c coltype.Column) coltype.Bounds { return u.file.Bounds(u.rg, c) }
		}
		g.metaMu.Lock()
		defer g.metaMu.Unlock()
		for i := range g.meta.states {
			if !g.proves(i, rows, bounds, false) {
				return false
			}
		}
		for i := range g.meta.states {
			g.proves(i, rows, bounds, true)
		}
		g.decidedRows.Add(rows)
		return true
	}
}

// proves reports whether statistics of rows rows give aggregate i, and adds what they give. A minimum is
// taken only of types whose bounds are values of the column: text is cut, floats leave NaN and the zero's sign out.
func (g *gathering) proves(i int, rows int64, bounds func(coltype.Column) coltype.Bounds, add bool) bool {
	at := g.a.args[i]
	if at < 0 {
		if add {
			g.meta.states[i].(*counter64).n[0] += rows
		}
		return true
	}
	c := g.a.reads[at]
	b := bounds(c)
	if b.Nulls < 0 || b.Rows != rows || c.Type.Kind == coltype.List || c.Type.MayBeExact() && b.Nulls > 0 && b.Exact != 0 {
		return false
	}
	switch st := g.meta.states[i].(type) {
	case *counter64:
		if add {
			st.n[0] += rows - b.Nulls
		}
		return true
	case *extremeWhole:
		if b.Nulls == rows {
			return true
		}
		if b.Min == nil || b.Max == nil {
			return false
		}
		if add {
			v := b.Min
			if st.max {
				v = b.Max
			}
			st.put(0, v.I)
		}
		return true
	}
	return false
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
