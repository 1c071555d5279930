package iceberg

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	icego "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"frostline/coltype"
)

// Plan lists the data files of a snapshot (0: the current one) by partition in name order. Manifests are decoded once
// and cached by path; a plan made again is the same one, and nobody may change it. It is the caller who
// prunes. ErrNoSnapshot; ErrCorrupt for metadata that cannot be read, and for a snapshot with delete files, which this
// program does not write and does not apply.
func (c *Catalog) Plan(ctx context.Context, t *Table, snapshotID int64) ([]PlanPartition, error) {
	snap := t.current
	if snapshotID != 0 && snapshotID != t.SnapshotID() {
		snap = t.meta.SnapshotByID(snapshotID)
		if snap == nil {
			return nil, fmt.Errorf("plan %s: snapshot %d: %w", t.key, snapshotID, ErrNoSnapshot)
		}
	}
	if snap == nil {
		return nil, nil
	}
	id := planID{t.UUID(), snap.ManifestList, t.SchemaID()}
	if plan, ok := c.plans.plan(id); ok {
		return plan, nil
	}
	manifests, err := manifestsOf(snap, &storeIO{ctx: ctx, store: c.store})
	if err != nil {
		return nil, fmt.Errorf("plan %s: %w", t.key, err)
	}
	read := make([][]planEntry, len(manifests))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i, mf := range manifests {
		g.Go(func() (err error) {
			read[i], err = c.manifest(gctx, t, mf)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("plan %s: %w", t.key, err)
	}
	plan := grouped(read)
	c.plans.keepPlan(id, plan)
	return plan, nil
}

// grouped makes the partitions of the manifests' entries.
func grouped(manifests [][]planEntry) []PlanPartition {
	byName := map[string][]*planEntry{}
	for _, entries := range manifests {
		for i := range entries {
			byName[entries[i].partition] = append(byName[entries[i].partition], &entries[i])
		}
	}
	byLocation := func(a, b *planEntry) int { return cmp.Compare(a.file.Location, b.file.Location) }
	var plan []PlanPartition
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		entries := byName[name]
		if !slices.IsSortedFunc(entries, byLocation) {
			slices.SortFunc(entries, byLocation)
		}
		p := PlanPartition{Name: name, Bounds: impliedBounds(entries), Files: make([]PlanFile, len(entries))}
		for i, e := range entries {
			p.Files[i] = e.file
		}
		plan = append(plan, p)
	}
	return plan
}

// planEntry is one data file as its manifest says it.
type planEntry struct {
	partition string
	file      PlanFile
	source    int // field id of the partition column, 0 without one
	null      bool
	lo, hi    *coltype.Value // what the file's partition value implies
}

// impliedBounds are what the partition values of a partition's files say of the source column.
func impliedBounds(entries []*planEntry) map[int]coltype.Bounds {
	source := entries[0].source
	if source == 0 {
		return nil
	}
	b := coltype.Bounds{NaNs: -1}
	known := true
	for _, e := range entries {
		if e.source != source {
			return nil
		}
		b.Rows += e.file.Rows
		cells := e.file.Bounds[source].Exact
		if b.Exact >= 0 && cells >= 0 {
			b.Exact += cells
		} else {
			b.Exact = -1
		}
		if e.null {
			if b.Nulls >= 0 {
				b.Nulls += e.file.Rows
			}
			continue
		}
		if e.lo == nil || e.hi == nil {
			known = false
			continue
		}
		if b.Min == nil || coltype.Compare(*e.lo, *b.Min) < 0 {
			b.Min = e.lo
		}
		if b.Max == nil || coltype.Compare(*e.hi, *b.Max) > 0 {
			b.Max = e.hi
		}
	}
	if !known {
		b.Min, b.Max = nil, nil
	}
	return map[int]coltype.Bounds{source: b}
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

// manifest decodes the live entries of one manifest.
func (c *Catalog) manifest(ctx context.Context, t *Table, mf icego.ManifestFile) ([]planEntry, error) {
	id := planID{t.UUID(), mf.FilePath(), t.SchemaID()}
	if entries, ok := c.plans.manifest(id); ok {
		return entries, nil
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
	entries := make([]planEntry, 0, len(live))
	for _, m := range live {
		var e planEntry
		err := guarded(func() (err error) {
			e, err = t.entry(m.DataFile(), int(mf.PartitionSpecID()))
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("manifest %s: %w", mf.FilePath(), err)
		}
		entries = append(entries, e)
	}
	c.plans.keepManifest(id, entries)
	return entries, nil
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

// entry decodes one data file of a manifest.
func (t *Table) entry(df icego.DataFile, specID int) (planEntry, error) {
	e := planEntry{file: PlanFile{Location: df.FilePath(), Rows: df.Count(), Bytes: df.FileSizeBytes()}}
	var err error
	if e.partition, err = t.partitionOf(e.file.Location); err != nil {
		return e, err
	}
	e.file.Bounds = t.fileBounds(df)
	spec := t.meta.PartitionSpecByID(specID)
	if spec == nil || spec.NumFields() != 1 {
		return e, nil
	}
	field := spec.Field(0)
	for _, c := range t.schema.Columns {
		if c.FieldID != field.SourceID() {
			continue
		}
		e.source = c.FieldID
		value, ok := df.Partition()[field.FieldID]
		switch {
		case !ok:
			e.source = 0
		case value == nil:
			e.null = true
		default:
			e.lo, e.hi = tupleBounds(PartitionSpec{Column: c.Name, Transform: field.Transform.String()}, c.Type, value)
		}
	}
	return e, nil
}

// fileBounds decodes the statistics of a file for the columns of the current schema. What is missing or makes no
// sense is unknown. A column that the file says nothing of has no entry.
func (t *Table) fileBounds(df icego.DataFile) map[int]coltype.Bounds {
	rows, values, nulls, nans := df.Count(), df.ValueCounts(), df.NullValueCounts(), df.NaNValueCounts()
	lower, upper := df.LowerBoundValues(), df.UpperBoundValues()
	exact := int64(-1)
	if v, ok := values[t.schema.ExactKeyID]; ok {
		if n, ok := nulls[t.schema.ExactKeyID]; ok && n >= 0 && n <= v {
			exact = v - n
		}
	}
	out := make(map[int]coltype.Bounds, len(t.schema.Columns))
	for _, c := range t.schema.Columns {
		if _, ok := values[c.FieldID]; !ok || c.Type.Kind == coltype.List {
			if _, ok := nulls[c.FieldID]; !ok {
				continue
			}
		}
		b := coltype.Bounds{Rows: rows, Nulls: -1, Exact: exact}
		if n, ok := nulls[c.FieldID]; ok && n >= 0 && n <= rows {
			b.Nulls = n
		}
		if c.Type.Kind == coltype.Float32 || c.Type.Kind == coltype.Float64 || c.Type.Base == "numeric" {
			b.NaNs = -1
			if n, ok := nans[c.FieldID]; ok && n >= 0 {
				b.NaNs = n
			}
		}
		if raw, ok := lower[c.FieldID]; ok {
			b.Min = decodeBound(c.Type, raw)
		}
		if raw, ok := upper[c.FieldID]; ok {
			b.Max = decodeBound(c.Type, raw)
		}
		if b.Min != nil && b.Max != nil && coltype.Compare(*b.Min, *b.Max) > 0 {
			b.Min, b.Max = nil, nil
		}
		out[c.FieldID] = b
	}
	return out
}

// planID names a decoded manifest or manifest list: the bounds depend on the schema they are decoded for.
type planID struct {
	table, path string
	schema      int
}

// cachedFiles is how many decoded data files the cache holds at most; about 5 kB each with 20 columns.
const cachedFiles = 50_000

// planCache keeps decoded manifests and plans. When it is full it is emptied.
type planCache struct {
	mu        sync.Mutex
	files     int
	manifests map[planID][]planEntry
	plans     map[planID][]PlanPartition
}

func (p *planCache) plan(id planID) ([]PlanPartition, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	plan, ok := p.plans[id]
	return plan, ok
}

func (p *planCache) manifest(id planID) ([]planEntry, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	entries, ok := p.manifests[id]
	return entries, ok
}

// keepPlan keeps the newest plans only: each is a list of its own over the manifests' shared bounds.
func (p *planCache) keepPlan(id planID, plan []PlanPartition) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.plans == nil || len(p.plans) >= 16 {
		p.plans = map[planID][]PlanPartition{}
	}
	p.plans[id] = plan
}

func (p *planCache) keepManifest(id planID, entries []planEntry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.manifests == nil || p.files+len(entries) > cachedFiles {
		p.manifests, p.files = map[planID][]planEntry{}, 0
	}
	p.manifests[id] = entries
	p.files += len(entries)
}
