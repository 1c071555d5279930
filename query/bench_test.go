package query_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/parquetio"
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
			batch.Release()
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

// BenchmarkRandomKey looks up one row by a random key, and a key that is absent, in two files of 1 000 000 rows, with
// Bloom filters and without.
func BenchmarkRandomKey(b *testing.B) {
	for _, blooms := range [][]string{nil, {"key", "code"}} {
		w := querytest.New(b)
		tab := w.Table(b, "s", "random", querytest.Columns(
			querytest.Col("key", coltype.Int64, coltype.WireInt8, "int8"),
			querytest.Col("code", coltype.String, coltype.WireRaw, "text"),
			querytest.Col("note", coltype.String, coltype.WireRaw, "text"),
		), iceberg.PartitionSpec{})
		r := rand.New(rand.NewPCG(3, 4))
		var files []querytest.File
		for range 2 {
			file := querytest.File{Options: parquetio.WriteOptions{Bloom: blooms}}
			for range 50 {
				rb := array.NewRecordBuilder(memory.DefaultAllocator, tab.T.Schema().Arrow())
				for range 20_000 {
					key := r.Int64() &^ 1
					rb.Field(0).(*array.Int64Builder).Append(key)
					rb.Field(1).(*array.StringBuilder).Append(fmt.Sprintf("%016x", key))
					rb.Field(2).(*array.StringBuilder).Append(fmt.Sprintf("note %d", r.IntN(100_000)))
					rb.Field(3).AppendNull()
				}
				file.Batches = append(file.Batches, rb.NewRecordBatch())
				rb.Release()
			}
			files = append(files, file)
		}
		tab.Add(b, "p=1", files...)
		key := files[1].Batches[20].Column(0).(*array.Int64).Value(777)
		e := engine(w, query.Options{})
		for _, bm := range []struct {
			name, filter string
			rows         int64
		}{
			{"int8", fmt.Sprintf("key = %d", key), 1},
			{"absent int8", fmt.Sprintf("key = %d", key+1), 0},
			{"text", fmt.Sprintf("code = '%016x'", key), 1},
			{"absent text", fmt.Sprintf("code = '%016x'", key+1), 0},
		} {
			b.Run(fmt.Sprintf("%s/bloom=%v", bm.name, blooms != nil), func(b *testing.B) {
				var last query.Pruning
				for b.Loop() {
					res, err := e.Query(context.Background(), query.Request{Path: w.Store.Root() + "/s/random", Expression: bm.filter, Limit: 10})
					if err != nil || res.Rows != bm.rows {
						b.Fatal(err, res)
					}
					last = res.Pruning
					res.Release()
				}
				b.ReportMetric(float64(last.BytesRead), "read-B/op")
				b.ReportMetric(float64(last.BloomSkipped), "skipped/op")
			})
		}
	}
}
