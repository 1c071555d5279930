package query_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/query"
	"frostline/query/querytest"
)

// reread is p as a token would carry it.
func reread(t *testing.T, p *query.Position) *query.Position {
	t.Helper()
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var out query.Position
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	if out != *p {
		t.Errorf("position %+v became %+v as JSON", *p, out)
	}
	return &out
}

// Pages that go on from a position tile the answer, and only the last has no next.
func TestPositions(t *testing.T) {
	w := querytest.Events(t)
	table := w.Store.Root() + "/public/events"
	e := engine(w, query.Options{Workers: 3})
	for _, tt := range []struct {
		name string
		r    query.Request
	}{
		{"all", query.Request{}},
		{"filter", query.Request{Expression: "even IS NOT NULL"}},
		{"spread", query.Request{Expression: "grp IN (3, 17, 18, 41) OR id > 5950"}},
		{"offset", query.Request{Expression: "id >= 100", Offset: 37}},
		{"sorted", query.Request{OrderBy: []query.Order{{Column: "grp", Desc: true}, {Column: "even"}}}},
		{"sorted, filter, offset", query.Request{Expression: "id < 700", Offset: 11, OrderBy: []query.Order{{Column: "even"}}}},
	} {
		for _, count := range []query.Count{query.CountExact, query.CountNone} {
			tt.r.Path, tt.r.Columns, tt.r.Count = table, []string{"id"}, count
			tt.r.Limit = 100_000
			want, all := ids(t, e, tt.r)
			if all.Next != nil && count == query.CountExact {
				t.Errorf("%s: everything was returned, and there is a next page", tt.name)
			}
			for _, size := range []int64{97, 400, 1000} {
				var got []int64
				r := tt.r
				r.Limit = size
				for pages := 0; ; pages++ {
					page, res := ids(t, e, r)
					got = append(got, page...)
					if count == query.CountExact && (!res.Counted || res.Matched != all.Matched) {
						t.Fatalf("%s, page %d of %d: matched %d (%v), want %d", tt.name, pages, size, res.Matched, res.Counted, all.Matched)
					}
					if res.Next == nil {
						break
					}
					if int64(len(page)) != size {
						t.Fatalf("%s: a page of %d rows of %d has a next one", tt.name, len(page), size)
					}
					r.After, r.Offset = reread(t, res.Next), 0
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s, count %d, pages of %d: %d rows, want %d", tt.name, count, size, len(got), len(want))
				}
			}
		}
	}
}

// A page does not read what lies before it.
func TestPositionReadsNothingBefore(t *testing.T) {
	w := querytest.Events(t)
	e := engine(w, query.Options{Workers: 1})
	r := query.Request{Path: w.Store.Root() + "/public/events", Columns: []string{"id"}, Expression: "even IS NOT NULL", Limit: 2990, Count: query.CountNone}
	_, first := ids(t, e, r)
	r.After, r.Limit = first.Next, 5
	got, res := ids(t, e, r)
	if !slices.Equal(got, []int64{5980, 5982, 5984, 5986, 5988}) {
		t.Errorf("got %v", got)
	}
	if res.Pruning.Files.Skipped != 5 || res.Scanned > 200 {
		t.Errorf("read more than the end of one file: %+v, scanned %d", res.Pruning, res.Scanned)
	}
}

func TestPositionOfGroups(t *testing.T) {
	w := querytest.Events(t)
	e := engine(w, query.Options{})
	r := query.Request{Path: w.Store.Root() + "/public/events", GroupBy: []string{"grp"}, Aggregates: []query.Aggregate{{Func: "count"}}, Limit: 7}
	var got []int32
	for {
		res, err := e.Query(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range res.Batches {
			got = append(got, b.Column(0).(*array.Int32).Int32Values()...)
			if n := b.Column(1).(*array.Int64).Value(0); n != 100 {
				t.Errorf("group of %d rows, want 100", n)
			}
		}
		r.After = res.Next
		res.Release()
		if r.After == nil {
			break
		}
	}
	if len(got) != 60 || !slices.IsSorted(got) || got[0] != 0 || got[59] != 59 {
		t.Errorf("got %v, want 0 to 59", got)
	}
}

func TestBadPositions(t *testing.T) {
	w := querytest.Events(t)
	e := engine(w, query.Options{})
	table := w.Store.Root() + "/public/events"
	_, res := ids(t, e, query.Request{Path: table, Columns: []string{"id"}, Limit: 10})
	change := func(f func(p *query.Position)) *query.Position {
		p := *res.Next
		f(&p)
		return &p
	}
	for _, tt := range []struct {
		name   string
		r      query.Request
		code   query.Code
		reason string
	}{
		{"zero", query.Request{After: &query.Position{}}, query.BadRequest, "bad_position"},
		{"another file", query.Request{After: change(func(p *query.Position) { p.File = "data/x.parquet" })}, query.BadRequest, "bad_position"},
		{"another partition", query.Request{After: change(func(p *query.Position) { p.Partition = "month=1999-01" })}, query.BadRequest, "bad_position"},
		{"negative row", query.Request{After: change(func(p *query.Position) { p.Row = -1 })}, query.BadRequest, "bad_position"},
		{"of rows, for an order", query.Request{After: res.Next, OrderBy: []query.Order{{Column: "id"}}}, query.BadRequest, "bad_position"},
		{"another snapshot", query.Request{After: res.Next, Snapshot: 7}, query.BadRequest, "bad_position"},
		{"an expired snapshot", query.Request{After: change(func(p *query.Position) { p.Snapshot = 7 })}, query.NotFound, "unknown_snapshot"},
		{"an unknown snapshot", query.Request{Snapshot: 7}, query.NotFound, "unknown_snapshot"},
		{"a negative snapshot", query.Request{Snapshot: -7}, query.BadRequest, "bad_snapshot"},
	} {
		tt.r.Path, tt.r.Limit = table, 10
		_, err := e.Query(context.Background(), tt.r)
		var qe *query.Error
		if !errors.As(err, &qe) || qe.Code != tt.code || qe.Reason != tt.reason {
			t.Errorf("%s: got %v, want %s %s", tt.name, err, tt.code, tt.reason)
		}
	}
	// A row group or row beyond the file is the end of it.
	far := change(func(p *query.Position) { p.RowGroup = 99 })
	if got, _ := ids(t, e, query.Request{Path: table, Columns: []string{"id"}, Limit: 2, After: far}); !slices.Equal(got, []int64{1000, 1001}) {
		t.Errorf("after the first file's last row group: %v", got)
	}
}

// A page after a new archive run, and a query pinned to a snapshot, see the table as it was.
func TestSnapshots(t *testing.T) {
	w := querytest.Events(t)
	e := engine(w, query.Options{})
	table := w.Store.Root() + "/public/events"
	before, res := ids(t, e, query.Request{Path: table, Columns: []string{"id"}, Limit: 100_000})
	then := res.Snapshot
	_, page := ids(t, e, query.Request{Path: table, Columns: []string{"id"}, Limit: 2500})

	tab := w.Table(t, "public", "events", querytest.Columns(
		querytest.Col("id", coltype.Int64, coltype.WireInt8, "int8"),
		querytest.Col("grp", coltype.Int32, coltype.WireInt4, "int4"),
		querytest.Col("even", coltype.Int32, coltype.WireInt4, "int4"),
		querytest.Col("name", coltype.String, coltype.WireRaw, "text"),
		querytest.Col("day", coltype.Date, coltype.WireDate, "date"),
		querytest.Col("ts", coltype.Timestamp, coltype.WireTimestamp, "timestamp"),
	), iceberg.PartitionSpec{Column: "day", Transform: "month"})
	tab.Add(t, "month=2023-12", querytest.File{Tuple: iceberg.Tuple{Int: (2023-1970)*12 + 11},
		Batches: []arrow.RecordBatch{tab.Rows(t, `{"id":-1,"grp":7,"name":"new","day":"2023-12-01"}`)}})

	now, res := ids(t, e, query.Request{Path: table, Columns: []string{"id"}, Limit: 100_000})
	if len(now) != len(before)+1 || now[0] != -1 || res.Snapshot == then {
		t.Fatalf("%d rows after the run, the first is %d", len(now), now[0])
	}
	if got, res := ids(t, e, query.Request{Path: table, Columns: []string{"id"}, Limit: 100_000, Snapshot: then}); !slices.Equal(got, before) || res.Snapshot != then {
		t.Errorf("at snapshot %d: %d rows of snapshot %d, want %d", then, len(got), res.Snapshot, len(before))
	}
	if got, _ := ids(t, e, query.Request{Path: table, Columns: []string{"id"}, Limit: 100_000, After: page.Next}); !slices.Equal(got, before[2500:]) {
		t.Errorf("the page after the run: %d rows, want %d", len(got), len(before)-2500)
	}
	// One partition: there then, and not there yet.
	old := table + "/month=2024-02"
	if got, _ := ids(t, e, query.Request{Path: old, Columns: []string{"id"}, Limit: 100_000, Snapshot: then}); !slices.Equal(got, before[2000:4000]) {
		t.Errorf("%d rows of a partition at snapshot %d", len(got), then)
	}
	_, err := e.Query(context.Background(), query.Request{Path: table + "/month=2023-12", Limit: 1, Snapshot: then})
	var qe *query.Error
	if !errors.As(err, &qe) || qe.Code != query.NotFound {
		t.Errorf("a partition of later: %v", err)
	}

	list, err := e.Snapshots(context.Background(), table)
	if err != nil {
		t.Fatal(err)
	}
	var text []string
	for _, s := range list {
		text = append(text, fmt.Sprintf("%s %s %d rows %v", s.Operation, s.Partition, s.Rows, s.Current))
	}
	want := []string{"append month=2023-12 6001 rows true", "append month=2024-03 6000 rows false", "append month=2024-02 4000 rows false", "append month=2024-01 2000 rows false"}
	if slices.Sort(text[1:]); len(list) != 4 || list[1].Rows != 6000 {
		t.Errorf("snapshots: %v", list)
	}
	if slices.Sort(want[1:]); !slices.Equal(text, want) {
		t.Errorf("snapshots: %q, want %q", text, want)
	}
	if list[0].Parent != then || list[0].ID != res.Snapshot {
		t.Errorf("the newest is %+v, want parent %d", list[0], then)
	}
}

func TestTables(t *testing.T) {
	w := querytest.Events(t)
	tab := w.Table(t, "other schema", `t"x`, querytest.Columns(querytest.Col("id", coltype.Int64, coltype.WireInt8, "int8")), iceberg.PartitionSpec{})
	tab.Add(t, "p=1", querytest.File{Batches: []arrow.RecordBatch{tab.Rows(t, `{"id":1},{"id":2}`)}})
	w.Table(t, "public", "empty", querytest.Columns(querytest.Col("id", coltype.Int64, coltype.WireInt8, "int8")), iceberg.PartitionSpec{})
	list, err := engine(w, query.Options{}).Tables(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range list {
		got = append(got, fmt.Sprintf("%q.%q %d partitions, %d files, %d rows, bytes %v, snapshot %v, archived %v", x.Schema, x.Table, x.Partitions, x.Files, x.Rows,
			x.Bytes > 0, x.Snapshot != 0, !x.ArchivedAt.IsZero()))
	}
	want := []string{
		`"other schema"."t\"x" 1 partitions, 1 files, 2 rows, bytes true, snapshot true, archived true`,
		`"public"."empty" 0 partitions, 0 files, 0 rows, bytes false, snapshot false, archived false`,
		`"public"."events" 3 partitions, 6 files, 6000 rows, bytes true, snapshot true, archived true`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

// A stream has the rows that pages have, in order, for rows, sorted rows and groups.
func TestStream(t *testing.T) {
	w := querytest.Events(t)
	table := w.Store.Root() + "/public/events"
	for _, workers := range []int{1, 4} {
		e := engine(w, query.Options{Workers: workers, MaxLimit: 10_000})
		for _, tt := range []struct {
			name string
			r    query.Request
			want int64
		}{
			{"all", query.Request{Limit: -1}, 6000},
			{"filter", query.Request{Expression: "even IS NOT NULL AND id > 1000", Limit: -1}, 2499},
			{"window", query.Request{Offset: 399, Limit: 802}, 802},
			{"beyond", query.Request{Offset: 7000, Limit: -1}, 0},
			{"none", query.Request{Limit: 0}, 0},
			{"sorted", query.Request{OrderBy: []query.Order{{Column: "even", Desc: true}}, Limit: -1, Offset: 5}, 5995},
			{"groups", query.Request{GroupBy: []string{"grp"}, Aggregates: []query.Aggregate{{Func: "max", Column: "id"}}, Limit: -1}, 60},
		} {
			r := tt.r
			r.Path = table
			if len(r.GroupBy) == 0 {
				r.Columns = []string{"id", "name"}
			}
			paged := r
			if r.Limit < 0 {
				paged.Limit = 10_000
			}
			res, err := e.Query(context.Background(), paged)
			if err != nil {
				t.Fatal(err)
			}
			want := texts(t, res.Columns, res.Batches)
			res.Release()
			starts := 0
			var got [][]string
			streamed, err := e.Stream(context.Background(), r, func(cols []coltype.Column, snapshot int64) error {
				if starts++; len(got) > 0 || snapshot != res.Snapshot || len(cols) != 2 {
					t.Errorf("%s: start with %d columns at snapshot %d after %d rows", tt.name, len(cols), snapshot, len(got))
				}
				return nil
			}, func(b arrow.RecordBatch) error {
				got = append(got, texts(t, res.Columns, []arrow.RecordBatch{b})...)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if starts != 1 || int64(len(got)) != tt.want || streamed.Rows != tt.want || streamed.Matched != res.Matched || len(streamed.Batches) != 0 {
				t.Errorf("%s: %d starts, %d rows (said %d), %d matched, want %d and %d", tt.name, starts, len(got), streamed.Rows, streamed.Matched, tt.want, res.Matched)
			}
			if !slices.EqualFunc(got, want, slices.Equal) {
				t.Errorf("%s with %d workers: other rows than Query's", tt.name, workers)
			}
		}
	}
}

// An error of the caller's ends a stream and comes back as it is.
func TestStreamStops(t *testing.T) {
	w := querytest.Events(t)
	e := engine(w, query.Options{Workers: 4})
	r := query.Request{Path: w.Store.Root() + "/public/events", Limit: -1}
	stop := errors.New("enough")
	batches := 0
	_, err := e.Stream(context.Background(), r, func([]coltype.Column, int64) error { return nil }, func(arrow.RecordBatch) error {
		if batches++; batches == 3 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || batches != 3 {
		t.Errorf("got %v after %d batches", err, batches)
	}
	if _, err := e.Stream(context.Background(), r, func([]coltype.Column, int64) error { return stop }, func(arrow.RecordBatch) error {
		t.Error("a batch after start failed")
		return nil
	}); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
	// A panic of the caller's passes, and leaves nothing held.
	r.OrderBy = []query.Order{{Column: "grp"}}
	func() {
		defer func() {
			if recover() != "oh" {
				t.Error("the panic is gone")
			}
		}()
		_, _ = e.Stream(context.Background(), r, func([]coltype.Column, int64) error { return nil }, func(arrow.RecordBatch) error { panic("oh") })
	}()
	freed(t, e)
	r.Columns = []string{"nothing"}
	var qe *query.Error
	if _, err := e.Stream(context.Background(), r, nil, nil); !errors.As(err, &qe) || qe.Reason != "unknown_column" {
		t.Errorf("got %v", err)
	}
}

// columnOf is the first column of a batch, an int8.
func columnOf(b arrow.RecordBatch) []int64 { return b.Column(0).(*array.Int64).Int64Values() }
