package iceberg

import (
	"context"
	"fmt"
	"slices"
	"sync"

	icego "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"frostline/objstore"
)

// referenceReads is how many manifest lists and manifests are read at once.
const referenceReads = 8

// References are the keys of all objects that a version of a table names: the manifest lists of all its snapshots, not only of
// the current one, their manifests, the live data and delete files of those, the records of the runs that made the snapshots and
// the partitions, statistics, and the metadata files of this and earlier versions that it still lists.
//
// Snapshots in without are taken for gone: what only they name is left out.
//
// ErrCorrupt when something of it cannot be read, and objstore.ErrOutside when a file lies outside the warehouse: whoever
// removes what is not referenced must then remove nothing of the table.
func (c *Catalog) References(ctx context.Context, t *Table, without ...Snapshot) (map[string]bool, error) {
	r := &references{c: c, files: &storeIO{ctx: ctx, store: c.store}, without: map[int64]bool{}, keys: map[string]bool{}}
	for _, s := range without {
		r.without[s.ID] = true
	}
	err := guarded(func() error { return r.all(ctx, t) })
	if err != nil {
		return nil, fmt.Errorf("references of %s, version %d: %w", t.key, t.version, err)
	}
	return r.keys, nil
}

type references struct {
	c       *Catalog
	files   *storeIO
	without map[int64]bool

	mu   sync.Mutex
	keys map[string]bool
}

func (r *references) all(ctx context.Context, t *Table) error {
	r.keys[versionKey(t.key, t.version)] = true
	for _, p := range t.parts {
		r.keys[t.key+"/"+p.Record] = true
	}
	var named []string // locations
	for earlier := range t.meta.PreviousFiles() {
		named = append(named, earlier.MetadataFile)
	}
	for s := range t.meta.Statistics() {
		if !r.without[s.SnapshotID] {
			named = append(named, s.StatisticsPath)
		}
	}
	for s := range t.meta.PartitionStatistics() {
		if !r.without[s.SnapshotID] {
			named = append(named, s.StatisticsPath)
		}
	}
	if err := r.add(named...); err != nil {
		return err
	}
	manifests, err := r.manifests(ctx, t)
	if err != nil {
		return err
	}
	g, _ := errgroup.WithContext(ctx)
	g.SetLimit(referenceReads)
	for _, mf := range manifests {
		g.Go(func() error {
			live, err := entriesOf(mf, r.files)
			if err != nil {
				return err
			}
			for _, e := range live {
				if err := r.add(e.DataFile().FilePath()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// manifests are those of all snapshots, each once. The lists and the runs' records are added on the way.
func (r *references) manifests(ctx context.Context, t *Table) (map[string]icego.ManifestFile, error) {
	found := map[string]icego.ManifestFile{}
	g, _ := errgroup.WithContext(ctx)
	g.SetLimit(referenceReads)
	for _, s := range r.snapshots(t) {
		if s.Summary != nil {
			if run, partition := s.Summary.Properties[summaryRunID], s.Summary.Properties[summaryPartition]; run != "" {
				r.keys[t.key+"/"+RecordKey(partition, run)] = true
			}
		}
	}
	for _, s := range r.snapshots(t) {
		g.Go(func() error { return r.snapshot(&s, found) })
	}
	return found, g.Wait()
}

func (r *references) snapshots(t *Table) []table.Snapshot {
	return slices.DeleteFunc(slices.Clone(t.meta.Snapshots()), func(s table.Snapshot) bool { return r.without[s.SnapshotID] })
}

func (r *references) snapshot(s *table.Snapshot, found map[string]icego.ManifestFile) error {
	if s.ManifestList != "" {
		if err := r.add(s.ManifestList); err != nil {
			return err
		}
	}
	manifests, err := manifestsOf(s, r.files)
	if err != nil {
		return fmt.Errorf("snapshot %d: %w", s.SnapshotID, err)
	}
	for _, mf := range manifests {
		if err := r.add(mf.FilePath()); err != nil {
			return err
		}
		r.mu.Lock()
		found[mf.FilePath()] = mf
		r.mu.Unlock()
	}
	return nil
}

func (r *references) add(locations ...string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range locations {
		key, err := objstore.Key(r.c.store, l)
		if err != nil {
			return err
		}
		r.keys[key] = true
	}
	return nil
}
