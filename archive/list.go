package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"frostline/iceberg"
	"frostline/objstore"
	"frostline/postgres"
)

// Scope names archived tables and partitions; an empty field is no restriction. List, Check and GC need the warehouse
// alone: DB may be nil.
type Scope struct {
	Schema    string
	Table     string // with Schema
	Partition string // "<column>=<value>", with Table
}

func (s Scope) String() string {
	if s.Table == "" {
		return "the warehouse"
	}
	return strings.TrimSuffix(s.Schema+"."+s.Table+" "+s.Partition, " ")
}

// Listing is the JSON object of archive list.
type Listing struct {
	Status     string        `json:"status"` // "success", or "damaged" when a table could not be read
	Warehouse  string        `json:"warehouse"`
	Partitions int           `json:"total_partitions"`
	Records    int64         `json:"total_records"`
	Files      int           `json:"total_files"`
	Bytes      int64         `json:"total_bytes"`
	Tables     []ListedTable `json:"tables"`

	err error
}

// Err is the error that the listing came with.
func (l *Listing) Err() error { return l.err }

// ListedTable is one archived table.
type ListedTable struct {
	Table        string            `json:"table"` // schema.table
	Location     string            `json:"location"`
	Version      int               `json:"version,omitempty"`
	SnapshotID   int64             `json:"snapshot_id,omitempty"`
	Partitioning string            `json:"iceberg_partitioning,omitempty"` // "month(transaction_date)", "none"
	Error        string            `json:"error,omitempty"`                // why its metadata could not be read; nothing else is known then
	Partitions   []ListedPartition `json:"partitions"`
}

// ListedPartition is one archived partition as the table's metadata says it.
type ListedPartition struct {
	Partition  string    `json:"partition"` // column=value
	Location   string    `json:"location"`
	Records    int64     `json:"total_records"`
	Files      int       `json:"total_files"`
	Bytes      int64     `json:"total_bytes"`
	Archived   time.Time `json:"archived_at"`
	Digest     string    `json:"digest"`
	RunID      string    `json:"run_id"`
	SnapshotID int64     `json:"snapshot_id"`
	Leaf       string    `json:"leaf,omitempty"`
	Bounds     string    `json:"bounds,omitempty"`
	Retired    string    `json:"retired"` // "unknown": only PostgreSQL knows whether it still has the partition
}

// List is what the current metadata of the selected tables says; it reads no data and no record. A table whose metadata cannot
// be read is listed with its error, and the error comes with the rest of the listing.
func (a *Archiver) List(ctx context.Context, sel Scope) (*Listing, error) {
	a.defaults()
	l := &Listing{Status: "success", Warehouse: a.Store.Root(), Tables: []ListedTable{}}
	keys, err := a.tableKeys(ctx, sel)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", sel, err)
	}
	var damage []error
	for _, key := range keys {
		t, err := a.load(ctx, key)
		if err != nil {
			if !damaged(err) {
				return nil, fmt.Errorf("list %s: %w", sel, err)
			}
			damage = append(damage, err)
			l.Status = "damaged"
			l.Tables = append(l.Tables, ListedTable{Table: key, Location: objstore.Location(a.Store, key), Error: err.Error(), Partitions: []ListedPartition{}})
			continue
		}
		listed, err := a.listTable(t, sel)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", sel, err)
		}
		l.Tables = append(l.Tables, listed)
		for _, p := range listed.Partitions {
			l.Partitions++
			l.Records, l.Files, l.Bytes = l.Records+p.Records, l.Files+p.Files, l.Bytes+p.Bytes
		}
	}
	if damage != nil {
		l.err = fmt.Errorf("list %s: %w", sel, errors.Join(damage...))
	}
	return l, l.err
}

func (a *Archiver) listTable(t *iceberg.Table, sel Scope) (ListedTable, error) {
	l := ListedTable{
		Table: tableName(t), Location: t.Location(), Version: t.Version(), SnapshotID: t.SnapshotID(), Partitioning: "none", Partitions: []ListedPartition{},
	}
	if s := t.Spec(); s.Transform != "" {
		l.Partitioning = s.Transform + "(" + s.Column + ")"
	}
	parts, err := selected(t, sel)
	if err != nil {
		return l, err
	}
	for _, p := range parts {
		l.Partitions = append(l.Partitions, ListedPartition{
			Partition: p.Name, Location: t.Location() + "/" + objstore.Segment(p.Name),
			Records: p.Rows, Files: p.Files, Bytes: p.Bytes, Archived: p.ArchivedAt, Digest: p.Digest, RunID: p.RunID,
			SnapshotID: p.SnapshotID, Leaf: p.Leaf, Bounds: p.Bounds, Retired: "unknown",
		})
	}
	return l, nil
}

// tableKeys are the keys of the selected tables. A table that is named need not be there: loading it says so.
func (a *Archiver) tableKeys(ctx context.Context, sel Scope) ([]string, error) {
	if sel.Table != "" {
		return []string{iceberg.TableKey(sel.Schema, sel.Table)}, nil
	}
	if sel.Partition != "" {
		return nil, fmt.Errorf("%w: a partition is named without its table", ErrBadInput)
	}
	keys, err := a.Catalog.Tables(ctx)
	if err != nil || sel.Schema == "" {
		return keys, err
	}
	schema, _, _ := strings.Cut(iceberg.TableKey(sel.Schema, "t"), "/")
	return slices.DeleteFunc(keys, func(k string) bool { return !strings.HasPrefix(k, schema+"/") }), nil
}

// nearestTimeout bounds the listing of a large warehouse for a hint.
const nearestTimeout = 5 * time.Second

// load loads a table; that there is none of the key says which resemble it.
func (a *Archiver) load(ctx context.Context, key string) (*iceberg.Table, error) {
	t, err := a.Catalog.Load(ctx, key)
	if !errors.Is(err, iceberg.ErrNoTable) {
		return t, err
	}
	ctx, cancel := context.WithTimeout(ctx, nearestTimeout)
	defer cancel()
	keys, lerr := a.Catalog.Tables(ctx)
	if lerr != nil {
		return nil, err // says more than that the others cannot be listed
	}
	return nil, fmt.Errorf("%w%s", err, postgres.Nearest(key, keys))
}

// selected are the table's partitions that sel names. A missing one is iceberg.ErrNoPartition with some that are there.
func selected(t *iceberg.Table, sel Scope) ([]iceberg.Partition, error) {
	if sel.Partition == "" {
		return t.Partitions(), nil
	}
	p, err := t.Partition(sel.Partition)
	if err == nil {
		return []iceberg.Partition{p}, nil
	}
	var names []string
	for i, p := range t.Partitions() {
		if i == 10 {
			names = append(names, "…")
			break
		}
		names = append(names, p.Name)
	}
	if names == nil {
		return nil, fmt.Errorf("%w; the table has no archived partition", err)
	}
	return nil, fmt.Errorf("%w; archived are %s", err, strings.Join(names, ", "))
}

// tableName is schema.table as PostgreSQL has it.
func tableName(t *iceberg.Table) string {
	p := t.Properties()
	if p["source.table"] == "" {
		return t.Key()
	}
	return p["source.schema"] + "." + p["source.table"]
}

// damaged says that an object of the archive is missing or broken, and not the store or this program.
func damaged(err error) bool {
	for _, e := range []error{iceberg.ErrCorrupt, objstore.ErrCorrupt, objstore.ErrNotExist} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
