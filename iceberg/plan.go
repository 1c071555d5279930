package iceberg

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"frostline/coltype"
)

// manifestReads is how many manifests are read at once: nearly all of their time is the store's first byte.
const manifestReads = 16

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
	id := planID{t.UUID(), listName(snap), t.SchemaID()}
	if plan, ok := c.plans.plans.Get(id); ok {
		return plan, nil
	}
	done, err := c.turns.take(ctx, id.path) // who comes second finds the plan of the first
	if err != nil {
		return nil, fmt.Errorf("plan %s: %w", t.key, err)
	}
	defer done()
	if plan, ok := c.plans.plans.Get(id); ok {
		return plan, nil
	}
	manifests, err := c.manifestList(ctx, t, snap)
	if err != nil {
		return nil, fmt.Errorf("plan %s: %w", t.key, err)
	}
	read, err := c.manifests(ctx, t, manifests)
	if err != nil {
		return nil, fmt.Errorf("plan %s: %w", t.key, err)
	}
	plan := t.grouped(read)
	c.plans.plans.Put(id, plan, planWeight(plan))
	return plan, nil
}

// PlanOf is the current snapshot's plan of one partition, which the table must have: ErrNoPartition. Before the whole table
// was planned it reads one manifest, not all.
func (c *Catalog) PlanOf(ctx context.Context, t *Table, partition string) (PlanPartition, error) {
	p, err := t.Partition(partition)
	if err != nil {
		return PlanPartition{}, err
	}
	none := PlanPartition{Name: partition}
	if t.current == nil {
		return none, nil
	}
	if plan, ok := c.plans.plans.Get(planID{t.UUID(), listName(t.current), t.SchemaID()}); ok {
		return partitionIn(plan, partition), nil
	}
	list, err := c.manifestList(ctx, t, t.current)
	if err != nil {
		return none, fmt.Errorf("plan %s/%s: %w", t.key, partition, err)
	}
	// The run that archived the partition made its manifest. Where that was written anew since, all are looked at.
	var own []manifestEntry
	for _, m := range list {
		if m.snapshot == p.SnapshotID {
			own = append(own, m)
		}
	}
	read, err := c.manifests(ctx, t, own)
	if err != nil {
		return none, fmt.Errorf("plan %s/%s: %w", t.key, partition, err)
	}
	found := partitionIn(t.grouped(read), partition)
	var rows, bytes int64
	for i := range found.Files {
		rows, bytes = rows+found.Files[i].Rows, bytes+found.Files[i].Bytes
	}
	if len(found.Files) == p.Files && rows == p.Rows && bytes == p.Bytes {
		return found, nil
	}
	plan, err := c.Plan(ctx, t, 0)
	return partitionIn(plan, partition), err
}

// partitionIn is the named one of plan, without files where it is not there.
func partitionIn(plan []PlanPartition, name string) PlanPartition {
	i, ok := slices.BinarySearchFunc(plan, name, func(p PlanPartition, n string) int { return cmp.Compare(p.Name, n) })
	if !ok {
		return PlanPartition{Name: name}
	}
	return plan[i]
}

// manifests are the decoded manifests of list, in its order.
func (c *Catalog) manifests(ctx context.Context, t *Table, list []manifestEntry) ([][]fileGroup, error) {
	read := make([][]fileGroup, len(list))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(manifestReads)
	for i, m := range list {
		if groups, ok := c.plans.manifests.Get(planID{table: t.UUID(), path: m.file.FilePath()}); ok {
			read[i] = groups
			continue
		}
		g.Go(func() (err error) {
			read[i], err = c.manifest(gctx, t, m.file)
			return err
		})
	}
	return read, g.Wait()
}

// grouped makes the partitions of the manifests' files.
func (t *Table) grouped(manifests [][]fileGroup) []PlanPartition {
	byName := map[string][]*fileGroup{}
	for _, groups := range manifests {
		for i := range groups {
			byName[groups[i].partition] = append(byName[groups[i].partition], &groups[i])
		}
	}
	plan := make([]PlanPartition, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		groups := byName[name]
		p := PlanPartition{Name: name, Bounds: t.impliedBounds(groups), Files: groups[0].files}
		if len(groups) > 1 {
			p.Files = nil
			for _, g := range groups {
				p.Files = append(p.Files, g.files...)
			}
			slices.SortFunc(p.Files, byLocation)
		}
		plan = append(plan, p)
	}
	return plan
}

func byLocation(a, b PlanFile) int { return cmp.Compare(a.Location, b.Location) }

// impliedBounds are what the partition values of a partition's files say of the source column.
func (t *Table) impliedBounds(groups []*fileGroup) map[int]coltype.Bounds {
	source := groups[0].source
	at := slices.IndexFunc(t.schema.Columns, func(c coltype.Column) bool { return c.FieldID == source })
	if source == 0 || at < 0 {
		return nil
	}
	column := t.schema.Columns[at]
	b := coltype.Bounds{NaNs: -1}
	known := true
	for _, g := range groups {
		if g.source != source {
			return nil
		}
		var rows int64
		for i := range g.files {
			rows += g.files[i].Rows
			if cells := g.files[i].exact; b.Exact >= 0 && cells >= 0 {
				b.Exact += cells
			} else {
				b.Exact = -1
			}
		}
		b.Rows += rows
		if g.value == nil {
			b.Nulls += rows
			continue
		}
		lo, hi := tupleBounds(PartitionSpec{Column: column.Name, Transform: g.transform}, column.Type, g.value)
		if lo == nil || hi == nil {
			known = false
			continue
		}
		if b.Min == nil || coltype.Compare(*lo, *b.Min) < 0 {
			b.Min = lo
		}
		if b.Max == nil || coltype.Compare(*hi, *b.Max) > 0 {
			b.Max = hi
		}
	}
	if !known {
		b.Min, b.Max = nil, nil
	}
	return map[int]coltype.Bounds{source: b}
}
