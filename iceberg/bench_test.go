package iceberg

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"frostline/coltype"
	"frostline/internal/s3test"
	"frostline/objstore"
)

// tenThousand is a table of 10 000 files of 18 columns with statistics, in 100 partitions, each a manifest.
func tenThousand(b *testing.B, store objstore.Store) *Table {
	b.Helper()
	ctx := context.Background()
	spec := payment()
	for i := range 12 {
		spec.Columns = append(spec.Columns, coltype.Column{Name: fmt.Sprint("more", i), AttNum: 7 + i, Type: typ(coltype.Int64, "int8")})
	}
	c := NewCatalog(store)
	tbl, err := c.Ensure(ctx, spec)
	if err != nil {
		b.Fatal(err)
	}
	for i := range 100 {
		m := Commit{Partition: Partition{Name: fmt.Sprintf("at=%03d", i), RunID: fmt.Sprint("run-", i), Rows: 1000}}
		for j := range 100 {
			f := DataFile{Location: fmt.Sprintf("%s/at=%03d/data/20240102T030405-abcdefghij-%05d.parquet", tbl.Location(), i, j), Rows: 10, Bytes: 1, Tuple: Tuple{Int: int64(i)}}
			for _, col := range tbl.Schema().Columns {
				if col.Type.Kind == coltype.Int64 {
					f.Columns = append(f.Columns, ColumnStats{FieldID: col.FieldID, Bytes: 1, Values: 10, Bounds: bounds(10, long(int64(j)), long(int64(j+9)))})
				} else {
					f.Columns = append(f.Columns, ColumnStats{FieldID: col.FieldID, Bytes: 1, Values: 10, Bounds: coltype.Bounds{Rows: 10, Nulls: 1}})
				}
			}
			m.Files = append(m.Files, f)
		}
		if tbl, err = c.Commit(ctx, tbl.Key(), m); err != nil {
			b.Fatal(err)
		}
	}
	return tbl
}

// A load and a plan of 10 000 files: warm, where nothing has changed; newsnapshot, where the manifests are cached and the plan is
// to be made; cold, by a new process; onepartition, cold, for a query of one partition. bounds decodes two columns' bounds of each
// file, as a filter does.
func BenchmarkPlan(b *testing.B) {
	b.Run("file", func(b *testing.B) { benchmarkPlan(b, "file://"+b.TempDir()) })
	b.Run("s3", func(b *testing.B) { benchmarkPlan(b, s3test.Start(b).Warehouse(b)) })
}

func benchmarkPlan(b *testing.B, location string) {
	ctx := context.Background()
	store, err := objstore.Open(ctx, location, objstore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	tbl := tenThousand(b, store)
	run := func(name string, catalog func() *Catalog, plan func(*Catalog) ([]PlanPartition, error), files int) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				p, err := plan(catalog())
				n := 0
				for _, part := range p {
					n += len(part.Files)
				}
				if err != nil || n != files {
					b.Fatal(n, err)
				}
			}
		})
	}
	all := func(c *Catalog) ([]PlanPartition, error) {
		t, err := c.Load(ctx, tbl.Key())
		if err != nil {
			return nil, err
		}
		return c.Plan(ctx, t, 0)
	}
	warm := NewCatalog(store)
	plan, err := all(warm)
	if err != nil {
		b.Fatal(err)
	}
	run("warm", func() *Catalog { return warm }, all, 10_000)
	weight := warm.plans.manifests.Weight() + warm.plans.plans.Weight() + warm.plans.lists.Weight()
	run("newsnapshot", func() *Catalog {
		warm.plans.plans = newPlanCache().plans
		return warm
	}, all, 10_000)
	run("cold", func() *Catalog { return NewCatalog(store) }, all, 10_000)
	run("onepartition", func() *Catalog { return NewCatalog(store) }, func(c *Catalog) ([]PlanPartition, error) {
		t, p, err := c.Find(ctx, tbl.Location()+"/at=050")
		if err != nil {
			return nil, err
		}
		part, err := c.PlanOf(ctx, t, p)
		return []PlanPartition{part}, err
	}, 100)
	b.Run("bounds", func(b *testing.B) {
		defer func() { b.ReportMetric(float64(weight)/10_000, "cached-B/file") }()
		cols := tbl.Schema().Columns
		for b.Loop() {
			for _, p := range plan {
				for i := range p.Files {
					_, id := p.Files[i].Bounds(cols[0])
					if _, ok := p.Files[i].Bounds(cols[10]); !ok || !id {
						b.Fatal("no bounds")
					}
				}
			}
		}
	})
}

// What the cache says that it weighs is what it takes, within a third.
func TestPlanCacheWeight(t *testing.T) {
	store := fileStore(t)
	writer := NewCatalog(store)
	tbl := mustEnsure(t, writer, payment())
	const months = 12
	for i := range months {
		tbl = mustCommit(t, writer, tbl, monthCommit(t, tbl, fmt.Sprint("run-", i), 2024, 1+i, 400))
	}
	c := NewCatalog(store)
	before := heap()
	plan := mustPlan(t, c, tbl, 0)
	taken := heap() - before
	weight := c.plans.manifests.Weight() + c.plans.plans.Weight() + c.plans.lists.Weight()
	t.Logf("%d files: %d bytes of memory, weight %d: %d bytes a file", 400*months, taken, weight, taken/(400*months))
	if weight < taken*2/3 || weight > taken*3/2 {
		t.Errorf("weight %d of what takes %d bytes", weight, taken)
	}
	if taken/(400*months) > 600 {
		t.Errorf("a file takes %d bytes, want at most 600", taken/(400*months))
	}
	runtime.KeepAlive(plan)
	runtime.KeepAlive(c)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
