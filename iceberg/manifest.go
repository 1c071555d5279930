package iceberg

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	icego "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"frostline/coltype"
)

// fileGroup is the live data files of one manifest that are of one partition with one partition value, by location.
type fileGroup struct {
	partition string
	source    int    // field id of the partition column, 0 without one
	transform string // of the source
	value     any    // of the partition field, nil for NULL
	files     []PlanFile
}

// manifestEntry is a manifest as a manifest list names it.
type manifestEntry struct {
	file     icego.ManifestFile
	snapshot int64 // that added it
}

// listName names what a snapshot's manifests are cached under.
func listName(snap *table.Snapshot) string {
	if snap.ManifestList == "" { // format version 1 may have no list
		return fmt.Sprint("snapshot ", snap.SnapshotID)
	}
	return snap.ManifestList
}

// manifestList reads which manifests a snapshot has.
func (c *Catalog) manifestList(ctx context.Context, t *Table, snap *table.Snapshot) ([]manifestEntry, error) {
	id := planID{table: t.UUID(), path: listName(snap)}
	if list, ok := c.plans.lists.Get(id); ok {
		return list, nil
	}
	manifests, err := manifestsOf(snap, &storeIO{ctx: ctx, store: c.store})
	if err != nil {
		return nil, err
	}
	list := make([]manifestEntry, len(manifests))
	for i, mf := range manifests {
		list[i] = manifestEntry{mf, mf.SnapshotID()}
	}
	c.plans.lists.Put(id, list, int64(len(list))*manifestEntryWeight)
	return list, nil
}

// manifestsOf reads the manifest list of a snapshot.
func manifestsOf(snap *table.Snapshot, files *storeIO) (manifests []icego.ManifestFile, err error) {
	err = guarded(func() (err error) {
		manifests, err = snap.Manifests(files)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("manifest list %s: %w", snap.ManifestList, files.corrupt(err))
	}
	return manifests, nil
}

// entriesOf reads the live entries of a manifest.
func entriesOf(mf icego.ManifestFile, files *storeIO) (live []icego.ManifestEntry, err error) {
	err = guarded(func() (err error) {
		for e, err := range mf.Entries(files, true) {
			if err != nil {
				return err
			}
			live = append(live, e)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", mf.FilePath(), files.corrupt(err))
	}
	return live, nil
}

// manifest decodes the live files of one manifest.
func (c *Catalog) manifest(ctx context.Context, t *Table, mf icego.ManifestFile) ([]fileGroup, error) {
	id := planID{table: t.UUID(), path: mf.FilePath()}
	if groups, ok := c.plans.manifests.Get(id); ok {
		return groups, nil
	}
	if mf.ManifestContent() == icego.ManifestContentDeletes {
		if !mf.HasAddedFiles() && !mf.HasExistingFiles() {
			return nil, nil
		}
		return nil, fmt.Errorf("manifest %s: %w: the table has delete files, made by another program; they cannot be applied",
			mf.FilePath(), ErrCorrupt)
	}
	live, err := entriesOf(mf, &storeIO{ctx: ctx, store: c.store})
	if err != nil {
		return nil, err
	}
	var groups []fileGroup
	err = guarded(func() (err error) {
		groups, err = t.fileGroups(live, int(mf.PartitionSpecID()))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", mf.FilePath(), err)
	}
	c.plans.manifests.Put(id, groups, groupsWeight(groups))
	return groups, nil
}

// fileGroups decodes the files of a manifest.
func (t *Table) fileGroups(live []icego.ManifestEntry, specID int) ([]fileGroup, error) {
	var groups []fileGroup
	packed := packedStats{left: len(live)}
	for _, m := range live {
		df := m.DataFile()
		g, err := t.groupOf(df, specID)
		if err != nil {
			return nil, err
		}
		// Files of one group follow each other, nearly always.
		at := len(groups) - 1
		for at >= 0 && !groups[at].same(g) {
			at--
		}
		if at < 0 {
			at, groups = len(groups), append(groups, g)
		}
		f := PlanFile{Location: strings.Clone(df.FilePath()), Rows: df.Count(), Bytes: df.FileSizeBytes(), exact: exactCells(df, t.schema.ExactKeyID)}
		f.stats = packed.add(df)
		groups[at].files = append(groups[at].files, f)
	}
	for i := range groups {
		g := &groups[i]
		g.files = slices.Clip(g.files)
		if !slices.IsSortedFunc(g.files, byLocation) {
			slices.SortFunc(g.files, byLocation)
		}
	}
	return groups, nil
}

func (g *fileGroup) same(o fileGroup) bool {
	return g.partition == o.partition && g.source == o.source && g.transform == o.transform && reflect.DeepEqual(g.value, o.value)
}

// groupOf is the group that a data file belongs to, without files.
func (t *Table) groupOf(df icego.DataFile, specID int) (g fileGroup, err error) {
	if g.partition, err = t.partitionOf(df.FilePath()); err != nil {
		return g, err
	}
	spec := t.meta.PartitionSpecByID(specID)
	if spec == nil || spec.NumFields() != 1 {
		return g, nil
	}
	field := spec.Field(0)
	if !slices.ContainsFunc(t.schema.Columns, func(c coltype.Column) bool { return c.FieldID == field.SourceID() }) {
		return g, nil
	}
	value, ok := df.Partition()[field.FieldID]
	if !ok {
		return g, nil
	}
	g.source, g.transform, g.value = field.SourceID(), field.Transform.String(), value
	return g, nil
}

// partitionOf is the name of the partition whose archive path a data file is below, "" for none (files that
// another program has written).
func (t *Table) partitionOf(location string) (string, error) {
	rest, ok := strings.CutPrefix(location, t.Location()+"/")
	if !ok {
		return "", fmt.Errorf("%w: data file %s is not below the table's location %s", ErrCorrupt, location, t.Location())
	}
	if segment, _, ok := strings.Cut(rest, "/"); ok && strings.Contains(segment, "=") {
		return decodedSegment(segment), nil
	}
	return "", nil
}
