package query_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/parquetio"
	"frostline/query"
	"frostline/query/querytest"
)

// shuffled is a table of two files of four row groups of 1000 rows. id counts from 0. key is a number ≥ 0 that has no
// order, a multiple of 10; code is its text, NULL in every tenth row; at is seconds of it after 2000, but infinity in row 1500.
func shuffled(tb testing.TB) (w *querytest.Warehouse, keys []int) {
	tb.Helper()
	w = querytest.New(tb)
	t := w.Table(tb, "s", "shuffled", querytest.Columns(
		querytest.Col("id", coltype.Int64, coltype.WireInt8, "int8"),
		querytest.Col("key", coltype.Int32, coltype.WireInt4, "int4"),
		querytest.Col("code", coltype.String, coltype.WireRaw, "text"),
		querytest.Col("at", coltype.Timestamp, coltype.WireTimestamp, "timestamp"),
	), iceberg.PartitionSpec{})
	keys = rand.New(rand.NewPCG(7, 8)).Perm(8000)
	var files []querytest.File
	for f := range 2 {
		var b strings.Builder
		for i := f * 4000; i < f*4000+4000; i++ {
			code, at, exact := fmt.Sprintf(`"c%05d"`, keys[i]*10), fmt.Sprintf(`"2000-01-01 %02d:%02d:%02d"`, keys[i]/3600, keys[i]/60%60, keys[i]%60), "null"
			if i%10 == 3 {
				code = "null"
			}
			if i == 1500 {
				at, exact = "null", `[{"key":"at","value":"infinity"}]`
			}
			fmt.Fprintf(&b, `,{"id":%d,"key":%d,"code":%s,"at":%s,"_pg_exact":%s}`, i, keys[i]*10, code, at, exact)
		}
		files = append(files, querytest.File{Batches: []arrow.RecordBatch{t.Rows(tb, b.String()[1:])},
			Options: parquetio.WriteOptions{RowGroupRows: 1000, PageRows: 250, Bloom: []string{"key", "code", "at"}}})
	}
	t.Add(tb, "p=1", files...)
	return w, keys
}

func TestBloom(t *testing.T) {
	w, keys := shuffled(t)
	row := int64(5432)
	key := keys[row] * 10
	code := fmt.Sprintf("c%05d", key)
	for _, tt := range []struct {
		name, filter string
		want         []int64
		least, most  int64 // row groups that filters exclude
	}{
		{"one value", fmt.Sprintf("key = %d", key), []int64{row}, 6, 7},
		{"no value", fmt.Sprintf("key = %d", key+1), []int64{}, 7, 8},
		{"no value, as a fraction", fmt.Sprintf("key = %d.5", key), []int64{}, 0, 0}, // no integer: decided before any file is opened
		{"text", fmt.Sprintf("code = '%s'", code), []int64{row}, 6, 7},
		{"text without wildcards", fmt.Sprintf("code LIKE '%s'", code), []int64{row}, 6, 7},
		{"text by prefix", fmt.Sprintf("code LIKE '%s%%'", code), []int64{row}, 0, 0},
		{"two columns", fmt.Sprintf("key = %d AND code = '%s'", key, code), []int64{row}, 7, 7},
		{"either column", fmt.Sprintf("key = %d OR code = '%s'", key, code), []int64{row}, 6, 7},
		{"beside a range", fmt.Sprintf("key = %d OR id = 3", key), []int64{3, row}, 5, 6}, // id 3 by statistics
		{"beside what filters cannot say", fmt.Sprintf("key = %d OR code LIKE '_12340'", key), []int64{row, int64(slices.Index(keys, 1234))}, 0, 0},
		{"list", fmt.Sprintf("key IN (%d, %d, 5)", key, key+1), []int64{row}, 5, 7},
		{"negated", fmt.Sprintf("id < 3 AND key <> %d", key), []int64{0, 1, 2}, 0, 0},
		{"a timestamp, beside infinity", fmt.Sprintf("at = TIMESTAMP '2000-01-01 01:00' AND id <> %d", slices.Index(keys, 3600)), []int64{}, 5, 6},
		{"no timestamp", "at = TIMESTAMP '2000-01-01 01:00:00.5'", []int64{}, 6, 7}, // all but where a cell is kept as text
		{"infinity", "at = 'infinity'", []int64{1500}, 0, 0},                        // statistics say it
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := engine(w, query.Options{})
			slices.Sort(tt.want)
			req := query.Request{Path: w.Store.Root() + "/s/shuffled", Columns: []string{"id"}, Expression: tt.filter, Limit: 100}
			got, res := ids(t, e, req)
			if !slices.Equal(got, tt.want) {
				t.Fatalf("rows %v, want %v", got, tt.want)
			}
			if n := res.Pruning.BloomSkipped; n < tt.least || n > tt.most || n > res.Pruning.RowGroups.Skipped {
				t.Errorf("filters exclude %d row groups, want %d to %d; %+v", n, tt.least, tt.most, res.Pruning)
			}
			again, second := ids(t, e, req)
			if !slices.Equal(again, got) || second.Pruning.BloomSkipped != res.Pruning.BloomSkipped {
				t.Errorf("again: %v, %+v; was %+v", again, second.Pruning, res.Pruning)
			}
			req.NoPrune = true
			if all, res := ids(t, e, req); !slices.Equal(all, got) || res.Pruning.BloomSkipped != 0 || res.Pruning.RowGroups.Skipped != 0 {
				t.Errorf("without pruning: %v, %+v", all, res.Pruning)
			}
		})
	}
}

// Filters that are kept cost no request; a budget of one keeps one.
func TestBloomKept(t *testing.T) {
	w, keys := big(t)
	req := query.Request{Path: w.Store.Root() + "/s/big", Columns: []string{"id"}, Expression: fmt.Sprintf("key = %d", keys[100]+1), Limit: 10}
	for _, tt := range []struct {
		name   string
		budget int64
		kept   bool
	}{{"default", 0, true}, {"one byte", 1, false}} {
		t.Run(tt.name, func(t *testing.T) {
			e := engine(w, query.Options{BloomBytes: tt.budget})
			_, first := ids(t, e, req)
			_, second := ids(t, e, req)
			if first.Pruning.BloomSkipped != 3 || second.Pruning.BloomSkipped != 3 || first.Pruning.PagesRead != 0 {
				t.Fatalf("%+v, then %+v", first.Pruning, second.Pruning)
			}
			if (second.Pruning.Requests == 0) != tt.kept {
				t.Errorf("%d requests the second time", second.Pruning.Requests)
			}
			if n := first.Pruning.Requests; n != 2 {
				t.Errorf("%d requests the first time, want one for the footer and one for all filters", n)
			}
		})
	}
}

// big is one file of three row groups whose filters take 64 KiB each, more than the end of the file that is kept.
func big(tb testing.TB) (*querytest.Warehouse, []int64) {
	tb.Helper()
	w := querytest.New(tb)
	t := w.Table(tb, "s", "big", querytest.Columns(
		querytest.Col("id", coltype.Int64, coltype.WireInt8, "int8"),
		querytest.Col("key", coltype.Int64, coltype.WireInt8, "int8"),
	), iceberg.PartitionSpec{})
	r := rand.New(rand.NewPCG(9, 10))
	rb := array.NewRecordBuilder(memory.DefaultAllocator, t.T.Schema().Arrow())
	var keys []int64
	for i := range int64(120_000) {
		key := r.Int64() &^ 1
		keys = append(keys, key)
		rb.Field(0).(*array.Int64Builder).Append(i)
		rb.Field(1).(*array.Int64Builder).Append(key)
		rb.Field(2).AppendNull()
	}
	t.Add(tb, "p=1", querytest.File{Batches: []arrow.RecordBatch{rb.NewRecordBatch()}, Options: parquetio.WriteOptions{RowGroupRows: 40_000, Bloom: []string{"key"}}})
	return w, keys
}

// A damaged filter fails the query: it never makes it return fewer rows.
func TestBloomDamaged(t *testing.T) {
	w, keys := big(t)
	root := strings.TrimPrefix(w.Store.Root(), "file://")
	files, err := filepath.Glob(filepath.Join(root, "s", "big", "p=1", "data", "*.parquet"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	// A header of 64 KiB, as BloomFilterHeader in compact Thrift; its size becomes another.
	header := []byte{0x15, 0x80, 0x80, 0x08, 0x1c, 0x1c}
	at := strings.Index(string(b), string(header))
	if at < 0 {
		t.Fatal("the file has no filter of 64 KiB")
	}
	b[at+3] = 0x04
	if err := os.WriteFile(files[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	e := engine(w, query.Options{})
	_, err = e.Query(context.Background(), query.Request{Path: w.Store.Root() + "/s/big", Expression: fmt.Sprintf("key = %d", keys[5]), Limit: 10})
	var qe *query.Error
	if !errors.As(err, &qe) || qe.Code != query.Unreadable || !strings.Contains(err.Error(), "Bloom filter") {
		t.Fatalf("error %v, want %s", err, query.Unreadable)
	}
	if got, _ := ids(t, e, query.Request{Path: w.Store.Root() + "/s/big", Columns: []string{"id"}, Expression: "id = 5", Limit: 10}); !slices.Equal(got, []int64{5}) {
		t.Errorf("a query that asks no filter: %v", got)
	}
}
