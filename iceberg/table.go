package iceberg

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	icego "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"frostline/coltype"
	"frostline/objstore"
)

// The table properties that are ours.
const (
	propColumns   = "frostline.columns"    // JSON of []coltype.Column, the current schema
	propPartition = "frostline.partition." // and the partition's name: JSON of Partition
)

// Table is one loaded version of a table; it does not change.
type Table struct {
	key     string
	root    string // of the warehouse
	version int
	object  objstore.Object // of the metadata file, as last seen
	meta    table.Metadata
	current *table.Snapshot // nil without one
	sc      *icego.Schema   // the current schema
	uuid    string
	props   map[string]string
	schema  coltype.Schema
	spec    PartitionSpec
	parts   []Partition
}

// openTable decodes a metadata file. Errors wrap ErrCorrupt or ErrClash.
func openTable(store objstore.Store, key string, version int, data []byte) (*Table, error) {
	t := &Table{key: key, root: store.Root(), version: version}
	err := guarded(func() (err error) {
		t.meta, err = table.ParseMetadataBytes(data)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: version %d: %w", ErrCorrupt, version, err)
	}
	// iceberg-go's metadata clones what it is asked for: ask once.
	t.current, t.sc, t.uuid = t.meta.CurrentSnapshot(), t.meta.CurrentSchema(), t.meta.TableUUID().String()
	t.props = t.meta.Properties()
	if own := t.meta.Location(); !strings.HasSuffix(own, "/"+key) && strings.HasSuffix(strings.ToLower(own), "/"+strings.ToLower(key)) {
		return nil, fmt.Errorf("%w: its folder is that of %s: the store does not tell upper from lower case; use another warehouse for one of them", ErrClash, own)
	}
	if t.schema, err = storedSchema(t.sc, t.props[propColumns]); err != nil {
		return nil, fmt.Errorf("%w: version %d: %w", ErrCorrupt, version, err)
	}
	t.spec = storedSpec(t.meta, t.schema)
	for k, v := range t.props {
		name, ok := strings.CutPrefix(k, propPartition)
		if !ok {
			continue
		}
		var p Partition
		if err := json.Unmarshal([]byte(v), &p); err != nil || p.Name != name {
			return nil, fmt.Errorf("%w: version %d: property %s is not the record of that partition", ErrCorrupt, version, k)
		}
		t.parts = append(t.parts, p)
	}
	slices.SortFunc(t.parts, func(a, b Partition) int { return cmp.Compare(a.Name, b.Name) })
	return t, nil
}

// guarded turns a panic of the metadata decoders into an error: the bytes come from a store that others can write.
func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupt, p)
		}
	}()
	return f()
}

// Key is the table's key in the warehouse.
func (t *Table) Key() string { return t.key }

// Location is the table's absolute location.
func (t *Table) Location() string { return t.root + "/" + t.key }

// MetadataLocation is the absolute location of the loaded vN.metadata.json.
func (t *Table) MetadataLocation() string { return t.root + "/" + versionKey(t.key, t.version) }

// Version is N of the loaded vN.metadata.json.
func (t *Table) Version() int { return t.version }

// UUID is the table's UUID.
func (t *Table) UUID() string { return t.uuid }

// Schema is the current schema with field ids and PostgreSQL types (kept in the property frostline.columns): the
// source's columns in their order, then those that it has no longer, whose AttNum is 0.
func (t *Table) Schema() coltype.Schema {
	s := t.schema
	s.Columns = slices.Clone(s.Columns)
	return s
}

// SchemaID is the current schema's id.
func (t *Table) SchemaID() int { return t.sc.ID }

// Spec is the table's partitioning.
func (t *Table) Spec() PartitionSpec { return t.spec }

// Properties are the table's properties.
func (t *Table) Properties() map[string]string { return maps.Clone(t.props) }

// SnapshotID is the current snapshot's, 0 without one.
func (t *Table) SnapshotID() int64 {
	if t.current == nil {
		return 0
	}
	return t.current.SnapshotID
}

// Partitions are the archived partitions, by name in byte order.
func (t *Table) Partitions() []Partition { return slices.Clone(t.parts) }

// Partition is one of them, or ErrNoPartition.
func (t *Table) Partition(name string) (Partition, error) {
	i, ok := slices.BinarySearchFunc(t.parts, name, func(p Partition, n string) int { return cmp.Compare(p.Name, n) })
	if !ok {
		return Partition{}, fmt.Errorf("partition %s of %s: %w", name, t.key, ErrNoPartition)
	}
	return t.parts[i], nil
}

// hasRun reports whether a run's commit is in the table, also when a later run has replaced it.
func (t *Table) hasRun(runID string) bool {
	for _, p := range t.parts {
		if p.RunID == runID {
			return true
		}
	}
	for _, s := range t.meta.Snapshots() {
		if s.Summary != nil && s.Summary.Properties[summaryRunID] == runID {
			return true
		}
	}
	return false
}
