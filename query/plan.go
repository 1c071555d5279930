package query

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/predicate"
)

// target is what a path names: one table, and one partition of it or all.
type target struct {
	table     *iceberg.Table
	partition string // "" for all
	location  string // absolute
	snapshot  int64  // to read; 0 for a table without one
	grant     *Grant // what the caller may see of it; nil is all
}

// open finds the table of path, and the partition in a snapshot of it: 0 is the current one.
func (e *Engine) open(ctx context.Context, path string, snapshot int64) (*target, error) {
	if path == "" {
		return nil, badRequest("missing_field", "archivePath", "give a table's location or an archive path under "+e.store.Root(), "archivePath is missing")
	}
	grant, err := e.grantAt(ctx, path) // before the table is read: what is not granted takes as long as what is not there
	if err != nil {
		return nil, err
	}
	t, partition, err := e.catalog.Find(ctx, path)
	if err != nil {
		return nil, err
	}
	o := &target{table: t, partition: partition, location: t.Location(), snapshot: t.SnapshotID(), grant: grant}
	if snapshot != 0 {
		o.snapshot = snapshot
	}
	if partition == "" {
		return o, nil
	}
	o.location = e.archivePath(t, partition)
	if o.snapshot != t.SnapshotID() {
		return o, nil // files sees to it
	}
	if _, err := t.Partition(partition); err != nil {
		if !errors.Is(err, iceberg.ErrNoPartition) {
			return nil, err
		}
		return nil, &Error{Code: NotFound, Field: "archivePath", Msg: fmt.Sprintf("partition %q of table %s is not archived", partition, t.Location()),
			Hint: meant(partition, partitionNames(t, grant))}
	}
	return o, nil
}

// partitionNames are those that may be told.
func partitionNames(t *iceberg.Table, g *Grant) []string {
	var names []string
	if g.filters() {
		return nil
	}
	for _, p := range t.Partitions() {
		names = append(names, p.Name)
	}
	return names
}

// plan is a bound query and the files that it is about, before pruning.
type plan struct {
	cols     []coltype.Column     // of the table, as this query sees them; those that the caller may see first
	shown    int                  // so many he may see
	narrow   bool                 // he may not see all
	filtered bool                 // he may not see all rows
	project  []coltype.Column     // as asked
	filter   *predicate.Predicate // never nil
	filterOn []coltype.Column     // the columns that filter reads, as filter.Columns()
	parts    []partition
	location string            // of the table
	changed  map[string]string // columns of another type in a partition
	warnings []string

	mostBytes, mostRows int64 // that may be read of data files; 0 is no bound
}

// partition is the files of one partition.
type partition struct {
	iceberg.PlanPartition
	// renamed maps a column's name when the partition was archived to its name now: cells in the
	// side column stand under the old one.
	renamed map[string]string
}

// plan binds r to t and lists the files.
func (e *Engine) plan(ctx context.Context, t *target, r Request) (*plan, error) {
	p := &plan{cols: slices.Clone(t.table.Schema().Columns)}
	files, err := e.files(ctx, t)
	if err != nil {
		return nil, err
	}
	p.parts = make([]partition, len(files))
	for i, f := range files {
		p.parts[i].PlanPartition = f
	}
	changed, err := e.evolve(ctx, t, p)
	if err != nil {
		return nil, err
	}
	p.location = t.table.Location()

	p.changed = changed
	p.mostBytes, p.mostRows = e.bounds(ctx)
	p.visibleFirst(t.grant)
	p.filtered = t.grant.filters()
	if err := p.bind(r, t.grant); err != nil {
		return nil, err
	}
	return p, nil
}

// files are the partitions of t with their files; one without files is none.
func (e *Engine) files(ctx context.Context, t *target) ([]iceberg.PlanPartition, error) {
	past := t.snapshot != t.table.SnapshotID()
	if t.partition == "" || past {
		all, err := e.catalog.Plan(ctx, t.table, t.snapshot)
		if err != nil || t.partition == "" {
			return all, err
		}
		if i := slices.IndexFunc(all, func(p iceberg.PlanPartition) bool { return p.Name == t.partition }); i >= 0 {
			return all[i : i+1], nil
		}
		_, _, err = e.catalog.ReadRecordAt(ctx, t.table, t.partition, t.snapshot)
		return nil, err // nil for an archived partition without rows
	}
	p, err := e.catalog.PlanOf(ctx, t.table, t.partition)
	if err != nil || len(p.Files) == 0 {
		return nil, err
	}
	return []iceberg.PlanPartition{p}, nil
}

// evolve fits p to partitions that were archived with another schema. One partition is queried with
// the columns that it was archived with where the table keeps another field under that name now;
// over several such a column is NULL where the old field was, as for every Iceberg reader: changed maps its name to a partition
// of the old type.
func (e *Engine) evolve(ctx context.Context, t *target, p *plan) (changed map[string]string, err error) {
	now := map[int]string{}
	for _, c := range p.cols {
		now[c.FieldID] = c.Name
	}
	changed = map[string]string{}
	for i := range p.parts {
		then, err := e.schemaThen(ctx, t, p.parts[i].Name)
		if err != nil {
			return nil, err
		}
		for _, c := range then.Columns {
			name, kept := now[c.FieldID]
			if kept && name != c.Name {
				if p.parts[i].renamed == nil {
					p.parts[i].renamed = map[string]string{}
				}
				p.parts[i].renamed[c.Name] = name
			}
			at := slices.IndexFunc(p.cols, func(have coltype.Column) bool { return have.Name == c.Name })
			switch {
			case kept:
			case t.partition != "" && at >= 0:
				p.cols[at] = c
			case t.partition != "":
				p.cols = append(p.cols, c)
			case at >= 0:
				changed[c.Name] = p.parts[i].Name
			}
		}
	}
	return changed, nil
}

// schemaThen is the schema that the target's snapshot has a partition archived with; without columns where it is
// the table's own.
func (e *Engine) schemaThen(ctx context.Context, t *target, name string) (coltype.Schema, error) {
	info, err := t.table.Partition(name)
	if t.snapshot != t.table.SnapshotID() && (err != nil || !t.table.Includes(t.snapshot, info.SnapshotID)) {
		rec, _, err := e.catalog.ReadRecordAt(ctx, t.table, name, t.snapshot) // archived anew or gone since
		if errors.Is(err, iceberg.ErrNoPartition) {
			return coltype.Schema{}, nil
		}
		if err != nil {
			return coltype.Schema{}, err
		}
		return rec.Schema, nil
	}
	if known := err == nil; known && info.SchemaID != t.table.SchemaID() {
		return e.archivedSchema(ctx, t.table, info)
	}
	return coltype.Schema{}, nil // files without an entry have no record to ask: the table's schema is all there is
}

// archivedSchema is the schema in the record of a partition.
func (e *Engine) archivedSchema(ctx context.Context, t *iceberg.Table, p iceberg.Partition) (coltype.Schema, error) {
	k := schemaKey{t.UUID(), p.SchemaID}
	if s, ok := e.schemas.Get(k); ok {
		return s, nil
	}
	rec, err := e.catalog.ReadRecord(ctx, t, p)
	if err != nil {
		return coltype.Schema{}, err
	}
	e.schemas.Put(k, rec.Schema, 1)
	return rec.Schema, nil
}

// bind types the request's columns and filter.
func (p *plan) bind(r Request, g *Grant) error {
	visible := p.visible()
	byName := make(map[string]coltype.Column, len(visible))
	names := make([]string, len(visible))
	for i, c := range visible {
		byName[c.Name], names[i] = c, c.Name
	}
	seen := map[string]bool{}
	for _, name := range r.Columns {
		c, ok := byName[name]
		if !ok {
			return badRequest("unknown_column", "columns", meant(name, names), "column %q does not exist", name)
		}
		if seen[name] {
			return badRequest("duplicate_column", "columns", "", "column %q is asked for twice", name)
		}
		seen[name] = true
		p.project = append(p.project, c)
	}
	if len(r.Columns) == 0 {
		p.project = visible
	}

	var list []predicate.Expr
	if len(r.Filters) > 0 {
		expr, err := predicate.FromFilters(r.Filters, visible)
		if err != nil {
			return err
		}
		list = append(list, expr)
	}
	if r.Expression != "" {
		expr, err := predicate.Parse(r.Expression)
		if err != nil {
			return err
		}
		list = append(list, expr)
	}
	expr, err := p.guard(g, predicate.And(list...))
	if err != nil {
		return err
	}
	filter, err := predicate.Bind(expr, p.cols)
	if err != nil {
		return err
	}
	p.filter = filter
	for _, i := range filter.Columns() {
		p.filterOn = append(p.filterOn, p.cols[i])
	}
	return nil
}

// warn notes which of cols, and of the columns that the filter reads, are NULL in a partition.
func (p *plan) warn(cols []coltype.Column) {
	var names []string
	for _, c := range slices.Concat(cols, p.filterOn) {
		hidden := slices.ContainsFunc(p.cols[p.shown:], func(h coltype.Column) bool { return h.Name == c.Name })
		if _, ok := p.changed[c.Name]; ok && !hidden && !slices.Contains(names, c.Name) {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		where := fmt.Sprintf("partition %q", p.changed[name])
		if p.filtered { // it may be one that the caller may not see
			where = "some partition"
		}
		p.warnings = append(p.warnings, fmt.Sprintf("column %q had another type in %s and is NULL there; query that partition by its own path", name, where))
	}
}
