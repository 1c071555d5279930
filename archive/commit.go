package archive

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"frostline/iceberg"
	"frostline/postgres"
)

// commit makes the proven files one snapshot of the table. The record is written first, under the run's own name, and the
// version names it; schema_snapshot.json is a copy for people, published after.
func (a *Archiver) commit(ctx context.Context, p *plan, w *written) (*iceberg.Table, error) {
	tableKey := iceberg.TableKey(p.table.Name.Schema, p.table.Name.Table)
	record, err := a.newRecord(ctx, p, w)
	if err != nil {
		return nil, fmt.Errorf("commit %s: %w; nothing was committed", p.label(), err)
	}
	m := iceberg.Commit{
		Partition: iceberg.Partition{
			Name: p.partition, RunID: p.runID, Rows: w.digest.Rows, Bytes: w.bytes(), Digest: w.digest.String(),
			Leaf: p.relation.String(), Bounds: p.bounds(), ArchivedAt: p.started,
		},
		Replace: p.existing != nil,
		Record: func(ctx context.Context, snapshotID int64, schemaID int) error {
			record.SnapshotID, record.SchemaID = snapshotID, schemaID
			return a.Catalog.WriteRecord(ctx, tableKey, record)
		},
	}
	for _, f := range w.files {
		m.Files = append(m.Files, dataFile(a.Store.Root(), f))
	}
	table, err := a.Catalog.Commit(ctx, tableKey, m)
	if err != nil {
		return nil, fmt.Errorf("commit %s: %w", p.label(), err)
	}
	part, err := table.Partition(p.partition)
	if err != nil {
		return nil, fmt.Errorf("commit %s: %w", p.label(), err)
	}
	if err := a.Catalog.PublishRecord(ctx, tableKey, part); err != nil {
		return nil, fmt.Errorf("commit %s: the partition is archived, but its schema_snapshot.json is not: %w; run again to finish", p.label(), err)
	}
	return table, nil
}

func dataFile(root string, f file) iceberg.DataFile {
	d := iceberg.DataFile{
		Location: root + "/" + f.key, Rows: f.info.Rows, Bytes: f.info.Bytes,
		Tuple: f.tuple, SplitOffsets: f.info.SplitOffsets,
	}
	for _, c := range f.info.Columns {
		d.Columns = append(d.Columns, iceberg.ColumnStats{FieldID: c.FieldID, Bytes: c.Bytes, Values: c.Values, Bounds: c.Bounds})
	}
	return d
}

// newRecord is the source's definition and the proof.
func (a *Archiver) newRecord(ctx context.Context, p *plan, w *written) (*iceberg.Record, error) {
	oid, key := p.table.OID, ""
	if p.leaf != nil {
		oid = p.leaf.OID
	}
	if p.table.Key != nil {
		key = p.table.Key.Def
	}
	def, err := a.DB.Definition(ctx, oid)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(def)
	if err != nil {
		return nil, err
	}
	info, err := a.DB.InfoColumns(ctx, p.table.Name)
	if err != nil {
		return nil, err
	}
	r := &iceberg.Record{
		Version: 1, RunID: p.runID, Tool: a.Version, ServerVersion: a.DB.ServerVersion(),
		SourceTable: iceberg.SourceTable{Schema: p.table.Name.Schema, Table: p.table.Name.Table},
		Leaf:        iceberg.SourceTable{Schema: p.relation.Schema, Table: p.relation.Table}, LeafOID: oid,
		Partition:    p.partition,
		PartitionKey: key, Bounds: p.bounds(), Selection: p.query(p.schema, ""),
		PrimaryKey: p.table.PrimaryKey, ArrowSchema: p.schema.Arrow().String(), Schema: p.schema,
		Definition: raw, Rows: w.digest.Rows, Digest: w.digest.String(),
		LSN: w.lsn, SnapshotTime: w.taken, ArchivedAt: p.started,
	}
	for _, c := range info {
		r.Columns = append(r.Columns, recordColumn(c))
	}
	prefix := iceberg.TableKey(p.table.Name.Schema, p.table.Name.Table) + "/"
	for _, f := range w.files {
		r.Files = append(r.Files, iceberg.RecordFile{
			Path: strings.TrimPrefix(f.key, prefix), Rows: f.info.Rows, Bytes: f.info.Bytes, SHA256: hex.EncodeToString(f.info.SHA256[:]), ETag: f.etag,
		})
	}
	return r, nil
}

func recordColumn(c postgres.InfoColumn) iceberg.RecordColumn {
	return iceberg.RecordColumn{
		Name: c.Name, DataType: c.DataType, Nullable: c.Nullable, Default: c.Default, Ordinal: c.Ordinal,
		MaxLength: c.MaxLength, Precision: c.Precision, Scale: c.Scale,
	}
}
