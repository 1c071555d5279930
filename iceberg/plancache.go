package iceberg

import (
	"context"
	"math"
	"sync"
	"unsafe"

	"frostline/internal/lru"
)

// planID names a manifest, a manifest list, or a plan, whose implied bounds depend on the schema.
type planID struct {
	table, path string
	schema      int // of a plan, else 0
}

// What the cache of plans holds at most, in bytes of memory: 20 000 files of 20 columns are some 15 MB.
const (
	manifestBytes = 64 << 20
	planBytes     = 16 << 20
	listBytes     = 16 << 20
)

// planCache keeps decoded manifests by their path, manifest lists, and plans, which share the manifests' files. None of them
// ever changes.
type planCache struct {
	manifests *lru.Cache[planID, []fileGroup]
	lists     *lru.Cache[planID, []manifestEntry]
	plans     *lru.Cache[planID, []PlanPartition]
}

func newPlanCache() planCache {
	return planCache{
		manifests: lru.New[planID, []fileGroup](math.MaxInt, manifestBytes),
		lists:     lru.New[planID, []manifestEntry](math.MaxInt, listBytes),
		plans:     lru.New[planID, []PlanPartition](math.MaxInt, planBytes),
	}
}

// manifestEntryWeight is what an entry of a manifest list takes, with its path and its partition summaries.
const manifestEntryWeight = 1 << 10

// entryOverhead is what the cache itself takes for one value: the key with its path, the map's slot, the list's element.
const entryOverhead = 512

func groupsWeight(groups []fileGroup) int64 {
	n := int64(entryOverhead)
	for i := range groups {
		g := &groups[i]
		n += int64(unsafe.Sizeof(*g)) + int64(len(g.partition)) + 64 // the partition value
		for j := range g.files {
			f := &g.files[j]
			n += int64(unsafe.Sizeof(*f)) + int64(len(f.Location)) + int64(len(f.stats))
		}
	}
	return n
}

// planWeight counts what a plan does not share with its manifests: the partitions with their implied bounds, and the lists of
// files that were put together of several manifests, which it takes for all.
func planWeight(plan []PlanPartition) int64 {
	n := int64(entryOverhead)
	for i := range plan {
		n += 1<<10 + int64(len(plan[i].Name)) + int64(len(plan[i].Files))*int64(unsafe.Sizeof(PlanFile{}))
	}
	return n
}

// turns lets one caller at a time work on a thing, so that the others find it done.
type turns struct {
	mu sync.Mutex
	m  map[string]*turn
}

type turn struct {
	free    chan struct{} // holds one value while nobody works
	waiting int           // and working
}

// take waits for the turn at what; done ends it. The error is that of ctx.
func (t *turns) take(ctx context.Context, what string) (done func(), err error) {
	t.mu.Lock()
	if t.m == nil {
		t.m = map[string]*turn{}
	}
	w := t.m[what]
	if w == nil {
		w = &turn{free: make(chan struct{}, 1)}
		w.free <- struct{}{}
		t.m[what] = w
	}
	w.waiting++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if w.waiting--; w.waiting == 0 {
			delete(t.m, what)
		}
	}
	select {
	case <-w.free:
		return func() { w.free <- struct{}{}; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
