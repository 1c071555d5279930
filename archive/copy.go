package archive

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"frostline/coltype"
	"frostline/digest"
	"frostline/iceberg"
	"frostline/pgcopy"
	"frostline/postgres"
)

// Below workerBytes of heap a further worker costs more than it saves.
const workerBytes = 32 << 20

// written is what a copy has put into the store.
type written struct {
	lsn   string    // of the snapshot
	taken time.Time // of the snapshot

	mu     sync.Mutex
	files  []file
	keys   []string      // of every file begun, finished or not
	digest digest.Digest // of the stream
	back   readBack      // of the files
}

func (w *written) bytes() (n int64) {
	for _, f := range w.files {
		n += f.info.Bytes
	}
	return n
}

// ensure makes the Iceberg table hold the source's columns, and gives this run's schema its field ids.
func (a *Archiver) ensure(ctx context.Context, p *plan) error {
	t, err := a.Catalog.Ensure(ctx, iceberg.TableSpec{
		Schema: p.table.Name.Schema, Table: p.table.Name.Table,
		Columns: p.table.Columns, Partition: p.spec,
		Properties: map[string]string{
			"source.schema": p.table.Name.Schema, "source.table": p.table.Name.Table,
			"source.partition_column": p.req.Column,
		},
	})
	if err != nil {
		return fmt.Errorf("archive %s: %w", p.label(), err)
	}
	p.spec = t.Spec()
	p.schema = t.Schema()
	all := p.schema.Columns
	p.schema.Columns = nil
	for _, c := range p.table.Columns {
		i := indexColumn(all, c)
		if i < 0 {
			return fmt.Errorf("archive %s: column %s has no field in the Iceberg table; nothing was copied", p.label(), postgres.Quote(c.Name))
		}
		c.FieldName, c.FieldID, c.ElemID = all[i].FieldName, all[i].FieldID, all[i].ElemID
		p.schema.Columns = append(p.schema.Columns, c)
	}
	return nil
}

func indexColumn(cols []coltype.Column, c coltype.Column) int {
	for i, f := range cols {
		if f.AttNum == c.AttNum && f.Name == c.Name {
			return i
		}
	}
	return -1
}

// copy streams the partition from one exported snapshot into data files, several workers over ctid ranges at once. Each
// file is read back as soon as it is stored, beside the copying of the next. It returns what it has written also when err
// is not nil.
func (a *Archiver) copy(ctx context.Context, p *plan) (*written, error) {
	w := &written{}
	w.back.begin(ctx, a.Workers)
	snap, err := a.DB.Snapshot(ctx)
	if err != nil {
		return w, fmt.Errorf("copy %s: %w", p.label(), err)
	}
	defer snap.Close()
	w.lsn, w.taken = snap.LSN, snap.Time

	conds, err := a.ranges(ctx, p, snap)
	if err != nil {
		return w, fmt.Errorf("copy %s: %w", p.label(), err)
	}
	a.Progress.Begin("copy", p.rows())
	defer a.Progress.End()
	limit := a.limiter()
	g, ctx := errgroup.WithContext(ctx)
	for i, cond := range conds {
		g.Go(func() error {
			files := a.newFileSet(p, w, i)
			d, err := a.stream(p, func(out io.Writer) (int64, error) {
				return snap.CopyOut(ctx, p.query(p.schema, cond)+orderBy(a.SortBy), limit(ctx, out))
			}, files.write)
			if err != nil {
				files.abort()
				return fmt.Errorf("copy %s: %w", p.label(), err)
			}
			if err := files.close(); err != nil {
				return fmt.Errorf("copy %s: %w", p.label(), err)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.digest.Add(d)
			return nil
		})
	}
	return w, g.Wait()
}

// ranges are the conditions of the workers: one for all rows when the server is to sort them.
func (a *Archiver) ranges(ctx context.Context, p *plan, snap *postgres.Snapshot) ([]string, error) {
	if len(a.SortBy) > 0 {
		return []string{""}, nil
	}
	oid, bytes := p.table.OID, p.table.Bytes
	if p.leaf != nil {
		oid, bytes = p.leaf.OID, p.leaf.Bytes
	}
	n := min(a.Workers, int(bytes/workerBytes)+1)
	if n > 1 {
		sizes, err := a.DB.Sizes(ctx, []uint32{oid})
		if err != nil {
			return nil, err
		}
		if isWide(sizes[oid]) {
			n = 1
		}
	}
	return snap.CtidRanges(ctx, oid, n)
}

// rows is the planner's estimate of how many there are, -1 where nobody knows.
func (p *plan) rows() int64 {
	switch {
	case p.where != "":
		return -1
	case p.leaf != nil:
		return p.leaf.Rows
	}
	return p.table.Rows
}

func orderBy(columns []string) string {
	if len(columns) == 0 {
		return ""
	}
	quoted := make([]string, len(columns))
	for i, c := range columns {
		quoted[i] = postgres.Quote(c)
	}
	return " ORDER BY " + strings.Join(quoted, ", ")
}

// limiter wraps each worker's stream so that together they take no more than MaxRate from the server.
func (a *Archiver) limiter() func(context.Context, io.Writer) io.Writer {
	if a.MaxRate <= 0 {
		return func(_ context.Context, w io.Writer) io.Writer { return w }
	}
	l := rate.NewLimiter(rate.Limit(a.MaxRate), int(min(a.MaxRate, 1<<20)))
	return func(ctx context.Context, w io.Writer) io.Writer { return &limited{ctx, l, w} }
}

type limited struct {
	ctx context.Context
	l   *rate.Limiter
	w   io.Writer
}

func (l *limited) Write(b []byte) (int, error) {
	for n := len(b); n > 0; {
		take := min(n, l.l.Burst())
		if err := l.l.WaitN(l.ctx, take); err != nil {
			return 0, err
		}
		n -= take
	}
	return l.w.Write(b)
}

// stream is the digest of what copyOut sends, whose batches also go to sink, nil for none.
func (a *Archiver) stream(p *plan, copyOut func(io.Writer) (int64, error), sink func(batch) error) (digest.Digest, error) {
	var taken counted
	count := func(w io.Writer) (int64, error) {
		taken.w = w
		return copyOut(&taken)
	}
	if sink == nil {
		return pgcopy.Sum(p.schema, count, func(rows int64) { a.Progress.Add(rows, taken.n.Swap(0)) })
	}
	return pgcopy.Stream(p.schema, pgcopy.DecodeOptions{Rows: a.BatchRows, Turn: &longValues}, count, func(b batch) error {
		a.Progress.Add(b.NumRows(), taken.n.Swap(0))
		return sink(b)
	})
}

// counted counts the bytes that come from the server. It is asked once a batch: telling of every row would cost.
type counted struct {
	w io.Writer
	n atomic.Int64
}

func (c *counted) Write(b []byte) (int, error) {
	c.n.Add(int64(len(b)))
	return c.w.Write(b)
}
