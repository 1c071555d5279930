package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"frostline/iceberg"
	"frostline/postgres"
)

// OlderRequest names the leaves of one table whose rows are all older than an age.
type OlderRequest struct {
	Table     postgres.Name
	Column    string // in the archive paths; "" is the key's date column
	OlderThan string // PostgreSQL interval: "24 months", "90d"
	Now       time.Time
	Retire    Retire
	Replace   bool // archive anew where the proof finds a difference
	Verify    bool // prove also what is archived already; retiring always proves
	DryRun    bool

	IncludeRestored bool // retire also what was restored since it was archived, and has not changed
}

// Older archives every leaf of a request, oldest first, jobs at once, each a run and a snapshot of its own: one that fails does not
// stop the others, see [Batch]. What is archived already is skipped, unless it is to be verified or retired, and so is what another run
// is at work on. err is of the request as a whole; then nothing was archived.
func (a *Archiver) Older(ctx context.Context, sel OlderRequest, jobs int) (Batch, error) {
	reqs, skipped, err := a.selectOlder(ctx, sel)
	if err != nil {
		return Batch{}, err
	}
	b := Batch{Table: sel.Table.Schema + "." + sel.Table.Table, Skipped: skipped}
	err = a.many(ctx, []*Batch{&b}, []task{{a: a, batch: &b, reqs: reqs}}, jobs)
	return b, err
}

// selectOlder are the runs of a request, and what of it needs none.
func (a *Archiver) selectOlder(ctx context.Context, sel OlderRequest) (reqs []Request, skipped []Skip, err error) {
	if sel.Now.IsZero() {
		sel.Now = time.Now()
	}
	t, err := a.DB.Table(ctx, sel.Table)
	if err != nil {
		return nil, nil, fmt.Errorf("archive: %w", err)
	}
	aged, leaves, err := a.DB.OlderLeaves(ctx, t, sel.Column, sel.OlderThan, sel.Now)
	if err != nil {
		return nil, nil, fmt.Errorf("archive: %w", err)
	}
	if sel.Column == "" {
		sel.Column = aged
	}
	archived, err := a.archivedLeaves(ctx, sel.Table)
	if err != nil {
		return nil, nil, err
	}
	if sel.Retire == Drop {
		if reqs, err = a.interrupted(ctx, t, archived, sel.DryRun); err != nil {
			return nil, nil, err
		}
	}
	names := map[string]int{}
	for _, l := range leaves {
		names[periodName(l.Lower, l.Upper, l.Name.Table)]++
	}
	for _, l := range leaves {
		value := periodName(l.Lower, l.Upper, l.Name.Table)
		if names[value] > 1 { // sub-partitions of one period
			value = l.Name.Table
		}
		req := Request{
			Table: sel.Table, Column: sel.Column, Value: value,
			Retire: sel.Retire, DryRun: sel.DryRun, picked: &l.Leaf, refresh: sel.Replace, settled: !sel.Verify && !sel.Replace, includeRestored: sel.IncludeRestored,
		}
		if e, ok := archived[leafID{l.Name.String(), l.Bound}]; ok && req.settled && req.Retire == Keep {
			skipped = append(skipped, Skip{Partition: e.Name, Leaf: e.Leaf, Reason: skipArchived})
			continue
		}
		reqs = append(reqs, req)
	}
	return reqs, skipped, nil
}

// interrupted are the drops to finish: what is archived, is no partition of t any more, and is still there as a table, the same one by its
// OID. A table that was restored under the old name is another one.
func (a *Archiver) interrupted(ctx context.Context, t *postgres.Table, archived map[leafID]iceberg.Partition, dry bool) ([]Request, error) {
	tables, err := a.DB.Tables(ctx)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	alone := map[string]postgres.Name{}
	for _, n := range tables {
		alone[n.String()] = n
	}
	var reqs []Request
	for id, e := range archived {
		name, ok := alone[id.name]
		if !ok || !strings.HasPrefix(id.bounds, "FOR VALUES") {
			continue
		}
		req := Request{Table: t.Name, Retire: Drop, DryRun: dry, settled: true}
		req.Column, req.Value, _ = strings.Cut(e.Name, "=")
		record, err := a.record(ctx, &plan{table: t, partition: e.Name, existing: &e})
		if err != nil {
			return nil, err
		}
		detached, err := a.DB.Table(ctx, name)
		if err != nil && !errors.Is(err, postgres.ErrNoTable) {
			return nil, fmt.Errorf("archive: %w", err)
		}
		if err == nil && detached.OID == record.LeafOID {
			reqs = append(reqs, req)
		}
	}
	slices.SortFunc(reqs, func(x, y Request) int { return strings.Compare(x.Value, y.Value) })
	return reqs, nil
}

// leafID is how an archived partition names the leaf that it was.
type leafID struct{ name, bounds string }

func (a *Archiver) archivedLeaves(ctx context.Context, table postgres.Name) (map[leafID]iceberg.Partition, error) {
	t, err := a.Catalog.Load(ctx, iceberg.TableKey(table.Schema, table.Table))
	if errors.Is(err, iceberg.ErrNoTable) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("archive %s: %w", table, err)
	}
	found := map[leafID]iceberg.Partition{}
	for _, e := range t.Partitions() {
		found[leafID{e.Leaf, e.Bounds}] = e
	}
	return found, nil
}

// pickByBounds turns a value that is written as bounds into the leaf that has them and a value for the archive path.
func (a *Archiver) pickByBounds(ctx context.Context, t *postgres.Table, req *Request) error {
	if req.picked != nil || !t.Partitioned || req.Value[0] != '[' && !strings.HasPrefix(req.Value, "FOR VALUES ") {
		return nil
	}
	leaf, from, to, err := a.DB.FindBounds(ctx, t, req.Value)
	switch {
	case errors.Is(err, postgres.ErrNotBounds):
		return nil
	case errors.Is(err, postgres.ErrNoPartition) && len(from) > 0:
		// An earlier run may have retired it; otherwise this is the error of the plan.
		req.missing, req.Value = err, boundsName(from, to, req.Value)
		return nil
	case err != nil:
		return fmt.Errorf("archive: %w", err)
	}
	req.picked, req.Value = &leaf, boundsName(from, to, leaf.Name.Table)
	return nil
}

// findLeaf is the leaf of a request.
func (a *Archiver) findLeaf(ctx context.Context, p *plan) (postgres.Leaf, error) {
	switch {
	case p.req.missing != nil:
		return postgres.Leaf{}, p.req.missing
	case p.req.picked == nil:
		return a.DB.FindLeaf(ctx, p.table, p.req.Column, p.req.Value)
	}
	picked := p.req.picked
	leaf, err := a.DB.Leaf(ctx, picked.OID)
	if errors.Is(err, postgres.ErrNoTable) {
		return leaf, fmt.Errorf("%s: %w: it was detached or dropped just now", picked.Name, postgres.ErrNoPartition)
	}
	if err == nil && leaf.Bound != picked.Bound {
		return leaf, fmt.Errorf("%s: %w: its bounds changed just now, to %s", picked.Name, postgres.ErrNoPartition, leaf.Bound)
	}
	return leaf, err
}

// boundsName is the value of an archive path for the bounds of a leaf: that of a period, or the lower bound, or otherwise.
func boundsName(from, to []string, otherwise string) string {
	switch len(from) {
	case 0:
		return otherwise
	case 1:
		return periodName(from[0], to[0], otherwise)
	}
	return strings.Join(from, ",")
}

// periodName is 2024, 2024-01 or 2024-01-15 for a whole year, month or day in UTC, else the lower bound's text, and otherwise where
// there is none.
func periodName(from, to, otherwise string) string {
	lo, ok1 := parseInstant(from)
	hi, ok2 := parseInstant(to)
	switch {
	case from == "" || from == "MINVALUE" || from == "-infinity":
		return otherwise
	case !ok1:
		return from
	case !ok2:
	case lo.YearDay() == 1 && hi.Equal(lo.AddDate(1, 0, 0)):
		return lo.Format("2006")
	case lo.Day() == 1 && hi.Equal(lo.AddDate(0, 1, 0)):
		return lo.Format("2006-01")
	}
	if lo.Equal(lo.Truncate(24 * time.Hour)) {
		return lo.Format(time.DateOnly)
	}
	return from
}

// parseInstant reads a date or timestamp as PostgreSQL prints it in UTC.
func parseInstant(s string) (time.Time, bool) {
	for _, layout := range []string{time.DateOnly, time.DateTime, time.DateTime + "-07"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
