package iceberg

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	icego "github.com/apache/iceberg-go"
	icegoio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"frostline/coltype"
)

// stage writes the manifest and the manifest list of m on top of t, and gives the metadata of the next version
// with the partition as its property says it. One run is one manifest, so that a query for one partition reads one.
func (c *Catalog) stage(ctx context.Context, t *Table, m Commit, files *storeIO) ([]byte, Partition, error) {
	p := m.Partition
	p.SchemaID = t.SchemaID()
	added, err := t.dataFiles(m.Files)
	if err != nil {
		return nil, p, err
	}
	replaced, err := c.currentFiles(ctx, t, p.Name)
	if err != nil {
		return nil, p, err
	}
	if len(added) == 0 && len(replaced) == 0 {
		return stageEmpty(t, m, p, files)
	}
	base := table.New(table.Identifier{t.key}, t.meta, t.MetadataLocation(),
		func(context.Context) (icegoio.IO, error) { return files, nil }, nil)
	tx, err := base.NewTransactionOnBranchWithError(table.MainBranch)
	if err != nil {
		return nil, p, err
	}
	opts := []table.WriteOption{table.WithoutAutoNameMapping(), table.WithoutDuplicateCheck()}
	if len(replaced) > 0 {
		err = tx.ReplaceDataFilesWithDataFiles(ctx, replaced, added, m.summary(), opts...)
	} else {
		err = tx.AddDataFiles(ctx, added, m.summary(), opts...)
	}
	if err != nil {
		return nil, p, err
	}
	staged, err := tx.StagedTable()
	if err != nil {
		return nil, p, err
	}
	return nextVersion(t, staged.CurrentSnapshot(), p)
}

// nextVersion is the metadata of the version after t with snap as its current snapshot and p as a property.
// (Building the transaction's metadata twice would put t's file into the metadata log twice.)
func nextVersion(t *Table, snap *table.Snapshot, p Partition) ([]byte, Partition, error) {
	p.SnapshotID = snap.SnapshotID
	value, err := json.Marshal(p)
	if err != nil {
		return nil, p, err
	}
	meta, err := table.UpdateTableMetadata(t.meta, []table.Update{
		table.NewAddSnapshotUpdate(snap),
		table.NewSetSnapshotRefUpdate(table.MainBranch, snap.SnapshotID, table.BranchRef, 0, 0, 0),
		table.NewSetPropertiesUpdate(icego.Properties{propPartition + p.Name: string(value)}),
	}, t.MetadataLocation())
	if err != nil {
		return nil, p, err
	}
	data, err := json.Marshal(meta)
	return data, p, err
}

// stageEmpty is stage for a partition without rows that takes no files away: a snapshot with the manifests of its
// parent. iceberg-go makes none for it.
func stageEmpty(t *Table, m Commit, p Partition, files *storeIO) ([]byte, Partition, error) {
	parent := t.meta.CurrentSnapshot()
	summary := table.Summary{Operation: table.OpAppend, Properties: m.summary()}
	for _, k := range []string{"total-data-files", "total-delete-files", "total-records", "total-files-size",
		"total-position-deletes", "total-equality-deletes"} {
		summary.Properties[k] = "0"
		if parent != nil && parent.Summary != nil && parent.Summary.Properties[k] != "" {
			summary.Properties[k] = parent.Summary.Properties[k]
		}
	}
	schemaID := p.SchemaID
	snap := table.Snapshot{
		SnapshotID:     1 + rand.Int64N(1<<62),
		SequenceNumber: t.meta.LastSequenceNumber() + 1,
		TimestampMs:    max(time.Now().UnixMilli(), t.meta.LastUpdatedMillis()),
		Summary:        &summary,
		SchemaID:       &schemaID,
	}
	var manifests []icego.ManifestFile
	if parent != nil {
		snap.ParentSnapshotID = &parent.SnapshotID
		err := guarded(func() (err error) {
			manifests, err = parent.Manifests(files)
			return err
		})
		if err != nil {
			return nil, p, err
		}
	}
	var list bytes.Buffer
	err := icego.WriteManifestList(2, &list, snap.SnapshotID, snap.ParentSnapshotID, &snap.SequenceNumber, 0, manifests)
	if err != nil {
		return nil, p, err
	}
	snap.ManifestList = t.Location() + "/metadata/snap-" + strconv.FormatInt(snap.SnapshotID, 10) + "-0-" + uuid.NewString() + ".avro"
	if err := files.WriteFile(snap.ManifestList, list.Bytes()); err != nil {
		return nil, p, err
	}
	return nextVersion(t, &snap, p)
}

// currentFiles are the partition's files in the current snapshot, as iceberg-go wants files named that go away.
func (c *Catalog) currentFiles(ctx context.Context, t *Table, partition string) ([]icego.DataFile, error) {
	if _, err := t.Partition(partition); err != nil {
		return nil, nil
	}
	plan, err := c.Plan(ctx, t, 0)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(plan, func(p PlanPartition) bool { return p.Name == partition })
	if i < 0 {
		return nil, nil
	}
	var files []icego.DataFile
	for _, f := range plan[i].Files {
		b, err := icego.NewDataFileBuilder(t.meta.PartitionSpec(), icego.EntryContentData, f.Location, icego.ParquetFile, nil, nil, nil, f.Rows, f.Bytes)
		if err != nil {
			return nil, err
		}
		files = append(files, b.Build())
	}
	return files, nil
}

// dataFiles are files with their statistics as Iceberg writes them.
func (t *Table) dataFiles(files []DataFile) ([]icego.DataFile, error) {
	spec := t.meta.PartitionSpec()
	types := leafTypes(t.schema)
	out := make([]icego.DataFile, 0, len(files))
	for _, f := range files {
		tuple := map[int]any{}
		for i := range spec.NumFields() {
			field := spec.Field(i)
			value, err := partitionValue(f.Tuple, t.spec.Transform, types[field.SourceID()])
			if err != nil {
				return nil, fmt.Errorf("data file %s: %w", f.Location, err)
			}
			tuple[field.FieldID] = value
		}
		b, err := icego.NewDataFileBuilder(spec, icego.EntryContentData, f.Location, icego.ParquetFile, tuple, nil, nil, f.Rows, f.Bytes)
		if err != nil {
			return nil, fmt.Errorf("data file %s: %w", f.Location, err)
		}
		t.setStats(b, f)
		out = append(out, b.Build())
	}
	return out, nil
}

// setStats sets the counts and bounds of a file.
func (t *Table) setStats(b *icego.DataFileBuilder, f DataFile) {
	types := leafTypes(t.schema)
	sizes, values, nulls, nans := map[int]int64{}, map[int]int64{}, map[int]int64{}, map[int]int64{}
	lower, upper := map[int][]byte{}, map[int][]byte{}
	exact := int64(-1)
	for _, s := range f.Columns {
		sizes[s.FieldID], values[s.FieldID] = s.Bytes, s.Values
		if s.Bounds.Nulls >= 0 {
			nulls[s.FieldID] = s.Bounds.Nulls
		}
		exact = max(exact, s.Bounds.Exact)
		typ, flat := types[s.FieldID]
		if !flat {
			continue
		}
		if s.Bounds.NaNs >= 0 && (typ.Kind == coltype.Float32 || typ.Kind == coltype.Float64) {
			nans[s.FieldID] = s.Bounds.NaNs
		}
		if lo := encodeBound(typ, s.Bounds.Min, false); lo != nil {
			lower[s.FieldID] = lo
		}
		if hi := encodeBound(typ, s.Bounds.Max, true); hi != nil {
			upper[s.FieldID] = hi
		}
	}
	// The number of exact cells is kept as the non-null keys of the side column.
	if key := t.schema.ExactKeyID; exact >= 0 {
		values[key] = max(values[key], exact)
		nulls[key] = values[key] - exact
	}
	b.ColumnSizes(sizes).ValueCounts(values).NullValueCounts(nulls).NaNValueCounts(nans).
		LowerBoundValues(lower).UpperBoundValues(upper)
	if len(f.SplitOffsets) > 0 {
		b.SplitOffsets(f.SplitOffsets)
	}
}
