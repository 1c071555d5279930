package query_test

import (
	"context"
	"testing"

	"frostline/query"
	"frostline/query/querytest"
)

// BenchmarkAlgebra: aggregates and orders over a million rows, by one worker.
func BenchmarkAlgebra(b *testing.B) {
	w := querytest.New(b)
	const rows = 1_000_000
	querytest.Big(b, w, 2, rows/2)
	e := engine(w, query.Options{Workers: 1, MemoryBytes: 2 << 30})
	sum := []query.Aggregate{{Func: "sum", Column: "amount"}}
	for _, bench := range []struct {
		name string
		r    query.Request
	}{
		{"sum", query.Request{Aggregates: sum, Limit: 1}},
		{"sum-filtered", query.Request{Aggregates: sum, Limit: 1, Expression: "grp < 100"}},
		{"group-sum", query.Request{GroupBy: []string{"grp"}, Aggregates: sum, Limit: 1}},
		{"group-count-avg-max", query.Request{GroupBy: []string{"grp"}, Limit: 1, Aggregates: []query.Aggregate{{Func: "count"}, {Func: "avg", Column: "id"}, {Func: "max", Column: "amount"}}}},
		{"distinct", query.Request{Aggregates: []query.Aggregate{{Func: "count", Column: "grp", Distinct: true}}, Limit: 1}},
		{"group-many", query.Request{GroupBy: []string{"id"}, Aggregates: sum, Limit: 1}},
		{"top-number", query.Request{OrderBy: []query.Order{{Column: "amount", Desc: true}}, Limit: 100}},
		{"top-text", query.Request{OrderBy: []query.Order{{Column: "note"}}, Limit: 100}},
		{"top-sorted", query.Request{OrderBy: []query.Order{{Column: "id", Desc: true}}, Limit: 100}},
		{"extremes-text", query.Request{Aggregates: []query.Aggregate{{Func: "max", Column: "note"}}, Limit: 1}},
	} {
		bench.r.Path = w.Store.Root() + "/public/big"
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				res, err := e.Query(context.Background(), bench.r)
				if err != nil {
					b.Fatal(err)
				}
				res.Release()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}
