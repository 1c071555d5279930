package query_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/predicate"
	"frostline/query"
	"frostline/query/querytest"
)

func rows(t *testing.T, text string) predicate.Expr {
	t.Helper()
	e, err := predicate.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func with(g ...query.Grant) context.Context {
	return query.WithRights(context.Background(), &query.Rights{Grants: g})
}

// code is the code of an engine's error, with the reason where it has one.
func code(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var qe *query.Error
	if !errors.As(err, &qe) {
		t.Fatalf("%T %v", err, err)
	}
	if qe.Reason != "" {
		return qe.Reason
	}
	return string(qe.Code)
}

// A row filter holds for rows, counts, aggregates, groups, orders and pages, whatever the caller writes. The caller may see
// the even ids below 3000: 1500 rows of two months.
func TestRowFilter(t *testing.T) {
	w := querytest.Events(t)
	e := query.New(w.Catalog, w.Store, query.Options{NeedRights: true})
	ctx := with(query.Grant{Tables: []query.TablePattern{{Schema: "public", Table: "events"}}, Rows: rows(t, "even IS NOT NULL AND id < 3000 OR FALSE")})
	path := w.Store.Root() + "/public/events"
	for _, tt := range []struct {
		r    query.Request
		want string // of the first rows, and the total
	}{
		{query.Request{Limit: 3}, `[{"id":0},{"id":2},{"id":4}] 1500`},
		{query.Request{Limit: 0}, `[] 1500`},
		{query.Request{Expression: "TRUE OR id > 0", Limit: 1}, `[{"id":0}] 1500`},
		{query.Request{Expression: "id = 1 OR id = 5999", Limit: 9}, `[] 0`},
		{query.Request{Expression: "NOT (even IS NOT NULL AND id < 3000)", Limit: 9}, `[] 0`},
		{query.Request{Expression: "id >= 2998", Limit: 9}, `[{"id":2998}] 1`},
		{query.Request{Filters: map[string]any{"id_in": []any{json.Number("1"), json.Number("2"), json.Number("3001")}}, Limit: 9}, `[{"id":2}] 1`},
		{query.Request{OrderBy: []query.Order{{Column: "id", Desc: true}}, Limit: 2}, `[{"id":2998},{"id":2996}] 1500`},
		{query.Request{Expression: "1 / (id - 5001) < 9", Limit: 1}, `[{"id":0}] 1500`},
		{query.Request{Expression: "1 / (id - 3) < 9", Limit: 1}, `[{"id":0}] 1500`},
		{query.Request{Aggregates: []query.Aggregate{{Func: "count", As: "n"}, {Func: "max", Column: "id", As: "hi"}, {Func: "min", Column: "id", As: "lo"}}, Limit: 1},
			`[{"hi":2998,"lo":0,"n":1500}] 1500`},
		{query.Request{GroupBy: []string{"day"}, Aggregates: []query.Aggregate{{Func: "count", As: "n"}}, Limit: 9}, `[{"day":"2024-01-01","n":1000},{"day":"2024-02-01","n":500}] 1500`},
	} {
		r := tt.r
		r.Path = path
		if r.GroupBy == nil && r.Aggregates == nil {
			r.Columns = []string{"id"}
		}
		for _, prune := range []bool{true, false} {
			r.NoPrune = !prune
			res, err := e.Query(ctx, r)
			if err != nil {
				t.Fatalf("%+v: %v", tt.r, err)
			}
			got := fmt.Sprintf("%s %d", sorted(t, res), res.Matched)
			if got != tt.want || !res.Filtered {
				t.Errorf("%+v, pruned %v: %s, want %s; filtered %v", tt.r, prune, got, tt.want, res.Filtered)
			}
			res.Release()
		}
	}

	// Pages, and rows of a stream.
	seen := 0
	var after *query.Position
	for {
		res, err := e.Query(ctx, query.Request{Path: path, Columns: []string{"id"}, Limit: 400, After: after})
		if err != nil {
			t.Fatal(err)
		}
		seen += int(res.Rows)
		after = res.Next
		res.Release()
		if after == nil {
			break
		}
	}
	if seen != 1500 {
		t.Errorf("%d rows by pages", seen)
	}
	res, err := e.Stream(ctx, query.Request{Path: path, Limit: -1}, func([]coltype.Column, int64) error { return nil }, func(arrow.RecordBatch) error { return nil })
	if err != nil || res.Rows != 1500 {
		t.Errorf("%v, %d rows streamed", err, res.Rows)
	}

	// What tells of rows outside.
	if _, err := e.Explain(ctx, query.Request{Path: path}); code(t, err) != "partial_rights" {
		t.Errorf("explain: %v", err)
	}
	if _, err := e.Record(ctx, path+"/month=2024-01"); code(t, err) != "partial_rights" {
		t.Errorf("record: %v", err)
	}
	m, err := e.Metadata(ctx, path)
	if err != nil || len(m.Partitions) != 2 || m.Partitions[0].Name != "month=2024-01" || m.Partitions[1].Name != "month=2024-02" ||
		m.Partitions[0].Rows != 0 || m.Partitions[0].Bytes != 0 || m.Partitions[0].Digest != "" || len(m.Columns) != 6 {
		t.Errorf("metadata: %v %+v", err, m)
	}
	if m, err = e.Metadata(ctx, path+"/month=2024-01"); err != nil || m.Properties["archive.total_records"] != "" || m.Properties["archive.digest"] != "" ||
		m.Properties["source.partition_value"] != "2024-01" {
		t.Errorf("metadata of a partition: %v %+v", err, m)
	}
	list, err := e.Tables(ctx)
	if err != nil || len(list) != 1 || list[0].Partitions != 2 || list[0].Rows != 0 || list[0].Bytes != 0 {
		t.Errorf("tables: %v %+v", err, list)
	}
	snaps, err := e.Snapshots(ctx, path)
	if err != nil || len(snaps) == 0 || snaps[0].Rows != -1 || snaps[0].Partition != "" || snaps[0].Bytes != 0 {
		t.Errorf("snapshots: %v %+v", err, snaps)
	}
	if _, err := e.Locate(ctx, "public", "events", "2024-09"); err == nil || strings.Contains(err.Error(), "2024-03") {
		t.Errorf("hint: %v", err)
	}
}

// sorted is the rows of res as JSON, the side column left out.
func sorted(t *testing.T, res *query.Result) string {
	t.Helper()
	out := []json.RawMessage{}
	for _, b := range res.Batches {
		for i := range int(b.NumRows()) {
			m := map[string]json.RawMessage{}
			for j, c := range res.Columns {
				v, err := json.Marshal(b.Column(j).GetOneForMarshal(i))
				if err != nil {
					t.Fatal(err)
				}
				m[c.Name] = v
			}
			one, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, one)
		}
	}
	all, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

// A column that is not granted is unknown in every place where a request names columns, and in no answer.
func TestDeniedColumns(t *testing.T) {
	w := querytest.Events(t)
	e := query.New(w.Catalog, w.Store, query.Options{NeedRights: true})
	path := w.Store.Root() + "/public/events"
	tables := []query.TablePattern{{Schema: "public", Table: "events"}}
	for name, ctx := range map[string]context.Context{
		"denied":  with(query.Grant{Tables: tables, Denied: []query.Glob{"t?", "na*"}}),
		"allowed": with(query.Grant{Tables: tables, Columns: []query.Glob{"id", "grp", "even", "day"}}),
		"both":    with(query.Grant{Tables: tables, Columns: []query.Glob{"*"}, Denied: []query.Glob{"ts", "name"}, Rows: rows(t, "name LIKE 'n%' AND ts IS NOT NULL")}),
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range []query.Request{
				{Columns: []string{"id", "name"}},
				{Columns: []string{"NAME"}},
				{Expression: "name = 'n0001'"},
				{Expression: `id = 1 OR "name" > 'a'`},
				{Expression: "id = length(name)"},
				{Filters: map[string]any{"name_like": "n%"}},
				{Filters: map[string]any{"ts": nil}},
				{OrderBy: []query.Order{{Column: "name"}}},
				{GroupBy: []string{"name"}},
				{Aggregates: []query.Aggregate{{Func: "max", Column: "name"}}},
				{Aggregates: []query.Aggregate{{Func: "count", Column: "name", Distinct: true}}},
			} {
				r.Path, r.Limit = path, 1
				_, err := e.Query(ctx, r)
				if c := code(t, err); c != "unknown_column" && c != "unknown_filter" {
					t.Errorf("%+v: %v", r, err)
				}
				var qe *query.Error
				if errors.As(err, &qe) && (strings.Contains(qe.Hint, "name") || strings.Contains(qe.Hint, `"ts"`)) {
					t.Errorf("%+v: the hint %q", r, qe.Hint)
				}
				if name != "both" {
					if _, err := e.Explain(ctx, r); code(t, err) != "unknown_column" && code(t, err) != "unknown_filter" {
						t.Errorf("explain %+v: %v", r, err)
					}
				}
			}
			res, err := e.Query(ctx, query.Request{Path: path, Expression: "id < 9", Limit: 9, OrderBy: []query.Order{{Column: "day"}}})
			if err != nil {
				t.Fatal(err)
			}
			if got := sorted(t, res); !strings.HasPrefix(got, `[{"day":"2024-01-01","even":0,"grp":0,"id":0},`) || len(res.Columns) != 4 || res.Matched != 9 {
				t.Errorf("%d columns, %d rows: %s", len(res.Columns), res.Matched, got)
			}
			res.Release()
			for _, p := range []string{path, path + "/month=2024-01"} {
				m, err := e.Metadata(ctx, p)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range m.Columns {
					if c.Name == "name" || c.Name == "ts" {
						t.Errorf("metadata of %s has %s", p, c.Name)
					}
				}
				for k, v := range m.Properties {
					if strings.Contains(v, "name") && k != "source.table" || strings.Contains(v, `"ts"`) {
						t.Errorf("property %s = %s", k, v)
					}
				}
			}
			if _, err := e.Record(ctx, path+"/month=2024-01"); code(t, err) != "partial_rights" {
				t.Errorf("record: %v", err)
			}
		})
	}
}

// The side column has the cells of granted columns only. In rows 7, 507, … ts is infinity.
func TestDeniedSideColumn(t *testing.T) {
	w := querytest.Events(t)
	e := query.New(w.Catalog, w.Store, query.Options{})
	path := w.Store.Root() + "/public/events"
	ctx := with(query.Grant{Tables: []query.TablePattern{{Schema: "*", Table: "*"}}, Denied: []query.Glob{"ts"}})
	for _, r := range []query.Request{{Expression: "id = 7"}, {Expression: "id < 9", OrderBy: []query.Order{{Column: "day"}}}} {
		r.Path, r.Limit = path, 9
		for _, who := range []context.Context{context.Background(), ctx} {
			res, err := e.Query(who, r)
			if err != nil {
				t.Fatal(err)
			}
			told := false
			for _, b := range res.Batches {
				if side := res.Exact(b); side != nil {
					told = told || strings.Contains(side.String(), "infinity")
				}
			}
			if told != (who != ctx) {
				t.Errorf("%+v: infinity told: %v", r, told)
			}
			res.Release()
		}
	}
}

// A table that is not granted is not there.
func TestDeniedTables(t *testing.T) {
	w := querytest.Events(t)
	querytest.Big(t, w, 1, 10)
	e := query.New(w.Catalog, w.Store, query.Options{NeedRights: true})
	ctx := with(query.Grant{Tables: []query.TablePattern{{Schema: "public", Table: "b?g"}}})
	for _, p := range []string{"/public/events", "/public/events/month=2024-01", "/public/nowhere"} {
		path := w.Store.Root() + p
		want := fmt.Sprintf("no archived table at %q", path)
		for what, ask := range map[string]func() error{
			"query":     func() error { _, err := e.Query(ctx, query.Request{Path: path}); return err },
			"explain":   func() error { _, err := e.Explain(ctx, query.Request{Path: path}); return err },
			"metadata":  func() error { _, err := e.Metadata(ctx, path); return err },
			"record":    func() error { _, err := e.Record(ctx, path); return err },
			"snapshots": func() error { _, err := e.Snapshots(ctx, path); return err },
		} {
			if err := ask(); err == nil || err.Error() != want {
				t.Errorf("%s %s: %v", what, p, err)
			}
		}
	}
	if _, err := e.Locate(ctx, "public", "events", "2024-01"); code(t, err) != "not_found" {
		t.Errorf("locate: %v", err)
	}
	list, err := e.Tables(ctx)
	if err != nil || len(list) != 1 || list[0].Table != "big" {
		t.Errorf("%v %+v", err, list)
	}
	if _, err := e.Tables(with()); err != nil {
		t.Errorf("no grants: %v", err)
	}
	for what, ctx := range map[string]context.Context{"no rights": context.Background(), "nil rights": query.WithRights(context.Background(), nil)} {
		if _, err := e.Query(ctx, query.Request{Path: w.Store.Root() + "/public/big"}); code(t, err) != "internal" {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := e.Tables(ctx); code(t, err) != "internal" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// The bounds of a caller and those of the engine both hold.
func TestCallersBounds(t *testing.T) {
	w := querytest.Events(t)
	r := query.Request{Path: w.Store.Root() + "/public/events", Expression: "name LIKE '%7%'", Limit: 1}
	all := []query.Grant{{Tables: []query.TablePattern{{Schema: "*", Table: "*"}}}}
	for _, tt := range []struct {
		o    query.Options
		own  query.Rights
		want string
	}{
		{query.Options{}, query.Rights{}, ""},
		{query.Options{}, query.Rights{MaxScanRows: 100}, "scan_too_large"},
		{query.Options{MaxScanRows: 100}, query.Rights{MaxScanRows: 1e6}, "scan_too_large"},
		{query.Options{MaxScanRows: 1e6}, query.Rights{MaxScanRows: 100}, "scan_too_large"},
		{query.Options{}, query.Rights{MaxScanBytes: 100}, "scan_too_large"},
		{query.Options{}, query.Rights{Timeout: 1}, "timeout"},
		{query.Options{}, query.Rights{Timeout: 1e12, MaxScanRows: 1e6, MaxScanBytes: 1e9}, ""},
	} {
		tt.own.Grants = all
		res, err := query.New(w.Catalog, w.Store, tt.o).Query(query.WithRights(context.Background(), &tt.own), r)
		if got := code(t, err); got != tt.want {
			t.Errorf("%+v: %v", tt.own, err)
		}
		if err == nil {
			res.Release()
		}
	}
}

func TestGlob(t *testing.T) {
	for _, tt := range []struct {
		g, name string
		want    bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "a.b", true}, {"a*", "ab", true}, {"a*", "ba", false}, {"*a", "bab", false}, {"*a*", "bab", true},
		{"a?c", "abc", true}, {"a?c", "ac", false}, {"?", "é", true}, {"a*b*c", "axxbyyc", true}, {"a*b*c", "axxbyy", false}, {"[a]", "a", false}, {"A", "a", false},
		{strings.Repeat("*a", 50), strings.Repeat("a", 5000) + "b", false},
	} {
		if got := query.Glob(tt.g).Match(tt.name); got != tt.want {
			t.Errorf("%.20q matches %.20q: %v", tt.g, tt.name, got)
		}
	}
}

// Over partitions that were archived with other columns a row filter holds or the query is refused: it never lets a row through because a
// value is not where it looks for it. The table is that of TestAlgebraOfEvolvedTable.
func TestRowFilterOfEvolvedTable(t *testing.T) {
	id := querytest.Col("id", coltype.Int64, coltype.WireInt8, "int8")
	at := querytest.Col("at", coltype.Timestamp, coltype.WireTimestamp, "timestamp")
	w := querytest.New(t)
	old := w.Table(t, "s", "t", querytest.Columns(id, querytest.Col("v", coltype.Int32, coltype.WireInt4, "int4"), at), iceberg.PartitionSpec{})
	old.Add(t, "p=1", querytest.File{Batches: []arrow.RecordBatch{old.Rows(t,
		`{"id":1,"v":10,"at":null,"_pg_exact":[{"key":"at","value":"infinity"}]},{"id":2,"v":20,"at":"2024-01-01 00:00:00"}`)}})
	at.Name = "happened"
	tab := w.Table(t, "s", "t", querytest.Columns(id, querytest.Col("v", coltype.String, coltype.WireRaw, "text"), at,
		querytest.Col("extra", coltype.Bool, coltype.WireBool, "bool")), iceberg.PartitionSpec{})
	tab.Add(t, "p=2", querytest.File{Batches: []arrow.RecordBatch{tab.Rows(t, `{"id":3,"v":"x","happened":"2024-05-01 00:00:00","extra":true}`)}})
	e := query.New(w.Catalog, w.Store, query.Options{NeedRights: true})
	root := w.Store.Root() + "/s/t"
	for _, tt := range []struct {
		filter, path string
		want         string // ids, or the code of the error
	}{
		{"happened > '2024-02-01'", "", "1 3"},
		{"happened > '2024-02-01'", "/p=1", "1"},
		{"at IS NOT NULL", "", "row_filter"},    // its old name
		{"v IS NULL", "", "row_filter"},         // of another type in p=1: it is NULL there for Iceberg
		{"v = 'x' OR id > 0", "", "row_filter"}, // the same
		{"v = 'x'", "/p=2", "3"},                //
		{"v = 'x'", "/p=1", "row_filter"},       // an int there
		{"v > 10", "/p=1", "2"},                 //
		{"extra", "", "3"},                      // was not there: NULL, not TRUE
		{"extra IS NOT FALSE", "", "1 2 3"},     // as it is written
		{"1 / (id - 2) = 1", "", "row_filter"},  // divides by zero
		{"gone = 1", "", "row_filter"},          // no such column
	} {
		ctx := with(query.Grant{Tables: []query.TablePattern{{Schema: "*", Table: "*"}}, Rows: rows(t, tt.filter)})
		for _, noPrune := range []bool{false, true} {
			res, err := e.Query(ctx, query.Request{Path: root + tt.path, Columns: []string{"id"}, Limit: 9, NoPrune: noPrune})
			got := code(t, err)
			if err == nil {
				var list []string
				for _, row := range texts(t, res.Columns, res.Batches) {
					list = append(list, row...)
				}
				got = strings.Join(list, " ")
				res.Release()
			}
			if got != tt.want {
				t.Errorf("%s of %q: %s, want %s", tt.filter, tt.path, got, tt.want)
			}
		}
		if _, err := e.Metadata(ctx, root); err != nil {
			t.Errorf("%s: metadata: %v", tt.filter, err)
		}
		if _, err := e.Tables(ctx); err != nil {
			t.Errorf("%s: tables: %v", tt.filter, err)
		}
	}

	// A warning does not name a partition that the caller may not see.
	res, err := e.Query(with(query.Grant{Tables: []query.TablePattern{{Schema: "*", Table: "*"}}, Rows: rows(t, "id > 2")}), query.Request{Path: root, Limit: 9})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Warnings) != 1 || strings.Contains(res.Warnings[0], "p=1") {
		t.Errorf("%q", res.Warnings)
	}
	res.Release()

	// A column that is denied by its name of now is so in old partitions too, and its type's change is not told.
	ctx := with(query.Grant{Tables: []query.TablePattern{{Schema: "*", Table: "*"}}, Denied: []query.Glob{"happened", "v"}})
	for _, p := range []string{"", "/p=1", "/p=2"} {
		res, err := e.Query(ctx, query.Request{Path: root + p, Limit: 9})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range res.Columns {
			if c.Name != "id" && c.Name != "extra" {
				t.Errorf("%q has column %s", p, c.Name)
			}
		}
		for _, b := range res.Batches {
			if side := res.Exact(b); side != nil && strings.Contains(side.String(), "infinity") {
				t.Errorf("%q: the side column tells %s", p, side)
			}
		}
		if len(res.Warnings) != 0 {
			t.Errorf("%q: %q", p, res.Warnings)
		}
		res.Release()
		m, err := e.Metadata(ctx, root+p)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range m.Columns {
			if c.Name != "id" && c.Name != "extra" {
				t.Errorf("metadata of %q has column %s", p, c.Name)
			}
		}
	}
}
