package query

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
	"frostline/parquetio"
)

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
func (g *gathering) decided(u unit) bool {
	g.metaMu.Lock()
	defer g.metaMu.Unlock()
	for i := range g.meta.states {
		if !g.proves(i, u, false) {
			return false
		}
	}
	for i := range g.meta.states {
		g.proves(i, u, true)
	}
	g.decidedRows.Add(u.rows())
	return true
}

// proves reports whether the statistics of u give aggregate i, and adds what they give. A minimum is
// taken only of types whose bounds are values of the column: text is cut, floats leave NaN and the zero's sign out.
func (g *gathering) proves(i int, u unit, add bool) bool {
	at, rows := g.a.args[i], u.rows()
	if at < 0 {
		if add {
			g.meta.states[i].(*counter64).n[0] += rows
		}
		return true
	}
	c := g.a.reads[at]
	b := u.bounds(c)
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
