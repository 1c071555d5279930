package iceberg

import (
	"context"
	"fmt"
	"testing"

	"frostline/objstore"
)

// A plan over 10 000 files in 100 manifests, from the cache and from the store.
func BenchmarkPlan(b *testing.B) {
	ctx := context.Background()
	store, err := objstore.Open(ctx, "file://"+b.TempDir(), objstore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	c := NewCatalog(store)
	tbl, err := c.Ensure(ctx, payment())
	if err != nil {
		b.Fatal(err)
	}
	for i := range 100 {
		m := Commit{Partition: Partition{Name: fmt.Sprintf("at=%03d", i), RunID: fmt.Sprint("run-", i), Rows: 1000}}
		for j := range 100 {
			f := DataFile{Location: fmt.Sprintf("%s/at=%03d/data/%03d.parquet", tbl.Location(), i, j), Rows: 10, Bytes: 1, Tuple: Tuple{Int: int64(i)}}
			for _, col := range tbl.Schema().Columns[:4] {
				f.Columns = append(f.Columns, ColumnStats{FieldID: col.FieldID, Bytes: 1, Values: 10, Bounds: bounds(10, long(int64(j)), long(int64(j+9)))})
			}
			m.Files = append(m.Files, f)
		}
		if tbl, err = c.Commit(ctx, tbl.Key(), m); err != nil {
			b.Fatal(err)
		}
	}
	run := func(name string, catalog func() *Catalog) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				plan, err := catalog().Plan(ctx, tbl, 0)
				if err != nil || len(plan) != 100 || len(plan[99].Files) != 100 {
					b.Fatal(len(plan), err)
				}
			}
		})
	}
	warm := NewCatalog(store)
	if _, err := warm.Plan(ctx, tbl, 0); err != nil {
		b.Fatal(err)
	}
	run("warm", func() *Catalog { return warm })
	run("cold", func() *Catalog { return NewCatalog(store) })
	run("newsnapshot", func() *Catalog {
		warm.plans.plans = newPlanCache().plans // manifests cached, the plan to be made
		return warm
	})
}
