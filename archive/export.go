package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"frostline/iceberg"
	"frostline/objstore"
	"frostline/postgres"
)

// Export says which rows of a table a date export copies.
type Export string

// The date exports. A run for a date replaces what an earlier run for the same date wrote, or is a proven no-op when that equals the
// source. Without rows nothing is written, and what an earlier run wrote stays.
const (
	Incremental Export = "incremental" // one day (UTC) of a date or timestamp column
	Full        Export = "full"        // the whole table
)

// fullColumn stands in the archive paths of full exports.
const fullColumn = "export_date"

// ExportRequest is the request of a date export, whose zero date is yesterday for an incremental and today for a full one (UTC).
func ExportRequest(table postgres.Name, mode Export, column string, date, now time.Time) (Request, error) {
	r := Request{Table: table, Column: column, Export: mode}
	day := now.UTC().Truncate(24 * time.Hour)
	switch mode {
	case Incremental:
		if column == "" {
			return r, fmt.Errorf("archive %s: %w: --partition-column is missing: the date or timestamp column whose day is exported", table, ErrBadInput)
		}
		day = day.AddDate(0, 0, -1)
	case Full:
		if column != "" {
			return r, fmt.Errorf("archive %s: %w: --partition-column %s: a full export has none, its archive path is %s=<date>", table, ErrBadInput, column, fullColumn)
		}
		r.Column = fullColumn
	default:
		return r, fmt.Errorf("archive %s: %w: mode %q is neither incremental nor full", table, ErrBadInput, mode)
	}
	if !date.IsZero() {
		day = date
	}
	if y := day.Year(); y < 1 || y > 9999 {
		return r, fmt.Errorf("archive %s: %w: date %s", table, ErrBadInput, day)
	}
	r.Date, r.Value = day, day.Format(time.DateOnly)
	return r, nil
}

// planExport selects the rows of a date export.
func (a *Archiver) planExport(ctx context.Context, p *plan) error {
	if p.req.Retire != Keep {
		return fmt.Errorf("archive %s: %w: a date export copies rows of a table, and frostline deletes no rows; run without --retire", p.table.Name, ErrNotRetire)
	}
	p.relation, p.tree, p.where = p.table.Name, p.table.Partitioned, "true"
	if p.req.Export == Incremental {
		where, err := a.DB.DayCondition(p.table, p.req.Column, p.req.Date)
		if err != nil {
			return fmt.Errorf("archive: %w", err)
		}
		p.where = where
		p.spec = iceberg.PartitionSpec{Column: p.req.Column, Transform: "day"}
	}
	if p.existing != nil && p.existing.Bounds != p.bounds() {
		return fmt.Errorf("archive %s: %w: it is %s of %s, which an export must not replace; nothing was done",
			p.label(), iceberg.ErrPartitionExists, p.existing.Bounds, p.existing.Leaf)
	}
	if p.req.Export == Incremental && p.tree {
		return a.planTwice(ctx, p)
	}
	return nil
}

// planTwice refuses a day whose partition is archived: its rows would stand in the Iceberg table twice.
func (a *Archiver) planTwice(ctx context.Context, p *plan) error {
	leaf, err := a.DB.FindLeaf(ctx, p.table, p.req.Column, p.req.Value)
	switch {
	case errors.Is(err, postgres.ErrNoPartition), errors.Is(err, postgres.ErrAmbiguous):
		return nil // no one partition holds this day
	case err != nil:
		return fmt.Errorf("archive %s: %w", p.label(), err)
	}
	archived, err := a.archivedLeaves(ctx, p.table.Name)
	if err != nil {
		return err
	}
	if e, ok := archived[leafID{leaf.Name.String(), leaf.Bound}]; ok {
		return fmt.Errorf("archive %s: %w: the day's partition %s is archived as %s, and its rows would be there twice; nothing was done",
			p.label(), iceberg.ErrPartitionExists, leaf.Name, e.Name)
	}
	return nil
}

// noRows says whether an export has nothing to copy.
func (a *Archiver) noRows(ctx context.Context, p *plan) (bool, error) {
	if p.req.Export == "" {
		return false, nil
	}
	has, err := a.DB.HasRows(ctx, p.relation, p.where)
	if err != nil {
		return false, fmt.Errorf("archive %s: %w", p.label(), err)
	}
	return !has, nil
}

// empty is the result of an export without rows.
func (a *Archiver) empty(p *plan) Result {
	r := Result{
		Status: "success", Action: "empty", Warning: "no rows for " + p.partition + "; nothing was written",
		Table: p.table.Name.Schema + "." + p.table.Name.Table, Partition: p.partition,
		Location: objstore.Location(a.Store, iceberg.PartitionKey(p.table.Name.Schema, p.table.Name.Table, p.partition)),
		Archived: p.started, Leaf: p.relation.String(),
	}
	if p.existing != nil {
		r.Warning += fmt.Sprintf(", and the %d rows of an earlier export stay", p.existing.Rows)
	}
	a.Log.Warn(r.Warning, "table", r.Table)
	return r
}
