package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"golang.org/x/sync/errgroup"

	"frostline/postgres"
)

// insertRows is how many rows one INSERT has.
const insertRows = 1000

// batch is some rows as lines of text COPY.
type batch struct {
	buf     []byte
	ends    []int   // of each line in buf
	rows    []int64 // numbers of the rows in the file, from 1
	rejects []reject
}

func (b *batch) lines(from, to int) []byte {
	start := 0
	if from > 0 {
		start = b.ends[from-1]
	}
	return b.buf[start:b.ends[to-1]]
}

// copy loads the files into the staging table, several at once, each in one transaction with its checkpoint.
func (l *Loader) copy(ctx context.Context, p *plan) error {
	l.Progress.Begin("load", p.src.rows)
	defer l.Progress.End()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(l.Workers)
	for _, f := range p.src.files {
		if f.done {
			l.Progress.Add(f.rows, f.size)
			continue
		}
		g.Go(func() error {
			err := l.retry(ctx, p, f.name, func() error { return l.copyFile(ctx, p, f) })
			if err != nil && errors.Is(err, ErrCorrupt) {
				return fmt.Errorf("%s: %w", f.name, err)
			}
			return err
		})
	}
	err := g.Wait()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrRejected), errors.Is(err, ErrCorrupt):
		if derr := l.drop(context.WithoutCancel(ctx), p); derr != nil {
			return errors.Join(err, derr)
		}
		return fmt.Errorf("%w; nothing was loaded", err)
	}
	return fmt.Errorf("%w; the target is as it was; run again to go on after the files that are done", err)
}

// drop removes what the load made.
func (l *Loader) drop(ctx context.Context, p *plan) error {
	return l.DB.Exec(ctx, "drop staging", "DROP TABLE IF EXISTS "+p.stage.String()+", "+p.checks.String())
}

// retry runs fn again after an error that may pass, with a pause that doubles.
func (l *Loader) retry(ctx context.Context, p *plan, what string, fn func() error) error {
	pause := l.Backoff
	for attempt := 1; ; attempt++ {
		err := fn()
		if err == nil || attempt == l.Attempts || !postgres.Transient(err) || ctx.Err() != nil {
			return err
		}
		p.retries.Add(1)
		l.Log.Warn("trying again", "what", what, "attempt", attempt, "after", pause, "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause + rand.N(pause/4)):
		}
		pause *= 2
	}
}

// copyFile loads one file in one transaction. Its checkpoint comes first: a second attempt waits there for the first, whose
// answer was lost, to end, and finds out whether it is done.
func (l *Loader) copyFile(ctx context.Context, p *plan, f *file) error {
	var taken atomic.Int64 // rejected by this attempt
	err := l.DB.Transaction(ctx, "load "+f.name, p.setup(), func(tx *postgres.Tx) error {
		n, err := tx.Exec(ctx, fmt.Sprintf("INSERT INTO %s (file, id, version) VALUES (%s, %d, %s) ON CONFLICT DO NOTHING",
			p.checks, postgres.Literal(f.key), f.id, postgres.Literal(f.version)))
		if err != nil || n == 0 {
			return err
		}
		s := &sender{l: l, p: p, f: f, tx: tx, taken: &taken}
		if err := l.stream(ctx, p, f, s.send); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, fmt.Sprintf("UPDATE %s SET rows = %d, rejects = %s WHERE file = %s", p.checks, s.sent, postgres.Literal(string(s.rejects)), postgres.Literal(f.key)))
		return err
	})
	if err != nil {
		p.rejected.Add(-taken.Load())
	}
	return err
}

// stream reads and encodes on one goroutine while send sends on this one.
func (l *Loader) stream(ctx context.Context, p *plan, f *file, send func(context.Context, *batch) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := make(chan *batch, 1)
	read := make(chan error, 1)
	go func() {
		defer close(batches)
		names := make([]string, len(p.columns))
		for i, c := range p.columns {
			if names[i] = c.source; c.hive {
				names[i] = ""
			}
		}
		read <- f.scan(ctx, p.src.store, names, l.BatchRows, func(row int64, columns []arrow.Array) error {
			b, err := p.encode(f, row, columns)
			if err != nil {
				return err
			}
			select {
			case batches <- b:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	var err error
	for b := range batches {
		if err == nil {
			if err = send(ctx, b); err != nil {
				cancel()
			}
		}
	}
	if rerr := <-read; err == nil {
		err = rerr
	}
	return err
}

// encode makes the lines of a batch. Rows whose values do not fit are rejected here.
func (p *plan) encode(f *file, row int64, columns []arrow.Array) (*batch, error) {
	n := 0
	texts := make([]appender, len(columns))
	for i, c := range p.columns {
		if columns[i] == nil {
			continue
		}
		n = columns[i].Len()
		var err error
		if texts[i], err = bind(columns[i], c.want); err != nil {
			return nil, fmt.Errorf("%s: column %q: %w: %w", f.name, c.source, ErrMismatch, err)
		}
	}
	b := &batch{ends: make([]int, 0, n), rows: make([]int64, 0, n)}
	var scratch []byte
	for i := range n {
		start := len(b.buf)
		var bad error
		for k, c := range p.columns {
			if k > 0 {
				b.buf = append(b.buf, '\t')
			}
			switch value, ok := f.hive[c.source]; {
			case c.hive && ok && value != hiveNull:
				b.buf = appendField(b.buf, []byte(value))
			case c.hive || columns[k] == nil || null(columns[k], i):
				b.buf = append(b.buf, `\N`...)
			default:
				var err error
				if scratch, err = texts[k](scratch[:0], i); err != nil && bad == nil {
					bad = fmt.Errorf("column %q: %w", c.source, err)
				}
				if bad == nil && bytes.IndexByte(scratch, 0) >= 0 {
					bad = fmt.Errorf("column %q: a zero byte, which no text of PostgreSQL holds", c.source)
				}
				b.buf = appendField(b.buf, scratch)
			}
		}
		if bad != nil {
			b.rejects = append(b.rejects, reject{File: f.name, Row: row + int64(i), Reason: bad.Error(), Data: p.data(b.buf[start:])})
			b.buf = b.buf[:start]
			continue
		}
		if p.exists {
			b.buf = fmt.Appendf(b.buf, "\t%d\t%d", f.id, row+int64(i))
		}
		b.buf = append(b.buf, '\n')
		b.ends, b.rows = append(b.ends, len(b.buf)), append(b.rows, row+int64(i))
	}
	return b, nil
}

// sender sends the batches of one file in one transaction.
type sender struct {
	l       *Loader
	p       *plan
	f       *file
	tx      *postgres.Tx
	sent    int64
	rejects []byte // lines of the dead-letter file
	taken   *atomic.Int64
}

func (s *sender) send(ctx context.Context, b *batch) error {
	for _, r := range b.rejects {
		if err := s.reject(r); err != nil {
			return err
		}
	}
	if len(b.rows) > 0 {
		if err := s.rows(ctx, b, 0, len(b.rows)); err != nil {
			return err
		}
	}
	s.l.Progress.Add(int64(len(b.rows)+len(b.rejects)), int64(len(b.buf)))
	return nil
}

// rows sends lines from..to; when the server rejects one of them, halves are tried until it stands alone.
func (s *sender) rows(ctx context.Context, b *batch, from, to int) error {
	err := s.tx.Try(ctx, func() error {
		if s.p.method == Insert {
			return s.insert(ctx, b, from, to)
		}
		_, err := s.tx.CopyIn(ctx, s.p.stage, s.p.columnList(s.p.exists), "text", bytes.NewReader(b.lines(from, to)))
		if postgres.SQLState(err) == "0A000" && s.p.req.Method != Copy {
			return s.insert(ctx, b, from, to)
		}
		return err
	})
	switch {
	case err == nil:
		s.sent += int64(to - from)
		return nil
	case !postgres.Rejected(err):
		return err
	case to-from == 1:
		return s.reject(reject{File: s.f.name, Row: b.rows[from], Reason: reason("load "+s.f.name, err), State: postgres.SQLState(err), Data: s.p.data(b.lines(from, to))})
	}
	mid := from + (to-from)/2
	if err := s.rows(ctx, b, from, mid); err != nil {
		return err
	}
	return s.rows(ctx, b, mid, to)
}

// insert sends lines from..to as INSERTs of literals, which the server reads as COPY reads its fields.
func (s *sender) insert(ctx context.Context, b *batch, from, to int) error {
	head := "INSERT INTO " + s.p.stage.String() + " (" + s.p.columnList(s.p.exists) + ") VALUES "
	for ; from < to; from += insertRows {
		var q strings.Builder
		q.WriteString(head)
		for i := from; i < min(from+insertRows, to); i++ {
			if i > from {
				q.WriteString(", ")
			}
			for k, v := range fields(b.lines(i, i+1)) {
				q.WriteString(map[bool]string{true: "(", false: ", "}[k == 0])
				if v == nil {
					q.WriteString("NULL")
				} else {
					q.WriteString(postgres.Literal(*v))
				}
			}
			q.WriteByte(')')
		}
		if _, err := s.tx.Exec(ctx, q.String()); err != nil {
			return err
		}
	}
	return nil
}

// columnList are the quoted columns that the files fill.
func (p *plan) columnList(origin bool) string {
	names := make([]string, 0, len(p.columns)+2)
	for _, c := range p.columns {
		names = append(names, postgres.Quote(c.target))
	}
	if origin {
		names = append(names, postgres.Quote(fileColumn), postgres.Quote(rowColumn))
	}
	return strings.Join(names, ", ")
}
