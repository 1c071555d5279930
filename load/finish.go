package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"frostline/postgres"
)

// waitForRows is how long the INSERT … SELECT waits for a row that another transaction holds.
const waitForRows = "60s"

// finish moves the staged rows into the target, in one transaction, and ends the load.
func (l *Loader) finish(ctx context.Context, p *plan) error {
	l.Progress.Begin("finish", -1)
	defer l.Progress.End()
	tried := false
	err := l.retry(ctx, p, "finish", func() error {
		rejected := p.rejected.Load()
		there, err := l.DB.Exists(ctx, p.checks)
		switch {
		case err != nil:
			return err
		case !there && tried: // an attempt whose answer was lost has committed
			return nil
		case !there:
			return fmt.Errorf("%w: the checkpoints %s are gone: another load has ended this one, or somebody has dropped them", ErrProof, p.checks)
		}
		tried = true
		err = l.DB.Transaction(ctx, "finish", "", func(tx *postgres.Tx) error { return l.finishIn(ctx, tx, p) })
		if err != nil {
			p.rejected.Store(rejected)
		}
		return err
	})
	if err == nil {
		p.result.Rejected = int64(len(p.rejects))
		return nil
	}
	if errors.Is(err, ErrRejected) {
		if derr := l.drop(context.WithoutCancel(ctx), p); derr != nil {
			return errors.Join(err, derr)
		}
		return fmt.Errorf("%w; nothing was loaded", err)
	}
	return fmt.Errorf("%w; the target is as it was; run again to go on, the files are in the staging table %s", err, p.stage)
}

func (l *Loader) finishIn(ctx context.Context, tx *postgres.Tx, p *plan) error {
	lock := "ACCESS EXCLUSIVE"
	if p.exists && len(p.facts.indexes)+len(p.facts.keys) == 0 && !p.req.SkipTriggers {
		lock = "ROW EXCLUSIVE"
	}
	head := fmt.Sprintf("SET LOCAL lock_timeout = '%dms'; LOCK TABLE %s IN ACCESS EXCLUSIVE MODE", l.DB.LockTimeout.Milliseconds(), p.checks)
	if p.exists {
		head += fmt.Sprintf("; LOCK TABLE %s IN %s MODE", p.req.Target, lock)
	}
	if _, err := tx.Exec(ctx, head+"; SET LOCAL lock_timeout = '"+waitForRows+"'"); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, "SELECT rejects, coalesce(rows, 0) FROM "+p.checks.String()+" WHERE file <> '' ORDER BY id")
	if err != nil {
		return err
	}
	var lines strings.Builder
	var staged int64
	for _, r := range rows {
		lines.WriteString(*r[0])
		n, err := strconv.ParseInt(*r[1], 10, 64)
		if err != nil {
			return fmt.Errorf("read checkpoints: %w", err)
		}
		staged += n
	}
	p.rejects = p.rejects[:0]
	for line := range strings.Lines(lines.String()) {
		var r reject
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			return fmt.Errorf("read the rejected rows: %w", err)
		}
		p.rejects = append(p.rejects, r)
	}
	if len(rows) != len(p.src.files) { // a crash of the server empties unlogged tables
		return fmt.Errorf("%w: the staging table has %d of %d files: the server has crashed meanwhile, or somebody has emptied it", ErrProof, len(rows), len(p.src.files))
	}
	p.result.Records = staged
	if p.exists {
		err = l.merge(ctx, tx, p, staged)
	} else {
		_, err = tx.Exec(ctx, "ALTER TABLE "+p.stage.String()+" RENAME TO "+postgres.Quote(p.req.Target.Table))
		if postgres.SQLState(err) == "42P07" {
			err = fmt.Errorf("%w: it was made meanwhile: %w", ErrExists, err)
		}
	}
	if err != nil {
		return err
	}
	if p.req.DeadLetter != "" {
		var out []byte
		for _, r := range p.rejects {
			line, err := json.Marshal(r)
			if err != nil {
				return fmt.Errorf("write the dead-letter file: %w", err)
			}
			out = append(append(out, line...), '\n')
		}
		if err := writeDeadLetter(p.req.DeadLetter, out); err != nil {
			return err
		}
	}
	drop := "DROP TABLE " + p.checks.String()
	if p.exists {
		drop += ", " + p.stage.String()
	}
	_, err = tx.Exec(ctx, drop)
	return err
}

// merge inserts the staged rows into an existing table.
func (l *Loader) merge(ctx context.Context, tx *postgres.Tx, p *plan, staged int64) error {
	var before, after []string
	alter := "ALTER TABLE " + p.req.Target.String()
	for _, k := range p.facts.keys {
		before = append(before, alter+" DROP CONSTRAINT "+postgres.Quote(k.Name))
		after = append(after, alter+" ADD CONSTRAINT "+postgres.Quote(k.Name)+" "+k.Def)
	}
	for _, x := range p.facts.indexes {
		before = append(before, "DROP INDEX "+x.Name)
		after = append(after, x.Def)
	}
	if p.req.SkipTriggers {
		for _, t := range p.facts.triggers {
			before = append(before, alter+" DISABLE TRIGGER "+postgres.Quote(t.Name))
			after = append(after, alter+" ENABLE "+map[string]string{"A": "ALWAYS "}[t.Enabled]+"TRIGGER "+postgres.Quote(t.Name))
		}
	}
	for _, sql := range append(before, p.setup(), "ANALYZE "+p.stage.String()) {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	m := &merger{l: l, p: p, tx: tx}
	var err error
	if m.insert, err = m.statement(ctx); err != nil {
		return err
	}
	if err := m.rows(ctx, "", nil); err != nil {
		return err
	}
	p.result.Records, p.result.Skipped = m.inserted, staged-m.inserted-m.rejected
	for _, sql := range append([]string{"SET LOCAL search_path = pg_catalog", "SET CONSTRAINTS ALL IMMEDIATE"}, after...) {
		if _, err := tx.Exec(ctx, sql); err != nil {
			if postgres.Rejected(err) { // a foreign key that came back
				return fmt.Errorf("%w: %w; without --rebuild-indexes the row is named", ErrRejected, err)
			}
			return err
		}
	}
	return nil
}

// merger inserts ranges of the staged rows.
type merger struct {
	l        *Loader
	p        *plan
	tx       *postgres.Tx
	insert   [2]string // before and after the condition
	inserted int64
	rejected int64
}

func (m *merger) statement(ctx context.Context) (sql [2]string, err error) {
	p := m.p
	head := "INSERT INTO " + p.req.Target.String() + " AS t (" + p.columnList(false) + ")"
	for _, c := range p.columns {
		if p.facts.identity[c.target] == "a" {
			head += " OVERRIDING SYSTEM VALUE"
			break
		}
	}
	sql[0] = head + " SELECT " + p.columnList(false) + " FROM " + p.stage.String()
	sql[1] = " ORDER BY " + postgres.Quote(fileColumn) + ", " + postgres.Quote(rowColumn) // of rows in conflict the first stays
	switch p.req.OnConflict {
	case "skip":
		sql[1] += " ON CONFLICT DO NOTHING"
	case "update":
		t, err := m.l.DB.Table(ctx, p.req.Target)
		if err != nil {
			return sql, err
		}
		if len(t.PrimaryKey) == 0 {
			return sql, fmt.Errorf("%w: on conflict update needs a primary key, and the table has none; nothing was done", ErrMismatch)
		}
		var sets []string
		for _, c := range p.columns {
			if slices.Contains(t.PrimaryKey, c.target) { // is equal, and may be an identity that refuses UPDATE
				continue
			}
			q := postgres.Quote(c.target)
			sets = append(sets, q+" = EXCLUDED."+q)
		}
		keys := make([]string, len(t.PrimaryKey))
		for i, k := range t.PrimaryKey {
			keys[i] = postgres.Quote(k)
		}
		sql[1] += " ON CONFLICT (" + strings.Join(keys, ", ") + ") DO "
		if len(sets) == 0 {
			sql[1] += "NOTHING"
		} else {
			sql[1] += "UPDATE SET " + strings.Join(sets, ", ")
		}
	}
	return sql, nil
}

// span is a range of staged rows: from..to of one file.
type span struct {
	file     int
	from, to int64
}

// rows inserts what where selects. When the table rejects a row of it, parts are tried until the row stands alone: files
// first, then halves of a file.
func (m *merger) rows(ctx context.Context, where string, s *span) error {
	err := m.tx.Try(ctx, func() error {
		n, err := m.tx.Exec(ctx, m.insert[0]+where+m.insert[1])
		if err == nil {
			m.inserted += n
		}
		return err
	})
	switch {
	case err == nil || !postgres.Rejected(err):
		return err
	case s == nil:
		return m.files(ctx)
	case s.to-s.from == 1:
		return m.reject(ctx, where, *s, err)
	}
	mid := s.from + (s.to-s.from)/2
	for _, half := range []span{{s.file, s.from, mid}, {s.file, mid, s.to}} {
		if err := m.rows(ctx, half.where(), &half); err != nil {
			return err
		}
	}
	return nil
}

func (s span) where() string {
	return fmt.Sprintf(" WHERE %s = %d AND %s >= %d AND %s < %d", postgres.Quote(fileColumn), s.file, postgres.Quote(rowColumn), s.from, postgres.Quote(rowColumn), s.to)
}

// files goes through the files one by one, with an index that finds their parts.
func (m *merger) files(ctx context.Context) error {
	index := fmt.Sprintf("CREATE INDEX ON %s (%s, %s)", m.p.stage, postgres.Quote(fileColumn), postgres.Quote(rowColumn))
	if _, err := m.tx.Exec(ctx, index); err != nil {
		return err
	}
	for _, f := range m.p.src.files {
		s := span{f.id, 1, f.rows + 1}
		if f.rows == 0 {
			continue
		}
		if err := m.rows(ctx, s.where(), &s); err != nil {
			return err
		}
	}
	return nil
}

func (m *merger) reject(ctx context.Context, where string, s span, cause error) error {
	texts := make([]string, len(m.p.columns))
	for i, c := range m.p.columns {
		texts[i] = "pg_catalog.format('%s', " + postgres.Quote(c.target) + "), " + postgres.Quote(c.target) + " IS NULL"
	}
	rows, err := m.tx.Query(ctx, "SELECT "+strings.Join(texts, ", ")+" FROM "+m.p.stage.String()+where)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return cause
	}
	var line []byte
	for i := range m.p.columns {
		if i > 0 {
			line = append(line, '\t')
		}
		if *rows[0][2*i+1] == "t" {
			line = append(line, `\N`...)
		} else {
			line = appendField(line, []byte(*rows[0][2*i]))
		}
	}
	r := reject{File: m.p.src.files[s.file].name, Row: s.from, Reason: reason("finish", cause), State: postgres.SQLState(cause), Data: m.p.data(line)}
	if err := m.p.take(r); err != nil {
		return err
	}
	m.p.rejects = append(m.p.rejects, r)
	m.rejected++
	return nil
}
