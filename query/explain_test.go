package query_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/internal/s3test"
	"frostline/query"
	"frostline/query/querytest"
)

// brief is an explanation's verdicts in a line for each file.
func brief(x *query.Explanation) []string {
	var out []string
	for _, f := range x.Files {
		s := fmt.Sprintf("%s %s by %q:", f.Partition, f.Verdict, f.By)
		for _, g := range f.RowGroups {
			s += fmt.Sprintf(" %s/%s/%d", g.Verdict, g.By, g.Left)
		}
		out = append(out, s)
	}
	return out
}

func TestExplain(t *testing.T) {
	w := querytest.Events(t)
	e := engine(w, query.Options{PricePerTB: 1e6})
	table := w.Store.Root() + "/public/events"
	for _, tt := range []struct {
		name string
		r    query.Request
		rows int64
		want []string
	}{
		{"partition, bounds, row group and page", query.Request{Expression: "id = 3500 AND day >= '2024-02-01'", Limit: 10}, 100, []string{
			`month=2024-01 none by "partition":`, `month=2024-01 none by "partition":`,
			`month=2024-02 none by "bounds":`, `month=2024-02 some by "": none/bounds/0 some/page/100 none/bounds/0`,
			`month=2024-03 none by "bounds":`, `month=2024-03 none by "bounds":`}},
		{"all of some", query.Request{Path: "/month=2024-02", Expression: "id >= 2400", Limit: 0}, 1600, []string{
			`month=2024-02 some by "": none/bounds/0 all/bounds/400 all/bounds/200`, `month=2024-02 all by "bounds":`}},
		{"no filter", query.Request{Path: "/month=2024-01", Limit: 5, OrderBy: []query.Order{{Column: "grp"}}}, 2000, []string{
			`month=2024-01 all by "partition": all/bounds/400 all/bounds/400 all/bounds/200`, `month=2024-01 all by "partition": all/bounds/400 all/bounds/400 all/bounds/200`}},
	} {
		tt.r.Path = table + tt.r.Path
		x, err := e.Explain(context.Background(), tt.r)
		if err != nil {
			t.Fatal(err)
		}
		if got := brief(x); !slices.Equal(got, tt.want) || x.Rows != tt.rows {
			t.Errorf("%s: %d rows, want %d\ngot  %s\nwant %s", tt.name, x.Rows, tt.rows, strings.Join(got, "\n     "), strings.Join(tt.want, "\n     "))
		}
		if x.Pruning.PagesRead != 0 {
			t.Errorf("%s: %d data pages were read", tt.name, x.Pruning.PagesRead)
		}
		res, err := e.Query(context.Background(), tt.r)
		if err != nil {
			t.Fatal(err)
		}
		// The estimate is from above. Files this small are read with their footers.
		if res.Pruning.BytesRead > x.Bytes || (x.Bytes == 0) != (res.Pruning.PagesRead == 0) || x.Cost != float64(x.Bytes)/1e6 {
			t.Errorf("%s: %d bytes for %g, and %d were read", tt.name, x.Bytes, x.Cost, res.Pruning.BytesRead)
		}
		// An order leaves out row groups that cannot be among the first, which it learns as it goes.
		if p := res.Pruning; len(tt.r.OrderBy) == 0 && x.Pruning.Files != p.Files || len(tt.r.OrderBy) == 0 && (x.Pruning.Partitions != p.Partitions || x.Pruning.RowGroups != p.RowGroups || x.Pruning.Pages != p.Pages) {
			t.Errorf("%s: explained %+v, was %+v", tt.name, x.Pruning, p)
		}
		res.Release()
	}
	var qe *query.Error
	if _, err := e.Explain(context.Background(), query.Request{Path: table, Expression: "idd = 1"}); !errors.As(err, &qe) || qe.Reason != "unknown_column" {
		t.Errorf("got %v", err)
	}
}

// Counts, minima and maxima that statistics prove read no data page; what they do not prove is read.
func TestAggregatesByMetadata(t *testing.T) {
	w := querytest.Events(t)
	table := w.Store.Root() + "/public/events"
	count := query.Aggregate{Func: "count"}
	of := func(f, c string) query.Aggregate { return query.Aggregate{Func: f, Column: c} }
	for _, tt := range []struct {
		name   string
		filter string
		list   []query.Aggregate
		want   string
		pages  bool
	}{
		{"all", "", []query.Aggregate{count, of("min", "id"), of("max", "id"), of("count", "even"), of("max", "grp"), of("min", "day")}, "6000 0 5999 3000 59 2024-01-01", false},
		{"whole files and a part", "id >= 1000 AND id < 2400", []query.Aggregate{count, of("max", "id")}, "1400 2399", false},
		{"a part of a page", "id >= 1000 AND id < 2450", []query.Aggregate{count, of("max", "even")}, "1450 2448", true},
		{"only a count", "id < 2450", []query.Aggregate{count}, "2450", true},
		{"infinity stands aside", "id < 1000", []query.Aggregate{of("max", "ts"), of("min", "ts"), of("count", "ts")}, "infinity 2024-01-01 00:00:00 1000", true},
		{"text is cut", "id < 1000", []query.Aggregate{of("max", "name")}, "n0999", true},
		{"a sum", "id < 1000", []query.Aggregate{of("sum", "id")}, "499500", true},
		{"nothing", "id < 0", []query.Aggregate{count, of("min", "id"), of("sum", "id"), of("avg", "grp")}, "0 <NULL> <NULL> <NULL>", false},
	} {
		e := engine(w, query.Options{})
		r := query.Request{Path: table, Expression: tt.filter, Aggregates: tt.list, Limit: 10}
		for _, noPrune := range []bool{false, true} {
			r.NoPrune = noPrune
			res, err := e.Query(context.Background(), r)
			if err != nil {
				t.Fatal(err)
			}
			rows := texts(t, res.Columns, res.Batches)
			if len(rows) != 1 || strings.Join(rows[0], " ") != tt.want {
				t.Errorf("%s: got %q, want %q", tt.name, rows, tt.want)
			}
			if pages := res.Pruning.PagesRead > 0; !noPrune && pages != tt.pages {
				t.Errorf("%s: %d pages read", tt.name, res.Pruning.PagesRead)
			}
			res.Release()
		}
		freed(t, e)
	}
}

// Every mistake in aggregates, groups and orders is a bad request that names its field.
func TestBadAggregates(t *testing.T) {
	w := querytest.Events(t)
	e := engine(w, query.Options{})
	table := w.Store.Root() + "/public/events"
	long := make([]query.Aggregate, 300)
	for _, tt := range []struct {
		name, reason, field, hint string
		r                         query.Request
	}{
		{"function", "unknown_aggregate", "aggregates", `did you mean "count"?`, query.Request{Aggregates: []query.Aggregate{{Func: "coutn"}}}},
		{"column", "unknown_column", "aggregates", `did you mean "even"?`, query.Request{Aggregates: []query.Aggregate{{Func: "sum", Column: "evne"}}}},
		{"sum of text", "type_mismatch", "aggregates", "", query.Request{Aggregates: []query.Aggregate{{Func: "sum", Column: "name"}}}},
		{"avg of a date", "type_mismatch", "aggregates", "", query.Request{Aggregates: []query.Aggregate{{Func: "avg", Column: "day"}}}},
		{"sum of nothing", "bad_aggregate", "aggregates", "", query.Request{Aggregates: []query.Aggregate{{Func: "sum"}}}},
		{"count(distinct *)", "bad_aggregate", "aggregates", "", query.Request{Aggregates: []query.Aggregate{{Func: "count", Distinct: true}}}},
		{"two of a name", "duplicate_column", "aggregates", "", query.Request{Aggregates: []query.Aggregate{{Func: "count"}, {Func: "count"}}}},
		{"a name of a group", "duplicate_column", "aggregates", "", query.Request{GroupBy: []string{"grp"}, Aggregates: []query.Aggregate{{Func: "count", As: "grp"}}}},
		{"columns too", "bad_columns", "columns", "", query.Request{Columns: []string{"id"}, Aggregates: []query.Aggregate{{Func: "count"}}}},
		{"group", "unknown_column", "groupBy", `did you mean "grp"?`, query.Request{GroupBy: []string{"gpr"}}},
		{"group twice", "duplicate_column", "groupBy", "", query.Request{GroupBy: []string{"grp", "grp"}}},
		{"order", "unknown_column", "orderBy", `did you mean "grp"?`, query.Request{OrderBy: []query.Order{{Column: "gpr"}}}},
		{"order twice", "duplicate_column", "orderBy", "", query.Request{OrderBy: []query.Order{{Column: "id"}, {Column: "id", Desc: true}}}},
		{"order of groups by another column", "unknown_column", "orderBy", "", query.Request{GroupBy: []string{"grp"}, OrderBy: []query.Order{{Column: "id"}}}},
		{"too many", "too_many", "aggregates", "", query.Request{Aggregates: long}},
	} {
		tt.r.Path, tt.r.Limit = table, 10
		_, err := e.Query(context.Background(), tt.r)
		var qe *query.Error
		if !errors.As(err, &qe) || qe.Code != query.BadRequest || qe.Reason != tt.reason || qe.Field != tt.field || !strings.Contains(qe.Hint, tt.hint) {
			t.Errorf("%s: got %v, want %s in %s with %q", tt.name, err, tt.reason, tt.field, tt.hint)
		}
	}
	freed(t, e)
}

// The same over S3: groups, order, pages and a stream of a table there.
func TestAlgebraOnS3(t *testing.T) {
	s := s3test.Start(t)
	s.Setenv(t)
	w := querytest.EventsIn(t, querytest.Open(t, s.Warehouse(t)))
	e := query.New(iceberg.NewCatalog(w.Store), w.Store, query.Options{})
	table := w.Store.Root() + "/public/events"
	res, err := e.Query(context.Background(), query.Request{Path: table, GroupBy: []string{"day"}, Aggregates: []query.Aggregate{{Func: "sum", Column: "even"}, {Func: "avg", Column: "grp"}},
		OrderBy: []query.Order{{Column: "sum_even", Desc: true}}, Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	got := texts(t, res.Columns, res.Batches)
	if len(got) != 2 || !slices.Equal(got[0], []string{"2024-03-01", "4999000", "49.5000000000000000"}) || !slices.Equal(got[1], []string{"2024-02-01", "2999000", "29.5000000000000000"}) {
		t.Errorf("groups: %q", got)
	}
	if res.Next == nil {
		t.Error("there is a third group, and no next page")
	}
	res.Release()
	top, _ := ids(t, e, query.Request{Path: table, Columns: []string{"id", "name"}, OrderBy: []query.Order{{Column: "ts", Desc: true}, {Column: "id", Desc: true}}, Expression: "ts IS NOT NULL", Limit: 4})
	if !slices.Equal(top, []int64{5507, 5007, 4507, 4007}) {
		t.Errorf("by ts, infinity first: %v", top)
	}
	var rows int64
	if _, err := e.Stream(context.Background(), query.Request{Path: table, Limit: -1}, func([]coltype.Column, int64) error { return nil }, func(b arrow.RecordBatch) error {
		if first := b.Column(0).(*array.Int64).Value(0); first != rows {
			t.Errorf("row %d where %d comes next", first, rows)
		}
		rows += b.NumRows()
		return nil
	}); err != nil || rows != 6000 {
		t.Errorf("%d rows: %v", rows, err)
	}
}
