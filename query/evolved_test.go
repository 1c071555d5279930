package query_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/query"
	"frostline/query/querytest"
)

// Aggregates, orders and snapshots over partitions that were archived with other columns: one renamed (its infinity stands in the side
// column under the old name), one of another type, one new.
func TestAlgebraOfEvolvedTable(t *testing.T) {
	id := querytest.Col("id", coltype.Int64, coltype.WireInt8, "int8")
	at := querytest.Col("at", coltype.Timestamp, coltype.WireTimestamp, "timestamp")
	w := querytest.New(t)
	old := w.Table(t, "s", "t", querytest.Columns(id, querytest.Col("v", coltype.Int32, coltype.WireInt4, "int4"), at), iceberg.PartitionSpec{})
	old.Add(t, "p=1", querytest.File{Batches: []arrow.RecordBatch{old.Rows(t,
		`{"id":1,"v":10,"at":null,"_pg_exact":[{"key":"at","value":"infinity"}]},{"id":2,"v":20,"at":"2024-01-01 00:00:00"}`)}})
	e := engine(w, query.Options{})
	root := w.Store.Root() + "/s/t"
	_, before := ids(t, e, query.Request{Path: root, Columns: []string{"id"}, Limit: 10})

	at.Name = "happened"
	tab := w.Table(t, "s", "t", querytest.Columns(id, querytest.Col("v", coltype.String, coltype.WireRaw, "text"), at,
		querytest.Col("extra", coltype.Bool, coltype.WireBool, "bool")), iceberg.PartitionSpec{})
	tab.Add(t, "p=2", querytest.File{Batches: []arrow.RecordBatch{tab.Rows(t, `{"id":3,"v":"x","happened":"2024-05-01 00:00:00","extra":true}`)}})

	agg := func(f, c string) query.Aggregate { return query.Aggregate{Func: f, Column: c} }
	for _, tt := range []struct {
		name     string
		r        query.Request
		want     []string
		warnings int
	}{
		{"extremes", query.Request{Path: root, Aggregates: []query.Aggregate{agg("max", "happened"), agg("min", "happened"), agg("count", "happened"), agg("count", "extra")}},
			[]string{"infinity 2024-01-01 00:00:00 3 1"}, 0},
		{"of another type then", query.Request{Path: root, Aggregates: []query.Aggregate{agg("max", "v"), agg("count", "v")}}, []string{"x 1"}, 1},
		{"with the type of then", query.Request{Path: root + "/p=1", Aggregates: []query.Aggregate{agg("sum", "v")}}, []string{"30"}, 0},
		{"groups", query.Request{Path: root, GroupBy: []string{"happened", "extra"}, Aggregates: []query.Aggregate{{Func: "count"}}},
			[]string{"2024-01-01 00:00:00 <NULL> 1", "2024-05-01 00:00:00 t 1", "infinity <NULL> 1"}, 0},
		{"order", query.Request{Path: root, Columns: []string{"id", "happened"}, OrderBy: []query.Order{{Column: "happened", Desc: true}}},
			[]string{"1 infinity", "3 2024-05-01 00:00:00", "2 2024-01-01 00:00:00"}, 0},
		{"the snapshot before", query.Request{Path: root, Columns: []string{"id", "happened", "extra"}, OrderBy: []query.Order{{Column: "id"}}, Snapshot: before.Snapshot},
			[]string{"1 infinity <NULL>", "2 2024-01-01 00:00:00 <NULL>"}, 0},
		{"a partition of the snapshot before", query.Request{Path: root + "/p=1", Columns: []string{"v", "happened"}, OrderBy: []query.Order{{Column: "v", Desc: true}}, Snapshot: before.Snapshot},
			[]string{"20 2024-01-01 00:00:00", "10 infinity"}, 0},
	} {
		tt.r.Limit = 10
		for _, noPrune := range []bool{false, true} {
			tt.r.NoPrune = noPrune
			res, err := e.Query(context.Background(), tt.r)
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			var got []string
			for _, row := range texts(t, res.Columns, res.Batches) {
				got = append(got, strings.Join(row, " "))
			}
			if !slices.Equal(got, tt.want) || len(res.Warnings) != tt.warnings {
				t.Errorf("%s: got %q with warnings %q, want %q", tt.name, got, res.Warnings, tt.want)
			}
			res.Release()
		}
	}
}
