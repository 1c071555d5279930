package query_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/internal/s3test"
	"frostline/objstore"
	"frostline/objstore/faultstore"
	"frostline/parquetio"
	"frostline/query"
	"frostline/query/querytest"
)

func engine(w *querytest.Warehouse, o query.Options) *query.Engine {
	return query.New(w.Catalog, w.Store, o)
}

// ids runs r and gives the values of its first column, an int8.
func ids(tb testing.TB, e *query.Engine, r query.Request) ([]int64, *query.Result) {
	tb.Helper()
	res, err := e.Query(context.Background(), r)
	if err != nil {
		tb.Fatalf("%+v: %v", r, err)
	}
	tb.Cleanup(res.Release)
	out := []int64{}
	for _, b := range res.Batches {
		col := b.Column(0).(*array.Int64)
		for i := range col.Len() {
			out = append(out, col.Value(i))
		}
	}
	if int64(len(out)) != res.Rows {
		tb.Fatalf("%d rows in batches, Rows says %d", len(out), res.Rows)
	}
	return out, res
}

func seq(from, to, step int64) []int64 {
	out := []int64{}
	for i := from; i < to; i += step {
		out = append(out, i)
	}
	return out
}

func TestPruning(t *testing.T) {
	w := querytest.Events(t)
	e := engine(w, query.Options{})
	table := w.Store.Root() + "/public/events"
	month := table + "/month=2024-02"
	level := func(total, skipped int64) query.Level { return query.Level{Total: total, Skipped: skipped} }
	for _, tt := range []struct {
		name    string
		path    string
		filter  string
		limit   int64
		want    []int64
		matched int64
		scanned int64
		parts   query.Level
		files   query.Level
		groups  query.Level
		pages   query.Level
	}{
		{"nothing asked of the files", table, "", 0, nil, 6000, 0, level(3, 3), level(6, 6), level(0, 0), level(0, 0)},
		{"first rows", table, "", 3, seq(0, 3, 1), 6000, 3, level(3, 2), level(6, 5), level(3, 2), level(0, 0)},
		{"partition by its tuple", table, "day < '2024-02-01'", 0, nil, 2000, 0, level(3, 3), level(6, 6), level(0, 0), level(0, 0)},
		{"no partition", table, "day > '2025-01-01'", 10, nil, 0, 0, level(3, 3), level(6, 6), level(0, 0), level(0, 0)},
		{"one file", table, "id = 3500", 10, seq(3500, 3501, 1), 1, 100, level(3, 2), level(6, 5), level(3, 2), level(4, 3)},
		{"one page", month, "id >= 2110 AND id < 2115", 10, seq(2110, 2115, 1), 5, 100, level(1, 0), level(2, 1), level(3, 2), level(4, 3)},
		{"pages of two columns", month, "id >= 2150 AND grp = 22", 1000, seq(2200, 2300, 1), 100, 100, level(1, 0), level(2, 1), level(3, 2), level(8, 8)},
		{"row groups that match wholly", month, "id >= 2400 AND id < 3000", 0, nil, 600, 0, level(1, 0), level(2, 1), level(3, 3), level(0, 0)},
		{"page that matches wholly", month, "id >= 2100 AND id < 2250", 0, nil, 150, 100, level(1, 0), level(2, 1), level(3, 2), level(4, 3)},
		{"nothing to prune", month, "even IS NOT NULL", 2, []int64{2000, 2002}, 1000, 2000, level(1, 0), level(2, 0), level(6, 0), level(20, 0)},
		{"text", table, "name LIKE 'n42%' AND even IS NULL", 3, []int64{4201, 4203, 4205}, 50, 100, level(3, 2), level(6, 5), level(3, 2), level(8, 6)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := query.Request{Path: tt.path, Columns: []string{"id"}, Expression: tt.filter, Limit: tt.limit}
			got, res := ids(t, e, r)
			if tt.want == nil {
				tt.want = []int64{}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("ids: got %v, want %v", got, tt.want)
			}
			if res.Matched != tt.matched || !res.Counted {
				t.Errorf("matched: got %d (%v), want %d", res.Matched, res.Counted, tt.matched)
			}
			p := res.Pruning
			if p.Partitions != tt.parts || p.Files != tt.files || p.RowGroups != tt.groups || p.Pages != tt.pages {
				t.Errorf("pruning: got %+v", p)
			}
			if res.Scanned != tt.scanned {
				t.Errorf("scanned: got %d, want %d", res.Scanned, tt.scanned)
			}
			if (p.Requests > 0) != (p.BytesRead > 0) {
				t.Errorf("%d requests for %d bytes", p.Requests, p.BytesRead)
			}

			r.NoPrune = true
			all, unpruned := ids(t, e, r)
			if !slices.Equal(all, got) || unpruned.Matched != res.Matched {
				t.Errorf("without pruning: %d rows of %d, with it %d of %d", len(all), unpruned.Matched, len(got), res.Matched)
			}
			if u := unpruned.Pruning; u.Files.Skipped != 0 {
				t.Errorf("without pruning files were skipped: %+v", u)
			}
		})
	}
}

// A page index of one column cuts the other's pages too: intervals of the union.
func TestPagesOfDifferentCuts(t *testing.T) {
	w := querytest.New(t)
	tab := w.Table(t, "s", "t", querytest.Columns(
		querytest.Col("id", coltype.Int64, coltype.WireInt8, "int8"),
		querytest.Col("grp", coltype.Int64, coltype.WireInt8, "int8"),
	), iceberg.PartitionSpec{})
	var b strings.Builder
	for i := range 1000 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%d,"grp":%d}`, i, i/10)
	}
	tab.Add(t, "p=1", querytest.File{Batches: []arrow.RecordBatch{tab.Rows(t, b.String())}, Options: parquetio.WriteOptions{PageRows: 64}})
	got, res := ids(t, engine(w, query.Options{}), query.Request{Path: w.Store.Root() + "/s/t", Expression: "id > 100 AND grp < 20", Limit: 1000})
	if !slices.Equal(got, seq(101, 200, 1)) || res.Pruning.Pages.Skipped == 0 {
		t.Errorf("got %d rows from %v, pruning %+v", len(got), got[:min(3, len(got))], res.Pruning)
	}
}

// Pages of every size tile the answer: none overlaps, none is left out, with one worker and with many.
func TestPaging(t *testing.T) {
	w := querytest.Events(t)
	table := w.Store.Root() + "/public/events"
	for _, workers := range []int{1, 8} {
		e := engine(w, query.Options{Workers: workers})
		for _, filter := range []string{"", "even IS NOT NULL", "grp IN (3, 17, 18, 41) OR id > 5950"} {
			want, res := ids(t, e, query.Request{Path: table, Columns: []string{"id"}, Expression: filter, Limit: 100_000, NoPrune: true})
			if res.Matched != int64(len(want)) || !slices.IsSorted(want) {
				t.Fatalf("%q: matched %d of %d rows, sorted %v", filter, res.Matched, len(want), slices.IsSorted(want))
			}
			for _, size := range []int64{170, 999, 6000} {
				for _, count := range []query.Count{query.CountExact, query.CountNone} {
					var got []int64
					for offset := int64(0); ; offset += size {
						page, res := ids(t, e, query.Request{Path: table, Columns: []string{"id"}, Expression: filter, Limit: size, Offset: offset, Count: count})
						if count == query.CountExact && (!res.Counted || res.Matched != int64(len(want))) {
							t.Fatalf("%q at %d: matched %d (%v), want %d", filter, offset, res.Matched, res.Counted, len(want))
						}
						if len(page) == 0 {
							break
						}
						got = append(got, page...)
					}
					if !slices.Equal(got, want) {
						t.Errorf("%d workers, %q, pages of %d: %d rows, want %d", workers, filter, size, len(got), len(want))
					}
				}
			}
		}
	}
}

func TestCountNone(t *testing.T) {
	w := querytest.Events(t)
	e := engine(w, query.Options{Workers: 1})
	table := w.Store.Root() + "/public/events"
	got, res := ids(t, e, query.Request{Path: table, Columns: []string{"id"}, Expression: "even IS NOT NULL", Limit: 5, Count: query.CountNone})
	if !slices.Equal(got, []int64{0, 2, 4, 6, 8}) || res.Counted {
		t.Errorf("got %v, counted %v", got, res.Counted)
	}
	if res.Scanned > 2*400 || res.Pruning.Files.Skipped < 2 {
		t.Errorf("a full page did not stop the scan: %d rows, %+v", res.Scanned, res.Pruning)
	}
	if _, res := ids(t, e, query.Request{Path: table, Columns: []string{"id"}, Expression: "id < 3", Limit: 5, Count: query.CountNone}); !res.Counted || res.Matched != 3 {
		t.Errorf("a page that is not full saw everything: matched %d, counted %v", res.Matched, res.Counted)
	}
	if _, res := ids(t, e, query.Request{Path: table, Columns: []string{"id"}, Count: query.CountNone}); res.Counted || res.Pruning.Requests != 0 {
		t.Errorf("limit 0 without a count: %+v", res)
	}
}

// Cells of the side column are found, compared as PostgreSQL would, and delivered.
func TestExactCells(t *testing.T) {
	w := querytest.Events(t)
	e := engine(w, query.Options{})
	table := w.Store.Root() + "/public/events"
	got, res := ids(t, e, query.Request{Path: table, Columns: []string{"id", "ts"}, Expression: "ts > '2024-01-01'", Limit: 100})
	if !slices.Equal(got, seq(7, 6000, 500)) {
		t.Errorf("ts > …: got %v", got)
	}
	n := 0
	for _, b := range res.Batches {
		m := res.Exact(b).(*array.Map)
		for i := range m.Len() {
			from, _ := m.ValueOffsets(i)
			if m.Keys().(*array.String).Value(int(from)) == "ts" && m.Items().(*array.String).Value(int(from)) == "infinity" && b.Column(1).IsNull(i) {
				n++
			}
		}
	}
	if n != 12 {
		t.Errorf("%d of 12 rows have the exact text", n)
	}
	if got, _ := ids(t, e, query.Request{Path: table, Columns: []string{"id"}, Expression: "ts IS NULL", Limit: 10}); len(got) != 0 {
		t.Errorf("ts IS NULL: got %v, no cell is NULL in PostgreSQL", got)
	}
}

func TestFilters(t *testing.T) {
	w := querytest.Events(t)
	e := engine(w, query.Options{})
	got, _ := ids(t, e, query.Request{Path: w.Store.Root() + "/public/events", Columns: []string{"id"}, Limit: 100, Expression: "even IS NULL OR id = 20",
		Filters: map[string]any{"id_gte": json.Number("10"), "id_lt": json.Number("30"), "grp": json.Number("0"), "name_like": "n00_%"}})
	if want := []int64{11, 13, 15, 17, 19, 20, 21, 23, 25, 27, 29}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestErrors(t *testing.T) {
	w := querytest.Events(t)
	e := engine(w, query.Options{MaxLimit: 5000})
	root := w.Store.Root()
	table := root + "/public/events"
	for _, tt := range []struct {
		name   string
		r      query.Request
		code   query.Code
		reason string
		text   string // in the error
	}{
		{"no path", query.Request{}, query.BadRequest, "missing_field", "archivePath is missing"},
		{"other bucket", query.Request{Path: "s3://other/public/events"}, query.Outside, "", "not a path of this server's warehouse"},
		{"beside the warehouse", query.Request{Path: root + "x/public/events"}, query.Outside, "", ""},
		{"climbing", query.Request{Path: root + "/public/../../etc"}, query.Outside, "", ""},
		{"climbing back in", query.Request{Path: root + "/public/x/../events"}, query.Outside, "", ""},
		{"file outside", query.Request{Path: "file:///etc/passwd"}, query.Outside, "", ""},
		{"absolute path", query.Request{Path: "/etc/passwd"}, query.Outside, "", ""},
		{"no table", query.Request{Path: root + "/public/event"}, query.NotFound, "", "no archived table"},
		{"too deep", query.Request{Path: table + "/month=2024-01/data"}, query.NotFound, "", ""},
		{"no partition", query.Request{Path: table + "/month=2024-04"}, query.NotFound, "", `did you mean "month=2024-0`},
		{"unknown column", query.Request{Path: table, Columns: []string{"ID"}}, query.BadRequest, "unknown_column", `column "ID" does not exist; did you mean "id"?`},
		{"column twice", query.Request{Path: table, Columns: []string{"id", "id"}}, query.BadRequest, "duplicate_column", ""},
		{"syntax", query.Request{Path: table, Expression: "id = "}, query.BadRequest, "syntax", ""},
		{"unknown in filter", query.Request{Path: table, Expression: "idd = 1"}, query.BadRequest, "unknown_column", "did you mean id?"},
		{"type", query.Request{Path: table, Expression: "id = 'x'"}, query.BadRequest, "type_mismatch", ""},
		{"unknown key", query.Request{Path: table, Filters: map[string]any{"nam": "x"}}, query.BadRequest, "", ""},
		{"negative limit", query.Request{Path: table, Limit: -1}, query.BadRequest, "bad_limit", ""},
		{"large limit", query.Request{Path: table, Limit: 5001}, query.BadRequest, "bad_limit", "limit 5001 is above the largest allowed, 5000; ask for pages"},
		{"negative offset", query.Request{Path: table, Offset: -1}, query.BadRequest, "bad_offset", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := e.Query(context.Background(), tt.r)
			var qe *query.Error
			if !errors.As(err, &qe) {
				t.Fatalf("got %v", err)
			}
			if qe.Code != tt.code || tt.reason != "" && qe.Reason != tt.reason || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got code %s, reason %s: %v", qe.Code, qe.Reason, err)
			}
		})
	}
}

// dataFiles are the Parquet files of a local warehouse, by name.
func dataFiles(t *testing.T, w *querytest.Warehouse) []string {
	t.Helper()
	files, err := filepath.Glob(strings.TrimPrefix(w.Store.Root(), "file://") + "/public/events/*/data/*.parquet")
	if err != nil || len(files) != 6 {
		t.Fatalf("data files: %v, %v", files, err)
	}
	return files
}

// A file that is missing, cut or damaged fails the query; it never gives fewer rows.
func TestUnreadableFile(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func(path string) error
	}{
		{"missing", os.Remove},
		{"cut", func(p string) error { return os.Truncate(p, 100) }},
		{"empty", func(p string) error { return os.Truncate(p, 0) }},
		{"damaged footer", func(p string) error {
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			for i := len(b) - 100; i < len(b)-8; i++ {
				b[i] ^= 0xff
			}
			return os.WriteFile(p, b, 0o644)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := querytest.Events(t)
			if err := tt.damage(dataFiles(t, w)[3]); err != nil { // the second file of February
				t.Fatal(err)
			}
			e := engine(w, query.Options{})
			for _, r := range []query.Request{
				{Path: w.Store.Root() + "/public/events", Expression: "even IS NOT NULL", Limit: 10},
				{Path: w.Store.Root() + "/public/events", Limit: 100_000},
				{Path: w.Store.Root() + "/public/events/month=2024-02", Expression: "id = 3001", Limit: 10},
			} {
				res, err := e.Query(context.Background(), r)
				var qe *query.Error
				if !errors.As(err, &qe) || qe.Code != query.Unreadable || res != nil {
					t.Fatalf("%+v: got %v, %v", r, res, err)
				}
				if !strings.Contains(err.Error(), "month=2024-02") || !strings.Contains(err.Error(), "no rows were returned") {
					t.Errorf("the error does not name the file: %v", err)
				}
			}
			// What does not need the file is answered.
			if got, _ := ids(t, e, query.Request{Path: w.Store.Root() + "/public/events", Columns: []string{"id"}, Expression: "id = 5", Limit: 10}); !slices.Equal(got, []int64{5}) {
				t.Errorf("id = 5: got %v", got)
			}
		})
	}
}

func TestCancelAndTimeout(t *testing.T) {
	w := querytest.Events(t)
	r := query.Request{Path: w.Store.Root() + "/public/events", Expression: "even IS NOT NULL", Limit: 10}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var qe *query.Error
	if _, err := engine(w, query.Options{}).Query(ctx, r); !errors.As(err, &qe) || qe.Code != query.Canceled {
		t.Errorf("cancelled: got %v", err)
	}
	if _, err := engine(w, query.Options{Timeout: time.Nanosecond}).Query(context.Background(), r); !errors.As(err, &qe) || qe.Code != query.Timeout {
		t.Errorf("timeout: got %v", err)
	}
}

// A query that waits for a slow store ends with its context, and with its time limit.
func TestSlowStore(t *testing.T) {
	w := querytest.Events(t)
	slow := faultstore.Wrap(w.Store, faultstore.Rule{Op: faultstore.ReadRanges, Kind: faultstore.Slow, Delay: time.Minute})
	r := query.Request{Path: w.Store.Root() + "/public/events", Expression: "even IS NOT NULL", Limit: 10}
	for _, tt := range []struct {
		name    string
		timeout time.Duration
		code    query.Code
	}{{"cancelled", time.Hour, query.Canceled}, {"timeout", 100 * time.Millisecond, query.Timeout}} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			if tt.code == query.Canceled {
				time.AfterFunc(100*time.Millisecond, cancel)
			}
			defer cancel()
			start := time.Now()
			_, err := query.New(w.Catalog, slow, query.Options{Timeout: tt.timeout}).Query(ctx, r)
			var qe *query.Error
			if !errors.As(err, &qe) || qe.Code != tt.code {
				t.Errorf("got %v", err)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %v to end", took)
			}
		})
	}
}

// A partition without rows is archived, has no files, and answers with none.
func TestEmptyPartition(t *testing.T) {
	w := querytest.New(t)
	tab := w.Table(t, "s", "t", querytest.Columns(querytest.Col("id", coltype.Int64, coltype.WireInt8, "int8")), iceberg.PartitionSpec{})
	e := engine(w, query.Options{})
	if got, res := ids(t, e, query.Request{Path: w.Store.Root() + "/s/t", Limit: 10}); len(got) != 0 || res.Matched != 0 || !res.Counted {
		t.Errorf("a table without partitions: %+v", res)
	}
	tab.Add(t, "p=1")
	tab.Add(t, "p=2", querytest.File{Batches: []arrow.RecordBatch{tab.Rows(t, `{"id":5}`)}})
	for path, want := range map[string][]int64{"/s/t": {5}, "/s/t/p=1": {}, "/s/t/p=2": {5}} {
		if got, _ := ids(t, e, query.Request{Path: w.Store.Root() + path, Limit: 10}); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
}

// A commit is seen by the next query of an engine that has read the table before.
func TestNewPartitionIsSeen(t *testing.T) {
	w := querytest.New(t)
	tab := w.Table(t, "s", "t", querytest.Columns(querytest.Col("id", coltype.Int64, coltype.WireInt8, "int8")), iceberg.PartitionSpec{})
	e := engine(w, query.Options{})
	for n := range int64(3) {
		tab.Add(t, fmt.Sprintf("p=%d", n), querytest.File{Batches: []arrow.RecordBatch{tab.Rows(t, fmt.Sprintf(`{"id":%d}`, n))}})
		if got, _ := ids(t, e, query.Request{Path: w.Store.Root() + "/s/t", Limit: 10}); !slices.Equal(got, seq(0, n+1, 1)) {
			t.Errorf("after %d partitions: %v", n+1, got)
		}
	}
}

// Each failed read of a data file fails the query, with the class of the cause.
func TestFailedReads(t *testing.T) {
	w := querytest.New(t)
	tab := w.Table(t, "s", "big", querytest.Columns(
		querytest.Col("id", coltype.Int64, coltype.WireInt8, "int8"),
		querytest.Col("name", coltype.String, coltype.WireRaw, "text"),
		querytest.Col("more", coltype.String, coltype.WireRaw, "text"),
	), iceberg.PartitionSpec{})
	var b strings.Builder
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 3000 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%d,"name":"%016x%016x","more":"%016x%016x"}`, i, random.Uint64(), random.Uint64(), random.Uint64(), random.Uint64())
	}
	tab.Add(t, "p=1", querytest.File{Batches: []arrow.RecordBatch{tab.Rows(t, b.String())}, Options: parquetio.WriteOptions{RowGroupRows: 1000, PageRows: 250}})
	r := query.Request{Path: w.Store.Root() + "/s/big", Expression: "name <> 'x'", Limit: 10_000, NoPrune: true}
	good := faultstore.Wrap(w.Store)
	if _, res := ids(t, query.New(w.Catalog, good, query.Options{}), r); res.Matched != 3000 || res.Pruning.BytesRead < 100_000 || res.Pruning.Requests < 4 {
		t.Fatalf("matched %d, %+v", res.Matched, res.Pruning)
	}
	reads := good.Count(faultstore.ReadRanges)
	for n := 1; n <= reads; n++ {
		for _, tt := range []struct {
			rule faultstore.Rule
			code query.Code
		}{
			{faultstore.Rule{Kind: faultstore.Fail, Err: objstore.ErrUnreachable}, query.Unreachable},
			{faultstore.Rule{Kind: faultstore.Fail, Err: objstore.ErrNotExist}, query.Unreadable},
			{faultstore.Rule{Kind: faultstore.Truncate}, query.Unreadable},
		} {
			tt.rule.Op, tt.rule.Nth = faultstore.ReadRanges, n
			_, err := query.New(w.Catalog, faultstore.Wrap(w.Store, tt.rule), query.Options{}).Query(context.Background(), r)
			var qe *query.Error
			if !errors.As(err, &qe) || qe.Code != tt.code {
				t.Errorf("read %d fails with %v: got %v", n, tt.rule.Err, err)
			}
		}
	}
}

// The same answers from a bucket.
func TestS3(t *testing.T) {
	s := s3test.Start(t)
	s.Setenv(t)
	w := querytest.EventsIn(t, querytest.Open(t, s.Warehouse(t)))
	got, res := ids(t, engine(w, query.Options{}), query.Request{Path: w.Store.Root() + "/public/events", Columns: []string{"id"}, Expression: "id = 3 OR id > 5996", Limit: 10})
	if !slices.Equal(got, []int64{3, 5997, 5998, 5999}) {
		t.Errorf("got %v, %+v", got, res.Pruning)
	}
}

func TestResultBytes(t *testing.T) {
	w := querytest.Events(t)
	var qe *query.Error
	_, err := engine(w, query.Options{MaxResultBytes: 1000}).Query(context.Background(), query.Request{Path: w.Store.Root() + "/public/events", Limit: 1000})
	if !errors.As(err, &qe) || qe.Code != query.TooLarge {
		t.Errorf("got %v", err)
	}
}

func TestConcurrentQueries(t *testing.T) {
	w := querytest.Events(t)
	e := engine(w, query.Options{Workers: 4, Queries: 3, CacheFiles: 2})
	var g sync.WaitGroup
	for k := range 16 {
		g.Go(func() {
			from := int64(k * 300)
			res, err := e.Query(context.Background(), query.Request{Path: w.Store.Root() + "/public/events", Columns: []string{"id"},
				Expression: fmt.Sprintf("id >= %d AND even IS NOT NULL", from), Limit: 50})
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Release()
			if res.Matched != (6000-from)/2 || res.Rows != 50 {
				t.Errorf("from %d: matched %d, %d rows", from, res.Matched, res.Rows)
			}
		})
	}
	g.Wait()
}

func TestMetadata(t *testing.T) {
	w := querytest.Events(t)
	e := engine(w, query.Options{})
	ctx := context.Background()
	m, err := e.Metadata(ctx, w.Store.Root()+"/public/events/month=2024-02/")
	if err != nil {
		t.Fatal(err)
	}
	if m.Location != w.Store.Root()+"/public/events/month=2024-02" || len(m.Columns) != 6 || m.Columns[1].Name != "grp" || m.TableUUID == "" {
		t.Errorf("got %+v", m)
	}
	if m.Properties["source.partition_value"] != "2024-02" || m.Properties["archive.total_records"] != "2000" || m.Properties["source.table"] != "events" {
		t.Errorf("properties: %v", m.Properties)
	}
	if m, err = e.Metadata(ctx, w.Store.Root()+"/public/events"); err != nil || len(m.Partitions) != 3 || !m.ArchivedAt.Equal(m.Partitions[2].ArchivedAt) {
		t.Errorf("table: %+v, %v", m, err)
	}

	for _, tt := range []struct{ value, want, code string }{
		{"month=2024-01", w.Store.Root() + "/public/events/month=2024-01", ""},
		{"2024-03", w.Store.Root() + "/public/events/month=2024-03", ""},
		{"2024-13", "", "not_found"},
		{"../../x", "", "not_found"},
	} {
		got, err := e.Locate(ctx, "public", "events", tt.value)
		var qe *query.Error
		if got != tt.want || (tt.code != "") != errors.As(err, &qe) || qe != nil && string(qe.Code) != tt.code {
			t.Errorf("locate %s: got %s, %v", tt.value, got, err)
		}
	}
	if _, err := e.Locate(ctx, "..", "..", "x"); err == nil {
		t.Error("locate .. found something")
	}
	if err := e.CheckWarehouse("other", ""); err == nil {
		t.Error("another bucket was accepted")
	}
}

// A partition archived before a column changed its type or name is still read whole.
func TestEvolvedTable(t *testing.T) {
	w := querytest.New(t)
	text := querytest.Col("v", coltype.String, coltype.WireRaw, "text")
	when := querytest.Col("at", coltype.Timestamp, coltype.WireTimestamp, "timestamp")
	id := querytest.Col("id", coltype.Int64, coltype.WireInt8, "int8")
	number := querytest.Col("v", coltype.Int32, coltype.WireInt4, "int4")
	old := w.Table(t, "s", "t", querytest.Columns(id, number, when), iceberg.PartitionSpec{})
	old.Add(t, "p=1", querytest.File{Batches: []arrow.RecordBatch{old.Rows(t,
		`{"id":1,"v":10,"at":null,"_pg_exact":[{"key":"at","value":"infinity"}]},{"id":2,"v":20,"at":"2024-01-01 00:00:00"}`)}})
	when.Name = "happened"
	tab := w.Table(t, "s", "t", querytest.Columns(id, text, when, querytest.Col("extra", coltype.Bool, coltype.WireBool, "bool")), iceberg.PartitionSpec{})
	tab.Add(t, "p=2", querytest.File{Batches: []arrow.RecordBatch{tab.Rows(t, `{"id":3,"v":"x","happened":"2024-05-01 00:00:00","extra":true}`)}})

	e := engine(w, query.Options{})
	root := w.Store.Root() + "/s/t"
	for _, tt := range []struct {
		path, filter string
		want         []int64
	}{
		{root, "", []int64{1, 2, 3}},
		{root, "happened > '2024-02-01'", []int64{1, 3}},
		{root, "extra", []int64{3}},
		{root, "extra IS NULL", []int64{1, 2}},
		{root + "/p=1", "v > 15", []int64{2}},
		{root + "/p=1", "happened = 'infinity'", []int64{1}},
		{root + "/p=2", "v = 'x'", []int64{3}},
	} {
		got, _ := ids(t, e, query.Request{Path: tt.path, Columns: []string{"id"}, Expression: tt.filter, Limit: 10})
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s where %s: got %v, want %v", tt.path, tt.filter, got, tt.want)
		}
	}
	// The new column was not there in the old partition: NULL, and said so.
	res, err := e.Query(context.Background(), query.Request{Path: root, Expression: "v IS NULL", Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Release()
	want := `column "v" had another type in partition "p=1" and is NULL there; query that partition by its own path`
	if res.Matched != 2 || len(res.Warnings) != 1 || res.Warnings[0] != want {
		t.Errorf("a column of two types over the table: %d rows, warnings %q", res.Matched, res.Warnings)
	}
}
