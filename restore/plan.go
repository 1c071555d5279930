package restore

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"frostline/digest"
	"frostline/iceberg"
	"frostline/objstore"
	"frostline/postgres"
)

// plan is everything that a run decides before it acts.
type plan struct {
	req       Request
	source    string // location of the archive path
	tableKey  string
	partition iceberg.Partition
	record    *iceberg.Record
	digest    digest.Digest
	def       *postgres.Definition
	target    postgres.Name // staging
	parent    postgres.Name // what it is attached to
	final     postgres.Name // the leaf's name
	attached  bool          // final is a partition of parent already, with the record's bounds
	inTheWay  []postgres.Obstacle
	move      migration // with Migrate
	full      bool      // the staging table was there, without checkpoints: it must prove equal as it is
	resumed   int       // units that an earlier run has loaded
}

func (p *plan) label() string { return p.source + " to " + p.target.String() }

// plan reads the archived partition's record and looks at the target.
func (r *Restorer) plan(ctx context.Context, req Request) (*plan, error) {
	if req.SourcePath == "" {
		return nil, fmt.Errorf("restore: %w: --source-path is missing", ErrBadInput)
	}
	if req.NoCreate && req.Unlogged {
		return nil, fmt.Errorf("restore: %w: --unlogged is for a table that restore creates, --no-create says that it does not", ErrBadInput)
	}
	switch {
	case req.Attach && req.Migrate:
		return nil, fmt.Errorf("restore: %w: rows are either attached or migrated", ErrBadInput)
	case !req.Migrate && (req.OnConflict != Refuse || req.Into != postgres.Name{}):
		return nil, fmt.Errorf("restore: %w: --on-conflict and --into-table are for --to migrate", ErrBadInput)
	case !req.Attach && req.Replace:
		return nil, fmt.Errorf("restore: %w: --replace-existing is for --attach", ErrBadInput)
	}
	p := &plan{req: req, target: req.Target, move: migration{into: req.Into}}
	if req.NoCreate && req.Tablespace != "" {
		return nil, fmt.Errorf("restore: %w: --target-tablespace is for a table that restore creates, --no-create says that it does not", ErrBadInput)
	}
	if err := r.readArchive(ctx, p); err != nil {
		return nil, fmt.Errorf("restore %s: %w", req.SourcePath, err)
	}
	if err := p.names(); err != nil {
		return nil, fmt.Errorf("restore %s: %w", req.SourcePath, err)
	}
	err := r.tablespace(ctx, p)
	if err != nil {
		return nil, err
	}
	if req.Attach {
		err = r.lookAtParent(ctx, p)
	} else if req.Migrate {
		err = r.planMigration(ctx, p)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// tablespace is the archived partition's where none is asked for and the server has it.
func (r *Restorer) tablespace(ctx context.Context, p *plan) error {
	if p.req.Tablespace != "" || p.def.Tablespace == "" {
		return nil
	}
	rows, err := r.DB.QueryText(ctx, "look for a tablespace", "SELECT 1 FROM pg_tablespace WHERE spcname = $1", p.def.Tablespace)
	if err != nil {
		return fmt.Errorf("restore %s: %w", p.label(), err)
	}
	if len(rows) > 0 {
		p.req.Tablespace = p.def.Tablespace
	}
	return nil
}

func (r *Restorer) readArchive(ctx context.Context, p *plan) error {
	tableKey, name, err := r.Catalog.SplitPath(ctx, p.req.SourcePath)
	if err != nil {
		return err
	}
	t, err := r.Catalog.Load(ctx, tableKey)
	if err != nil {
		return err
	}
	if name == "" {
		return fmt.Errorf("%w: it is the whole table; name one of its partitions, or a range or list of them: %s", ErrBadInput, partitionNames(t))
	}
	p.tableKey = tableKey
	if p.req.Snapshot != 0 {
		p.record, p.partition, err = r.Catalog.ReadRecordAt(ctx, t, name, p.req.Snapshot)
	} else if p.partition, err = t.Partition(name); err == nil {
		p.record, err = r.Catalog.ReadRecord(ctx, t, p.partition)
	}
	if err != nil {
		return err
	}
	if p.digest, err = digest.Parse(p.record.Digest); err != nil {
		return fmt.Errorf("record %s: %w", p.partition.Record, err)
	}
	p.def = &postgres.Definition{}
	if err := json.Unmarshal(p.record.Definition, p.def); err != nil {
		return fmt.Errorf("record %s: definition: %w", p.partition.Record, err)
	}
	p.source = objstore.Location(r.Store, iceberg.PartitionKey(p.record.SourceTable.Schema, p.record.SourceTable.Table, name))
	return nil
}

func partitionNames(t *iceberg.Table) string {
	var names []string
	for _, p := range t.Partitions() {
		if len(names) == 10 {
			return strings.Join(names, ", ") + " …"
		}
		names = append(names, p.Name)
	}
	if len(names) == 0 {
		return "it has none"
	}
	return strings.Join(names, ", ")
}

// names completes the target's name and finds what it is attached to.
func (p *plan) names() error {
	p.final = postgres.Name{Schema: p.record.Leaf.Schema, Table: p.record.Leaf.Table}
	if p.target.Table == "" {
		if !p.req.Attach && !p.req.Migrate {
			return fmt.Errorf("%w: --target-table is missing; nothing was done", ErrBadInput)
		}
		p.target.Table = suffixed(p.final.Table, "_restored")
	}
	if p.target.Schema == "" {
		p.target.Schema = p.final.Schema
	}
	if !p.req.Attach {
		return nil
	}
	if p.record.PartitionKey == "" || p.def.Parent == nil {
		return fmt.Errorf("%w: it was archived from %s, which was not partitioned; restore without --attach", ErrBadInput, p.final)
	}
	p.parent = *p.def.Parent
	return nil
}

// suffixed appends to a name, within the 63 bytes that PostgreSQL keeps of one.
func suffixed(name, suffix string) string {
	for len(name)+len(suffix) > 63 {
		name = cutRune(name)
	}
	return name + suffix
}

func cutRune(s string) string {
	_, n := utf8.DecodeLastRuneInString(s)
	return s[:len(s)-n]
}

// planned is the result of a dry run.
func (r *Restorer) planned(ctx context.Context, p *plan) (Result, error) {
	res := Result{
		Status: "planned", Action: "planned", Source: p.source, Target: p.target.Schema + "." + p.target.Table,
		Records: p.digest.Rows, Files: len(p.record.Files), Digest: p.digest.String(), Restored: time.Now().UTC(),
	}
	if p.attached {
		res.Parent = p.parent.String()
		return res, nil
	}
	res.Replaced = p.replaced()
	create, err := p.createSQL()
	if err != nil {
		return Result{}, err
	}
	res.SQL = append(res.SQL, create...)
	if p.req.Attach {
		res.Parent, res.Bounds = p.parent.String(), p.record.Bounds
	}
	return res, nil
}

// lock keeps a second run of ours off the target.
func (r *Restorer) lock(ctx context.Context, p *plan) (release func(), err error) {
	release, ok, err := r.DB.TryLock(ctx, "frostline restore "+p.target.String())
	if err != nil {
		return nil, fmt.Errorf("restore %s: take the advisory lock: %w", p.label(), err)
	}
	if !ok {
		return nil, fmt.Errorf("restore %s: %w: its advisory lock is held; nothing was done, wait for the other run to end", p.label(), ErrBusy)
	}
	return release, nil
}
