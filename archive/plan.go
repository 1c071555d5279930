package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"frostline/coltype"
	"frostline/digest"
	"frostline/iceberg"
	"frostline/objstore"
	"frostline/parquetio"
	"frostline/pgcopy"
	"frostline/postgres"
)

// plan is everything that a run decides before it acts.
type plan struct {
	req       Request
	runID     string
	started   time.Time
	partition string // "<column>=<value>"
	table     *postgres.Table
	leaf      *postgres.Leaf // nil for a plain table, and for a leaf that is gone
	where     string         // rows of a plain table; "" is all
	relation  postgres.Name  // what is read
	spec      iceberg.PartitionSpec
	existing  *iceberg.Partition // archived already
	tree      bool               // relation is read with its partitions
	gone      bool               // the leaf is no partition any more: retired by an earlier run
	findings  []postgres.Finding // of the preflight

	schema coltype.Schema // of this run's files, with field ids: set by ensure
	digest digest.Digest  // of the proven archive: what a retired table must still equal
}

func (p *plan) label() string { return p.table.Name.String() + " " + p.partition }

// refreshes says whether an archive that differs from the source is replaced.
func (p *plan) refreshes() bool { return p.req.refresh || p.req.Export != "" }

func (p *plan) bounds() string {
	switch {
	case p.leaf != nil:
		return p.leaf.Bound
	case p.gone:
		return p.existing.Bounds
	}
	return "WHERE " + p.where
}

// Plan is what a dry run shows.
type Plan struct {
	Source    string   `json:"source"`
	Bounds    string   `json:"bounds"`
	Bytes     int64    `json:"source_bytes"`
	Rows      int64    `json:"source_rows_estimate"`   // the planner's, -1 unknown
	Estimate  int64    `json:"archive_bytes_estimate"` // a rough guess
	Query     string   `json:"copy_query"`
	Partition string   `json:"iceberg_partitioning"` // "month(transaction_date)", "none"
	Existing  string   `json:"already_archived,omitempty"`
	Retire    []string `json:"retire_sql,omitempty"`
}

// plan finds the source, its columns and what the table says of the partition already.
func (a *Archiver) plan(ctx context.Context, req Request) (*plan, error) {
	switch {
	case req.Table.Table == "":
		return nil, fmt.Errorf("archive: %w: --table is missing", ErrBadInput)
	case req.Column == "" || req.Value == "":
		return nil, fmt.Errorf("archive %s: %w: --partition-column and --partition-value are both needed", req.Table, ErrBadInput)
	}
	t, err := a.DB.Table(ctx, req.Table)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	if err := a.pickByBounds(ctx, t, &req); err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	p := &plan{
		req: req, runID: req.trail.begin(now), started: now, table: t,
		partition: iceberg.PartitionName(req.Column, req.Value),
	}
	if err := a.findExisting(ctx, p, func(e iceberg.Partition) bool { return e.Name == p.partition }); err != nil {
		return nil, err
	}
	for _, name := range a.SortBy {
		if !hasColumn(t, name) {
			return nil, fmt.Errorf("archive %s: %w: --sort-by: there is no column %s; nothing was done", p.label(), ErrBadInput, postgres.Quote(name))
		}
	}
	for _, name := range a.Layout.Bloom {
		i := slices.IndexFunc(t.Columns, func(c coltype.Column) bool { return c.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("archive %s: %w: --bloom: there is no column %s; nothing was done", p.label(), ErrBadInput, postgres.Quote(name))
		}
		if typ := t.Columns[i].Type; !parquetio.CanBloom(typ) {
			return nil, fmt.Errorf("archive %s: %w: --bloom: column %s is of type %s, which has no Bloom filter; nothing was done",
				p.label(), ErrBadInput, postgres.Quote(name), typ.Name)
		}
	}
	switch {
	case req.Export != "":
		err = a.planExport(ctx, p)
	case t.Partitioned:
		err = a.planLeaf(ctx, p)
	default:
		err = a.planRows(ctx, p)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

func hasColumn(t *postgres.Table, name string) bool {
	return slices.ContainsFunc(t.Columns, func(c coltype.Column) bool { return c.Name == name })
}

// planLeaf finds the leaf that the value names. A leaf that is gone but archived is a partition that an earlier run retired.
func (a *Archiver) planLeaf(ctx context.Context, p *plan) error {
	leaf, err := a.findLeaf(ctx, p)
	if errors.Is(err, postgres.ErrNoPartition) && p.existing == nil {
		// Another run may have archived and retired it since the Iceberg table was loaded.
		name := p.partition
		if err := a.findExisting(ctx, p, func(e iceberg.Partition) bool { return e.Name == name }); err != nil {
			return err
		}
	}
	if errors.Is(err, postgres.ErrNoPartition) && p.existing != nil {
		p.gone = true
		return a.planGone(ctx, p)
	}
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	if !hasColumn(p.table, p.req.Column) {
		a.Log.Warn("the table has no such column: it is only a name for the archive path, and the partition key is meant", "table", p.table.Name.String(), "partition-column", p.req.Column)
	}
	p.leaf, p.relation = &leaf, leaf.Name
	p.spec = specOfLeaf(p.table, leaf)
	if p.existing != nil {
		if p.existing.Leaf != leaf.Name.String() && p.existing.Bounds != leaf.Bound {
			return fmt.Errorf("archive %s: the value now names %s %s, but %s %s is archived under this name; nothing was done, name the partition by another value",
				p.label(), leaf.Name, leaf.Bound, p.existing.Leaf, p.existing.Bounds)
		}
		return nil
	}
	// The same leaf under another spelling of its value must not be archived twice.
	return a.findExisting(ctx, p, func(e iceberg.Partition) bool { return e.Leaf == leaf.Name.String() && e.Bounds == leaf.Bound })
}

// planGone looks for the detached table that an interrupted retirement has left.
func (a *Archiver) planGone(ctx context.Context, p *plan) error {
	record, err := a.record(ctx, p)
	if err != nil {
		return err
	}
	p.relation = postgres.Name{Schema: record.Leaf.Schema, Table: record.Leaf.Table}
	t, err := a.DB.Table(ctx, p.relation)
	switch {
	case errors.Is(err, postgres.ErrNoTable), err == nil && p.req.picked != nil && p.req.picked.OID != t.OID:
		p.relation = postgres.Name{} // dropped, and another table may have its name
		return nil
	case err != nil:
		return fmt.Errorf("archive %s: %w", p.label(), err)
	case t.Parent != nil:
		return fmt.Errorf("archive %s: %w: no partition of %s takes this value, but the archived %s is now a partition of %s; nothing was done",
			p.label(), ErrBadInput, p.table.Name, p.relation, t.Parent)
	}
	return nil
}

// planRows selects the rows of a table that is not partitioned.
func (a *Archiver) planRows(ctx context.Context, p *plan) error {
	if p.req.Retire != Keep {
		return fmt.Errorf("archive %s: %w: it is not a partitioned table, and frostline deletes no rows; run without --retire", p.table.Name, ErrNotRetire)
	}
	where, err := a.DB.ValueCondition(ctx, p.table, p.req.Column, p.req.Value)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	p.where, p.relation = where, p.table.Name
	if i := slices.IndexFunc(p.table.Columns, func(c coltype.Column) bool { return c.Name == p.req.Column }); i >= 0 {
		p.spec = specOfValue(p.table.Columns[i])
	}
	return nil
}

// findExisting sets p.existing, and p.partition to its name, to the first archived partition that fits.
func (a *Archiver) findExisting(ctx context.Context, p *plan, fits func(iceberg.Partition) bool) error {
	t, err := a.Catalog.Load(ctx, iceberg.TableKey(p.table.Name.Schema, p.table.Name.Table))
	if errors.Is(err, iceberg.ErrNoTable) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("archive %s: %w", p.label(), err)
	}
	for _, e := range t.Partitions() {
		if fits(e) {
			p.existing, p.partition = &e, e.Name
			return nil
		}
	}
	return nil
}

// query is the SELECT of the archived rows; part is a further condition (a ctid range), "" none.
func (p *plan) query(s coltype.Schema, part string) string {
	var conds []string
	for _, c := range []string{p.where, part} {
		if c != "" && c != "true" {
			conds = append(conds, "("+c+")")
		}
	}
	only := "ONLY "
	if p.tree {
		only = ""
	}
	q := "SELECT " + pgcopy.SelectList(s.Columns, "") + " FROM " + only + p.relation.String()
	if len(conds) > 0 {
		q += " WHERE " + strings.Join(conds, " AND ")
	}
	return q
}

// compression is about how many times smaller files are than the heap of ordinary tables.
const compression = 4

// planned is the result of a dry run.
func (a *Archiver) planned(ctx context.Context, p *plan) (Result, error) {
	shown := &Plan{Source: p.relation.String(), Bounds: p.bounds(), Bytes: p.table.Bytes, Rows: p.table.Rows, Partition: "none"}
	if p.spec.Transform != "" {
		shown.Partition = p.spec.Transform + "(" + p.spec.Column + ")"
	}
	if p.leaf != nil {
		shown.Bytes, shown.Rows = p.leaf.Bytes, p.leaf.Rows
	}
	if !p.gone {
		shown.Query = p.query(coltype.Schema{Columns: p.table.Columns}, "")
	}
	shown.Estimate = shown.Bytes / compression
	if p.existing != nil {
		shown.Existing = p.existing.Digest
	}
	blocked := p.blocked()
	if blocked == nil {
		steps, err := a.retireSteps(ctx, p)
		if err != nil {
			return Result{}, err
		}
		for _, s := range steps {
			shown.Retire = append(shown.Retire, s.SQL...)
		}
		if p.req.Retire != Keep && p.relation.Table != "" {
			shown.Retire = append(shown.Retire, "LOCK TABLE "+p.relation.String()+" IN ACCESS EXCLUSIVE MODE", "COPY ("+p.query(coltype.Schema{Columns: p.table.Columns}, "")+") TO STDOUT (FORMAT binary)")
			if p.req.Retire == Drop {
				shown.Retire = append(shown.Retire, "DROP TABLE "+p.relation.String()+" -- if its digest equals the archive's")
			}
		}
	}
	return Result{
		Findings: p.findings, blocked: blocked,
		Status: "planned", Action: "planned", Plan: shown,
		Table: p.table.Name.Schema + "." + p.table.Name.Table, Partition: p.partition,
		Location: objstore.Location(a.Store, iceberg.PartitionKey(p.table.Name.Schema, p.table.Name.Table, p.partition)),
		Leaf:     p.relation.String(), Archived: p.started,
	}, nil
}

// specOfLeaf is the Iceberg partitioning for a PostgreSQL key, judged by the first leaf that is archived: time ranges by year,
// month or day, aligned integer ranges by truncate, lists by identity; everything else relies on file bounds.
func specOfLeaf(t *postgres.Table, leaf postgres.Leaf) iceberg.PartitionSpec {
	if len(leaf.KeyColumns) != 1 || leaf.KeyColumns[0] == "" {
		return iceberg.PartitionSpec{}
	}
	i := slices.IndexFunc(t.Columns, func(c coltype.Column) bool { return c.Name == leaf.KeyColumns[0] })
	if i < 0 {
		return iceberg.PartitionSpec{}
	}
	c := t.Columns[i]
	switch leaf.Strategy {
	case 'l':
		return identity(c)
	case 'r':
		if len(leaf.From) != 1 || len(leaf.To) != 1 {
			return iceberg.PartitionSpec{}
		}
		switch c.Type.Kind {
		case coltype.Date, coltype.Timestamp, coltype.TimestampTZ:
			return iceberg.PartitionSpec{Column: c.Name, Transform: timeTransform(c.Type, leaf.From[0], leaf.To[0])}
		case coltype.Int32, coltype.Int64:
			from, err1 := strconv.ParseInt(leaf.From[0], 10, 64)
			to, err2 := strconv.ParseInt(leaf.To[0], 10, 64)
			if w := to - from; err1 == nil && err2 == nil && w > 0 && w <= 1<<31-1 && from%w == 0 {
				return iceberg.PartitionSpec{Column: c.Name, Transform: fmt.Sprintf("truncate[%d]", w)}
			}
		}
	}
	return iceberg.PartitionSpec{}
}

// timeTransform is year for a year or more, month for 28 days or more (and for an open range), else day.
func timeTransform(t coltype.Type, from, to string) string {
	lo, err1 := coltype.ParseText(t, from)
	hi, err2 := coltype.ParseText(t, to)
	if err1 != nil || err2 != nil { // MINVALUE, MAXVALUE
		return "month"
	}
	days := hi.I - lo.I
	if t.Kind != coltype.Date {
		days /= int64(24 * time.Hour / time.Microsecond)
	}
	switch {
	case days >= 365:
		return "year"
	case days >= 28:
		return "month"
	}
	return "day"
}

func specOfValue(c coltype.Column) iceberg.PartitionSpec {
	switch c.Type.Kind {
	case coltype.Date, coltype.Timestamp, coltype.TimestampTZ:
		return iceberg.PartitionSpec{Column: c.Name, Transform: "day"}
	}
	return identity(c)
}

// identity serves the kinds whose equality in PostgreSQL is equality of the stored value.
func identity(c coltype.Column) iceberg.PartitionSpec {
	switch c.Type.Kind {
	case coltype.Bool, coltype.Int32, coltype.Int64, coltype.Date:
		return iceberg.PartitionSpec{Column: c.Name, Transform: "identity"}
	case coltype.String:
		if c.Type.Wire == coltype.WireRaw {
			return iceberg.PartitionSpec{Column: c.Name, Transform: "identity"}
		}
	}
	return iceberg.PartitionSpec{}
}
