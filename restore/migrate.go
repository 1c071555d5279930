package restore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"frostline/digest"
	"frostline/pgcopy"
	"frostline/postgres"
)

// OnConflict says what becomes of an archived row whose primary key the live table has.
type OnConflict string

// The ways to deal with it.
const (
	Refuse    OnConflict = ""          // nothing is copied
	Skip      OnConflict = "skip"      // the live row stays
	Overwrite OnConflict = "overwrite" // the archived row takes its place
)

// Migrated says what was copied into the live table.
type Migrated struct {
	Inserted    int64  `json:"inserted"`
	Skipped     int64  `json:"skipped"`
	Overwritten int64  `json:"overwritten"`
	Batches     int    `json:"batches"`
	Resumed     int    `json:"resumed_batches,omitempty"`
	Proof       string `json:"proof"` // "digest", or "counts" where rows were skipped
}

// migration is the copy of a proven staging table into a live one.
type migration struct {
	into  postgres.Name
	live  *postgres.Definition
	oid   uint32
	key   []string // primary key of the live table, in the archive's columns
	match string   // t and s have the same key
	where string   // the archived rows in a live table without a key
}

// planMigration looks at the live table before anything is loaded.
func (r *Restorer) planMigration(ctx context.Context, p *plan) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("migrate %s into %s: %w; nothing was done", p.source, p.move.into, fmt.Errorf(format, args...))
	}
	if p.move.into.Table == "" {
		p.move.into = postgres.Name(p.record.SourceTable)
	}
	if p.move.into.Schema == "" {
		p.move.into.Schema = p.record.SourceTable.Schema
	}
	t, err := r.DB.Table(ctx, p.move.into)
	if err != nil {
		return fail("%w", err)
	}
	if t.Name == p.target {
		return fail("%w: it is the staging table", ErrBadInput)
	}
	p.move.oid = t.OID
	if p.move.live, err = r.DB.Definition(ctx, t.OID); err != nil {
		return fail("%w", err)
	}
	archived := map[string]bool{}
	for _, c := range p.def.Columns {
		archived[c.Name] = true
	}
	var ours []postgres.DefColumn // what the live table has beside them gets its default
	for _, c := range p.move.live.Columns {
		if archived[c.Name] {
			ours = append(ours, c)
		}
	}
	if wrong := differences(p.def.Columns, ours, false); len(wrong) > 0 {
		return fail("%w: %s", ErrMismatch, strings.Join(wrong, "; "))
	}
	if p.move.key, p.move.match, err = r.DB.KeyMatch(ctx, t.OID, "t", "s"); err != nil {
		return fail("%w", err)
	}
	if slices.ContainsFunc(p.move.key, func(c string) bool { return !archived[c] }) {
		p.move.key = nil
	}
	if len(p.move.key) > 0 {
		if i := slices.IndexFunc(ours, func(c postgres.DefColumn) bool {
			return c.Identity == "a" && !slices.Contains(p.move.key, c.Name)
		}); i >= 0 && p.req.OnConflict == Overwrite {
			return fail("%w: column %s is GENERATED ALWAYS AS IDENTITY and cannot be overwritten", ErrBadInput, postgres.Quote(ours[i].Name))
		}
		return nil
	}
	if p.req.OnConflict != Refuse {
		return fail("%w: it has no primary key in the archived columns, so conflicts cannot be told", ErrBadInput)
	}
	where, plain := strings.CutPrefix(p.record.Bounds, "WHERE ")
	if !plain {
		where = p.def.Constraint
	}
	if where == "" || strings.Contains(where, "satisfies_hash_partition") {
		return fail("%w: it has no primary key, and the bounds %s do not tell its rows apart: the copy could not be proven", ErrBadInput, p.record.Bounds)
	}
	p.move.where = where
	return nil
}

// progress is the table that holds, beside the staging table, which of its pages have been copied. A row is written by the
// statement that copies.
func (p *plan) progress() postgres.Name {
	sum := sha256.Sum256([]byte(p.target.Table))
	return postgres.Name{Schema: p.target.Schema, Table: "frostline_move_" + hex.EncodeToString(sum[:6])}
}

// migrate copies the proven staging table into the live one, in batches that are committed one by one, and proves the rows there.
func (r *Restorer) migrate(ctx context.Context, p *plan) (*Migrated, error) {
	fail := func(err error) (*Migrated, error) {
		return nil, fmt.Errorf("migrate %s into %s: %w", p.target, p.move.into, err)
	}
	// The lock waits for the server to end the batch of a run that was killed.
	err := r.DB.RunStep(ctx, postgres.Step{Name: "create the table of progress", Tx: true, SQL: []string{
		fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (from_page int8 PRIMARY KEY, to_page int8 NOT NULL, found int8 NOT NULL, inserted int8 NOT NULL,"+
			" overwritten int8 NOT NULL, run_id text NOT NULL, into_table regclass NOT NULL)", p.progress()),
		"LOCK TABLE " + p.progress().String() + " IN SHARE ROW EXCLUSIVE MODE",
	}})
	if err != nil {
		return fail(err)
	}
	done, err := r.movedUntil(ctx, p)
	if err != nil {
		return fail(err)
	}
	// The server plans by what it knows of the staging table. ANALYZE computes with the values, and some are too large for it.
	if err := r.DB.Exec(ctx, "analyse the staging table", "ANALYZE "+p.target.String()); err != nil && !errors.Is(err, postgres.ErrBadValue) {
		return fail(err)
	}
	resumed := done.batches
	blocks, err := r.DB.Blocks(ctx, p.target)
	if err != nil {
		return fail(err)
	}
	if done.page == 0 {
		there, err := r.thereAlready(ctx, p)
		if err != nil {
			return fail(err)
		}
		if there {
			return &Migrated{Proof: "digest"}, r.dropStaging(ctx, p)
		}
	}
	if err := r.conflicts(ctx, p, done.page); err != nil {
		return fail(err)
	}
	for _, s := range r.DB.SequenceSteps(p.move.live, p.target) {
		if err := r.DB.RunStep(ctx, s); err != nil {
			return fail(err)
		}
	}
	step := max(1, int64(r.MoveRows)*blocks/max(1, p.digest.Rows))
	r.Progress.Begin("migrate", p.digest.Rows)
	for page := done.page; page < blocks; page += step {
		s := postgres.Step{Name: "copy a batch", SQL: []string{p.batch(page, page+step)}, Tx: true}
		if err := r.DB.RunStep(ctx, s); err != nil {
			r.Progress.End()
			return fail(fmt.Errorf("%w; the batches before it are copied, run again to go on", err))
		}
		r.Progress.Add(int64(r.MoveRows), 0)
	}
	r.Progress.End()
	if done, err = r.movedUntil(ctx, p); err != nil {
		return fail(err)
	}
	res := &Migrated{Inserted: done.inserted, Overwritten: done.overwritten, Batches: done.batches, Resumed: resumed, Proof: "digest"}
	if p.req.OnConflict == Skip {
		res.Skipped = done.found - done.inserted
	}
	if err := r.proveMoved(ctx, p, done, res); err != nil {
		return nil, err
	}
	return res, r.dropStaging(ctx, p)
}

// dropStaging drops what the migration has no more use for: the table of progress, and the staging table unless it was the user's.
func (r *Restorer) dropStaging(ctx context.Context, p *plan) error {
	drop := []string{"DROP TABLE " + p.progress().String()}
	if !p.req.NoCreate {
		drop = append(drop, "DROP TABLE "+p.target.String())
	}
	if err := r.DB.RunStep(ctx, postgres.Step{Name: "drop staging", SQL: drop, Tx: true}); err != nil {
		return fmt.Errorf("migrate %s into %s: the rows are copied and proven: %w", p.target, p.move.into, err)
	}
	return nil
}

// thereAlready says whether the live table has all the archived rows, as they were: an earlier run has copied them to the end.
func (r *Restorer) thereAlready(ctx context.Context, p *plan) (bool, error) {
	rows, err := r.DB.QueryText(ctx, "look for archived rows", "SELECT count(*) FROM "+p.moved())
	if err != nil || p.digest.Rows == 0 || *rows[0][0] != strconv.FormatInt(p.digest.Rows, 10) {
		return false, err
	}
	got, err := r.digestMoved(ctx, p)
	return got == p.digest, err
}

// moved is FROM's operand and the condition for the archived rows in the live table.
func (p *plan) moved() string {
	if p.move.key == nil {
		return p.move.into.String() + " AS t WHERE " + p.move.where
	}
	return p.move.into.String() + " AS t WHERE EXISTS (SELECT FROM " + p.target.String() + " AS s WHERE " + p.move.match + ")"
}

// digestMoved is the digest of the archived rows in the live table.
func (r *Restorer) digestMoved(ctx context.Context, p *plan) (digest.Digest, error) {
	if p.move.key == nil {
		r.Progress.Begin("verify", p.digest.Rows)
		defer r.Progress.End()
		query := "SELECT " + pgcopy.SelectList(p.record.Schema.Columns, "t") + " FROM " + p.moved()
		return pgcopy.Sum(p.record.Schema, func(w io.Writer) (int64, error) {
			return r.DB.CopyOut(ctx, query, w)
		}, func(rows int64) { r.Progress.Add(rows, 0) })
	}
	// LIMIT, of rows that a primary key tells apart, keeps the server from joining the tables as a whole: each row is looked up by
	// the key's index, in the order of the staging table, at any size of the live one.
	return r.digestRanges(ctx, p, p.target, func(pages string) string {
		return "SELECT " + pgcopy.SelectList(p.record.Schema.Columns, "t") + " FROM (SELECT * FROM ONLY " + p.target.String() + " WHERE " + pages +
			") AS s CROSS JOIN LATERAL (SELECT t.* FROM " + p.move.into.String() + " AS t WHERE " + p.move.match + " LIMIT 1) AS t"
	})
}

// movedSoFar is what the table of progress says.
type movedSoFar struct {
	page, found, inserted, overwritten int64
	batches                            int
}

func (r *Restorer) movedUntil(ctx context.Context, p *plan) (m movedSoFar, err error) {
	rows, err := r.DB.QueryText(ctx, "read the progress", fmt.Sprintf("SELECT to_page, found, inserted, overwritten, run_id = %s AND into_table = %s::regclass FROM %s ORDER BY to_page",
		postgres.Literal(p.record.RunID), postgres.Literal(p.move.into.String()), p.progress()))
	if err != nil {
		return m, err
	}
	for _, row := range rows {
		if *row[4] != "t" {
			return m, fmt.Errorf("%w: it was begun from another run's archive, or into another table; nothing was done, drop %s and %s and run again", ErrExists, p.progress(), p.target)
		}
		for i, into := range []*int64{&m.page, &m.found, &m.inserted, &m.overwritten} {
			n, err := strconv.ParseInt(*row[i], 10, 64)
			if err != nil {
				return m, err
			}
			if i == 0 {
				*into = n
			} else {
				*into += n
			}
		}
		m.batches++
	}
	return m, nil
}

// conflicts refuses rows that are there already, before the first batch of a run.
func (r *Restorer) conflicts(ctx context.Context, p *plan, page int64) error {
	if p.req.OnConflict != Refuse {
		return nil
	}
	query := "SELECT count(*), min(" + p.example("t") + ") FROM " + p.move.into.String() + " AS t WHERE EXISTS (SELECT FROM " + p.target.String() + " AS s WHERE s.ctid >= " + tid(page) + " AND " + p.move.match + ")"
	if p.move.key == nil {
		if page > 0 {
			return nil // they are ours
		}
		query = "SELECT count(*), '' FROM " + p.move.into.String() + " WHERE " + p.move.where
	}
	rows, err := r.DB.QueryText(ctx, "look for conflicts", query)
	if err != nil {
		return err
	}
	if *rows[0][0] == "0" {
		return nil
	}
	if p.move.key == nil {
		return fmt.Errorf("%w: it has %s rows of the selection %s already, and no primary key to tell them by; nothing was copied", ErrExists, *rows[0][0], p.move.where)
	}
	return fmt.Errorf("%w: %s of its rows have the primary key of an archived row, such as %s; nothing was copied; --on-conflict skip or overwrite says what to do", ErrExists, *rows[0][0], *rows[0][1])
}

// example shows a key.
func (p *plan) example(alias string) string {
	var parts []string
	for _, c := range p.move.key {
		parts = append(parts, alias+"."+postgres.Quote(c)+"::text")
	}
	return "concat_ws(', ', " + strings.Join(append(parts, "NULL"), ", ") + ")"
}

func tid(page int64) string { return fmt.Sprintf("'(%d,0)'::tid", page) }

// batch is the one statement that copies the rows of some pages and says so.
func (p *plan) batch(from, to int64) string {
	columns := pgcopy.InsertColumns(p.record.Schema.Columns)
	into := p.move.into.String()
	insert := "INSERT INTO " + into + " (" + columns + ") OVERRIDING SYSTEM VALUE SELECT " + columns + " FROM batch AS s"
	changed := "SELECT WHERE false"
	switch p.req.OnConflict {
	case Skip:
		insert += " ON CONFLICT (" + quoteAll(p.move.key) + ") DO NOTHING"
	case Overwrite:
		changed = "SELECT FROM batch AS s WHERE EXISTS (SELECT FROM " + into + " AS t WHERE " + p.move.match + ")"
		if set := p.overwritten(); len(set) > 0 {
			changed = "UPDATE " + into + " AS t SET " + strings.Join(set, ", ") + " FROM batch AS s WHERE " + p.move.match + " RETURNING 1"
		}
		insert += " WHERE NOT EXISTS (SELECT FROM " + into + " AS t WHERE " + p.move.match + ")"
	}
	return fmt.Sprintf("WITH batch AS MATERIALIZED (SELECT %s FROM %s WHERE ctid >= %s AND ctid < %s),\n\tchanged AS (%s),\n\tadded AS (%s RETURNING 1)\n"+
		"INSERT INTO %s SELECT %d, %d, (SELECT count(*) FROM batch), (SELECT count(*) FROM added), (SELECT count(*) FROM changed), %s, %s::regclass",
		columns, p.target, tid(from), tid(to), changed, insert, p.progress(), from, to, postgres.Literal(p.record.RunID), postgres.Literal(p.move.into.String()))
}

// overwritten are the assignments for a row that is there: those of its key too, since keys that are equal may not be the same
// (1.0 and 1.00), but for an identity that is always generated.
func (p *plan) overwritten() []string {
	always := map[string]bool{}
	for _, c := range p.move.live.Columns {
		always[c.Name] = c.Identity == "a"
	}
	var set []string
	for _, c := range p.record.Schema.Columns {
		if !c.Generated && !always[c.Name] {
			set = append(set, postgres.Quote(c.Name)+" = s."+postgres.Quote(c.Name))
		}
	}
	return set
}

func quoteAll(names []string) string {
	var out []string
	for _, n := range names {
		out = append(out, postgres.Quote(n))
	}
	return strings.Join(out, ", ")
}

// proveMoved counts, and compares the digest of the rows in the live table with the archive's.
func (r *Restorer) proveMoved(ctx context.Context, p *plan, done movedSoFar, res *Migrated) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("verify %s: %w: %s; %s is kept", p.move.into, ErrProof, fmt.Sprintf(format, args...), p.target)
	}
	if done.found != p.digest.Rows {
		return fail("%d rows of the staging table were copied, it has %d", done.found, p.digest.Rows)
	}
	if p.req.OnConflict != Skip && done.inserted+done.overwritten != done.found {
		return fail("of %d rows it took %d; look for a trigger or a rule that drops rows", done.found, done.inserted+done.overwritten)
	}
	if res.Skipped > 0 {
		res.Proof = "counts"
		return nil
	}
	got, err := r.digestMoved(ctx, p)
	if err != nil {
		return fmt.Errorf("verify %s: %w", p.move.into, err)
	}
	if got != p.digest {
		return fail("the archived rows are not there as they were: %d rows of %d, digest %s, the archive's is %s", got.Rows, p.digest.Rows, got, p.digest)
	}
	return nil
}
