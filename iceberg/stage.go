package iceberg

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	icego "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
)

// staging is one try of a commit on top of one version of the table. The manifests are put together here and not
// by iceberg-go's transaction, because that builds their locations through net/url, which changes a warehouse's
// location that has a space or a "#" in it, and because it reads every manifest of the table for a replace.
type staging struct {
	t     *Table
	files *storeIO
	snap  table.Snapshot
	name  string // what is unique in the names of the files of this try
	count int    // manifests written

	addedFiles, addedRows, addedBytes       int64
	removedFiles, removedRows, removedBytes int64
}

// stage writes the manifests and the manifest list of m on top of t, and gives the metadata of the next version
// with the partition as its property says it. One run is one manifest, so that a query for one partition reads one.
func (c *Catalog) stage(ctx context.Context, t *Table, m Commit, files *storeIO) ([]byte, Partition, error) {
	p := m.Partition
	p.SchemaID = t.SchemaID()
	s := &staging{t: t, files: files, name: uuid.NewString(), snap: table.Snapshot{
		SnapshotID:     1 + rand.Int64N(1<<62),
		SequenceNumber: t.meta.LastSequenceNumber() + 1,
		TimestampMs:    max(time.Now().UnixMilli(), t.meta.LastUpdatedMillis()),
		SchemaID:       &p.SchemaID,
	}}
	p.SnapshotID = s.snap.SnapshotID
	manifests, err := s.add(m.Files)
	if err != nil {
		return nil, p, err
	}
	parent := t.current
	if parent != nil {
		s.snap.ParentSnapshotID = &parent.SnapshotID
		inherited, err := s.inherit(ctx, c, parent, p.Name)
		if err != nil {
			return nil, p, err
		}
		manifests = append(manifests, inherited...)
	}
	var list bytes.Buffer
	if err := icego.WriteManifestList(2, &list, s.snap.SnapshotID, s.snap.ParentSnapshotID, &s.snap.SequenceNumber, 0, manifests); err != nil {
		return nil, p, err
	}
	s.snap.ManifestList = fmt.Sprintf("%s/metadata/snap-%d-1-%s.avro", t.Location(), s.snap.SnapshotID, s.name)
	if err := files.WriteFile(s.snap.ManifestList, list.Bytes()); err != nil {
		return nil, p, err
	}
	s.snap.Summary = s.summary(m.summary(), parent)
	data, err := s.version(p)
	return data, p, err
}

// add writes the manifest of new files.
func (s *staging) add(files []DataFile) ([]icego.ManifestFile, error) {
	if len(files) == 0 {
		return nil, nil
	}
	added, err := s.t.dataFiles(files)
	if err != nil {
		return nil, err
	}
	mf, err := s.manifest(s.t.meta.PartitionSpec(), func(w *icego.ManifestWriter) error {
		for _, df := range added {
			s.addedFiles, s.addedRows, s.addedBytes = s.addedFiles+1, s.addedRows+df.Count(), s.addedBytes+df.FileSizeBytes()
			if err := w.Add(icego.NewManifestEntry(icego.EntryStatusADDED, &s.snap.SnapshotID, nil, nil, df)); err != nil {
				return err
			}
		}
		return nil
	})
	return []icego.ManifestFile{mf}, err
}

// inherit are the parent's manifests, those with files of the partition written anew without them.
func (s *staging) inherit(ctx context.Context, c *Catalog, parent *table.Snapshot, partition string) ([]icego.ManifestFile, error) {
	manifests, err := manifestsOf(parent, s.files)
	if err != nil {
		return nil, err
	}
	if _, err := s.t.Partition(partition); errors.Is(err, ErrNoPartition) {
		return manifests, nil // nothing to take away
	} else if err != nil {
		return nil, err
	}
	for i, mf := range manifests {
		groups, err := c.manifest(ctx, s.t, mf)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(groups, func(g fileGroup) bool { return g.partition == partition }) {
			if manifests[i], err = s.without(mf, partition); err != nil {
				return nil, err
			}
		}
	}
	return manifests, nil
}

// without writes mf anew: the partition's files are deleted, the others exist.
func (s *staging) without(mf icego.ManifestFile, partition string) (icego.ManifestFile, error) {
	entries, err := entriesOf(mf, s.files)
	if err != nil {
		return nil, err
	}
	spec := s.t.meta.PartitionSpecByID(int(mf.PartitionSpecID()))
	if spec == nil {
		return nil, fmt.Errorf("manifest %s: %w: partition spec %d is not in the table", mf.FilePath(), ErrCorrupt, mf.PartitionSpecID())
	}
	return s.manifest(*spec, func(w *icego.ManifestWriter) error {
		for _, m := range entries {
			df := m.DataFile()
			if name, err := s.t.partitionOf(df.FilePath()); err != nil || name != partition {
				if err := errors.Join(err, w.Existing(m)); err != nil {
					return err
				}
				continue
			}
			s.removedFiles, s.removedRows, s.removedBytes = s.removedFiles+1, s.removedRows+df.Count(), s.removedBytes+df.FileSizeBytes()
			if err := w.Delete(m); err != nil {
				return err
			}
		}
		return nil
	})
}

// manifest writes one manifest whose entries fill adds.
func (s *staging) manifest(spec icego.PartitionSpec, fill func(*icego.ManifestWriter) error) (mf icego.ManifestFile, err error) {
	var out bytes.Buffer
	w, err := icego.NewManifestWriter(2, &out, spec, s.t.sc, s.snap.SnapshotID)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(fill(w), w.Close()); err != nil {
		return nil, err
	}
	location := fmt.Sprintf("%s/metadata/%s-m%d.avro", s.t.Location(), s.name, s.count)
	s.count++
	if mf, err = w.ToManifestFile(location, int64(out.Len())); err != nil {
		return nil, err
	}
	return mf, s.files.WriteFile(location, out.Bytes())
}

// summary is the snapshot's summary: ours, and what the Iceberg spec's appendix F computes.
func (s *staging) summary(ours map[string]string, parent *table.Snapshot) *table.Summary {
	out := &table.Summary{Operation: table.OpAppend, Properties: ours}
	if s.removedFiles > 0 {
		out.Operation = table.OpOverwrite
		if s.addedFiles == 0 {
			out.Operation = table.OpDelete
		}
	}
	before := func(k string) int64 {
		if parent == nil || parent.Summary == nil {
			return 0
		}
		n, _ := strconv.ParseInt(parent.Summary.Properties[k], 10, 64)
		return n
	}
	for _, k := range []struct {
		added, removed, total string
		plus, minus           int64
	}{
		{"added-data-files", "deleted-data-files", "total-data-files", s.addedFiles, s.removedFiles},
		{"added-records", "deleted-records", "total-records", s.addedRows, s.removedRows},
		{"added-files-size", "removed-files-size", "total-files-size", s.addedBytes, s.removedBytes},
		{"", "", "total-delete-files", 0, 0},
		{"", "", "total-position-deletes", 0, 0},
		{"", "", "total-equality-deletes", 0, 0},
	} {
		if k.plus > 0 {
			ours[k.added] = strconv.FormatInt(k.plus, 10)
		}
		if k.minus > 0 {
			ours[k.removed] = strconv.FormatInt(k.minus, 10)
		}
		ours[k.total] = strconv.FormatInt(before(k.total)+k.plus-k.minus, 10)
	}
	return out
}

// version is the metadata of the version after t with the snapshot as its current one and p as a property.
func (s *staging) version(p Partition) ([]byte, error) {
	value, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	meta, err := table.UpdateTableMetadata(s.t.meta, []table.Update{
		table.NewAddSnapshotUpdate(&s.snap),
		table.NewSetSnapshotRefUpdate(table.MainBranch, s.snap.SnapshotID, table.BranchRef, 0, 0, 0),
		table.NewSetPropertiesUpdate(icego.Properties{propPartition + p.Name: string(value)}),
	}, s.t.MetadataLocation())
	if err != nil {
		return nil, err
	}
	return json.Marshal(meta)
}
