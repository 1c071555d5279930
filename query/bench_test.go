package query_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/query"
	"frostline/query/querytest"
)

// million is a table of two files of 500 000 rows in the layout of the archive: id sorted, grp of 1000 values at random,
// note random text.
func million(b *testing.B) *querytest.Warehouse {
	b.Helper()
	w := querytest.New(b)
	tab := w.Table(b, "s", "million", querytest.Columns(
		querytest.Col("id", coltype.Int64, coltype.WireInt8, "int8"),
		querytest.Col("grp", coltype.Int32, coltype.WireInt4, "int4"),
		querytest.Col("note", coltype.String, coltype.WireRaw, "text"),
	), iceberg.PartitionSpec{})
	r := rand.New(rand.NewPCG(1, 2))
	var files []querytest.File
	for f := range 2 {
		var file querytest.File
		for part := range 25 {
			rb := array.NewRecordBuilder(memory.DefaultAllocator, tab.T.Schema().Arrow())
			for i := range 20_000 {
				rb.Field(0).(*array.Int64Builder).Append(int64(f*500_000 + part*20_000 + i))
				rb.Field(1).(*array.Int32Builder).Append(r.Int32N(1000))
				rb.Field(2).(*array.StringBuilder).Append(fmt.Sprintf("note %d of %x", r.IntN(100_000), r.Uint32()))
				rb.Field(3).AppendNull()
			}
			file.Batches = append(file.Batches, rb.NewRecordBatch())
			rb.Release()
		}
		files = append(files, file)
	}
	tab.Add(b, "p=1", files...)
	for _, f := range files {
		for _, batch := range f.Batches {
			arrow.RecordBatch(batch).Release()
		}
	}
	return w
}

func BenchmarkQuery(b *testing.B) {
	w := million(b)
	e := engine(w, query.Options{})
	for _, bm := range []struct{ name, filter string }{
		{"lookup", "id = 765432"},
		{"range of one percent", "id BETWEEN 500000 AND 510000"},
		{"scan of an int", "grp = 77"},
		{"scan of text", "note LIKE '%77 of a%'"},
		{"first page", ""},
	} {
		for _, noPrune := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/pruned=%v", bm.name, !noPrune), func(b *testing.B) {
				for b.Loop() {
					res, err := e.Query(context.Background(), query.Request{Path: w.Store.Root() + "/s/million", Expression: bm.filter, Limit: 1000, NoPrune: noPrune})
					if err != nil {
						b.Fatal(err)
					}
					res.Release()
				}
			})
		}
	}
}
