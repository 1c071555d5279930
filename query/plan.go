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
}

// open finds the table of path, and the partition in its current snapshot.
func (e *Engine) open(ctx context.Context, path string) (*target, error) {
	if path == "" {
		return nil, badRequest("missing_field", "archivePath", "give a table's location or an archive path under "+e.store.Root(), "archivePath is missing")
	}
	key, partition, err := e.catalog.SplitPath(ctx, path)
	if err != nil {
		return nil, err
	}
	t, err := e.catalog.Load(ctx, key)
	if err != nil {
		return nil, err
	}
	if partition == "" {
		return &target{table: t, location: t.Location()}, nil
	}
	if _, err := t.Partition(partition); err != nil {
		if !errors.Is(err, iceberg.ErrNoPartition) {
			return nil, err
		}
		return nil, &Error{Code: NotFound, Field: "archivePath", Msg: fmt.Sprintf("partition %q of table %s is not archived", partition, t.Location()),
			Hint: meant(partition, partitionNames(t))}
	}
	return &target{table: t, partition: partition, location: e.archivePath(t, partition)}, nil
}

func partitionNames(t *iceberg.Table) []string {
	var names []string
	for _, p := range t.Partitions() {
		names = append(names, p.Name)
	}
	return names
}

// plan is a bound query and the files that it is about, before pruning.
type plan struct {
	cols     []coltype.Column     // of the table, as this query sees them
	project  []coltype.Column     // as asked
	filter   *predicate.Predicate // never nil
	filterOn []coltype.Column     // the columns that filter reads, as filter.Columns()
	parts    []partition
	columns  int // of the table, for the footer cache's estimate
	warnings []string
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
	files, err := e.catalog.Plan(ctx, t.table, 0)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if t.partition == "" || f.Name == t.partition {
			p.parts = append(p.parts, partition{PlanPartition: f})
		}
	}
	changed, err := e.evolve(ctx, t, p)
	if err != nil {
		return nil, err
	}
	p.columns = len(p.cols)

	if err := p.bind(r); err != nil {
		return nil, err
	}
	for _, name := range p.uses(changed) {
		p.warnings = append(p.warnings, fmt.Sprintf("column %q had another type in partition %q and is NULL there; query that partition by its own path", name, changed[name]))
	}
	return p, nil
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
		info, err := t.table.Partition(p.parts[i].Name)
		if err != nil || info.SchemaID == t.table.SchemaID() {
			continue // files without an entry have no record to ask: the table's schema is all there is
		}
		then, err := e.archivedSchema(ctx, t.table, info)
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

// archivedSchema is the schema in the record of a partition.
func (e *Engine) archivedSchema(ctx context.Context, t *iceberg.Table, p iceberg.Partition) (coltype.Schema, error) {
	k := schemaKey{t.UUID(), p.SchemaID}
	if s, ok := e.schemas.get(k); ok {
		return s, nil
	}
	rec, err := e.catalog.ReadRecord(ctx, t, p)
	if err != nil {
		return coltype.Schema{}, err
	}
	e.schemas.put(k, rec.Schema)
	return rec.Schema, nil
}

// bind types the request's columns and filter.
func (p *plan) bind(r Request) error {
	byName := make(map[string]coltype.Column, len(p.cols))
	names := make([]string, len(p.cols))
	for i, c := range p.cols {
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
		p.project = p.cols
	}

	var list []predicate.Expr
	if len(r.Filters) > 0 {
		expr, err := predicate.FromFilters(r.Filters, p.cols)
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
	filter, err := predicate.Bind(predicate.And(list...), p.cols)
	if err != nil {
		return err
	}
	p.filter = filter
	for _, i := range filter.Columns() {
		p.filterOn = append(p.filterOn, p.cols[i])
	}
	return nil
}

// uses are the columns of set that the query reads, by name.
func (p *plan) uses(set map[string]string) []string {
	var names []string
	for _, c := range slices.Concat(p.project, p.filterOn) {
		if _, ok := set[c.Name]; ok && !slices.Contains(names, c.Name) {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return names
}
