package query_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/internal/s3test"
	"frostline/objstore"
	"frostline/objstore/cachestore"
	"frostline/parquetio"
	"frostline/query"
	"frostline/query/querytest"
)

// requests counts what passes between a store and the S3 server, by method: LIST is a GET of the bucket.
type requests struct {
	mu   sync.Mutex
	n    cost
	keys []string
}

// cost is the number of requests.
type cost struct{ get, head, list int }

// countedS3 is a proxy before the server, whose address the environment has from now on.
func countedS3(t *testing.T) *requests {
	t.Helper()
	target, err := url.Parse(s3test.Start(t).Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	c := &requests{}
	through := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		switch {
		case r.URL.Query().Has("list-type"):
			c.n.list++
		case r.Method == http.MethodHead:
			c.n.head++
		default:
			c.n.get++
		}
		c.keys = append(c.keys, r.Method+" "+r.URL.Path+" "+r.Header.Get("Range"))
		c.mu.Unlock()
		through.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	t.Setenv("AWS_ENDPOINT_URL_S3", front.URL)
	return c
}

// take gives the counts, and the requests one a line, and starts anew.
func (c *requests) take() (cost, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, keys := c.n, strings.Join(c.keys, "\n")
	c.n, c.keys = cost{}, nil
	return n, keys
}

// wide is a table of 18 columns in one file of three row groups of some 5 MB: id counts from 0, key has no order and a Bloom filter.
func wide(t *testing.T, w *querytest.Warehouse) (keys []int64) {
	t.Helper()
	cols := []coltype.Column{querytest.Col("id", coltype.Int64, coltype.WireInt8, "int8"), querytest.Col("key", coltype.Int64, coltype.WireInt8, "int8")}
	for i := range 10 {
		cols = append(cols, querytest.Col(fmt.Sprint("n", i), coltype.Int64, coltype.WireInt8, "int8"))
	}
	for i := range 6 {
		cols = append(cols, querytest.Col(fmt.Sprint("t", i), coltype.String, coltype.WireRaw, "text"))
	}
	tab := w.Table(t, "s", "wide", querytest.Columns(cols...), iceberg.PartitionSpec{})
	rng := rand.New(rand.NewPCG(5, 6))
	file := querytest.File{Options: parquetio.WriteOptions{RowGroupRows: 20_000, PageRows: 2000, Bloom: []string{"key"}}}
	for part := range 3 {
		rb := array.NewRecordBuilder(memory.DefaultAllocator, tab.T.Schema().Arrow())
		for i := range 20_000 {
			key := rng.Int64()
			keys = append(keys, key)
			rb.Field(0).(*array.Int64Builder).Append(int64(part*20_000 + i))
			rb.Field(1).(*array.Int64Builder).Append(key)
			for c := 2; c < 12; c++ {
				rb.Field(c).(*array.Int64Builder).Append(rng.Int64())
			}
			for c := 12; c < 18; c++ {
				rb.Field(c).(*array.StringBuilder).Append(fmt.Sprintf("%x-%x", rng.Uint64(), rng.Uint64()))
			}
			rb.Field(18).AppendNull()
		}
		b := rb.NewRecordBatch()
		t.Cleanup(b.Release)
		rb.Release()
		file.Batches = append(file.Batches, b)
	}
	tab.Add(t, "p=1", file)
	return keys
}

// What a lookup of one row with all of its 18 columns asks of S3: no more than these.
func TestRequestsOfLookups(t *testing.T) {
	location := s3test.Start(t).Warehouse(t)
	keys := wide(t, querytest.Open(t, location))
	count := countedS3(t)
	dir := t.TempDir()
	for _, tt := range []struct {
		name  string
		cache *cachestore.Options
		most  [6]cost
	}{
		{"metadata only is cached", nil, [6]cost{{12, 1, 0}, {7, 2, 0}, {7, 2, 0}, {10, 2, 0}, {7, 2, 0}, {0, 2, 0}}},
		{"blocks in memory", &cachestore.Options{MemoryBytes: 64 << 20}, [6]cost{{7, 1, 0}, {0, 2, 0}, {2, 2, 0}, {4, 2, 0}, {2, 2, 0}, {0, 2, 0}}},
		{"a new process, its cache on disk empty", &cachestore.Options{MemoryBytes: 64 << 20, Dir: dir, DiskBytes: 1 << 30}, [6]cost{{7, 1, 0}, {0, 2, 0}, {2, 2, 0}, {4, 2, 0}, {2, 2, 0}, {0, 2, 0}}},
		{"another process on that cache", &cachestore.Options{MemoryBytes: 64 << 20, Dir: dir, DiskBytes: 1 << 30}, [6]cost{{1, 2, 0}, {0, 2, 0}, {0, 2, 0}, {0, 2, 0}, {0, 2, 0}, {0, 2, 0}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store, err := objstore.Open(t.Context(), location, objstore.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if tt.cache != nil {
				c, err := cachestore.Wrap(store, *tt.cache)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				store = c
			}
			e := query.New(iceberg.NewCatalog(store), store, query.Options{})
			for i, step := range []struct {
				name, filter string
				rows         int64
			}{
				{"cold, by the sorted id", "id = 31234", 1},
				{"the same again", "id = 31234", 1},
				{"another row group", "id = 51234", 1},
				{"by the random key, the Bloom filters cold", fmt.Sprintf("key = %d", keys[12345]), 1},
				{"by another", fmt.Sprintf("key = %d", keys[45000]), 1},
				{"a key that is not there", "key = 5", 0},
			} {
				count.take()
				res, err := e.Query(t.Context(), query.Request{Path: location + "/s/wide/p=1", Expression: step.filter, Limit: 10})
				if err != nil {
					t.Fatal(err)
				}
				if res.Rows != step.rows || len(res.Columns) != 18 {
					t.Errorf("%s: %d rows of %d columns, want %d of 18", step.name, res.Rows, len(res.Columns), step.rows)
				}
				res.Release()
				got, keys := count.take()
				t.Logf("%-45s %+v", step.name, got)
				if most := tt.most[i]; got.get > most.get || got.head > most.head || got.list > most.list {
					t.Errorf("%s: %+v requests, want at most %+v:\n%s", step.name, got, most, keys)
				}
			}
		})
	}
}
