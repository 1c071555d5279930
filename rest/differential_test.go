package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/internal/pgtest"
	"frostline/parquetio"
	"frostline/pgcopy"
	"frostline/postgres"
	"frostline/predicate/predtest"
	"frostline/query"
	"frostline/query/querytest"
	"frostline/rest"
)

// selects is a function of the server: the ids of the rows where the condition is TRUE, or the error.
const selects = `CREATE FUNCTION selects(condition text) RETURNS text LANGUAGE plpgsql SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE found text;
BEGIN
	EXECUTE 'SELECT coalesce(string_agg(id::text, '','' ORDER BY id), '''') FROM t WHERE ' || condition INTO found;
	RETURN found;
EXCEPTION WHEN OTHERS THEN
	RETURN 'ERROR ' || SQLSTATE || ' ' || SQLERRM;
END $$`

// copied is the table t of db in a warehouse: partitions by c_bool (identity, NULL among them), each of three files that
// are sorted by different columns, in small row groups and pages, so that every level has something to prune.
func copied(t *testing.T, db *pgtest.DB) (w *querytest.Warehouse, cols []coltype.Column) {
	t.Helper()
	ctx := context.Background()
	pg, err := postgres.Open(ctx, postgres.Config{DSN: db.DSN})
	if err != nil {
		t.Fatal(err)
	}
	defer pg.Close()
	info, err := pg.Table(ctx, postgres.Name{Schema: "public", Table: "t"})
	if err != nil {
		t.Fatal(err)
	}
	w = querytest.New(t)
	spec := iceberg.PartitionSpec{Column: "c_bool", Transform: "identity"}
	tab := w.Table(t, "public", "t", info.Columns, spec)
	schema := tab.T.Schema()
	var blooms []string // on every column that can have one
	for _, c := range schema.Columns {
		if parquetio.CanBloom(c.Type) {
			blooms = append(blooms, c.Name)
		}
	}
	order := [][3]string{{"c_int4", "c_date", "c_text"}, {"c_num", "c_tstz", `"Mood ""x"""`}, {"c_float8", "c_wide, c_free", "id"}}
	for p, part := range []struct {
		name, where string
		value       *coltype.Value
	}{
		{"c_bool=t", "c_bool", &coltype.Value{Kind: coltype.Bool, I: 1}},
		{"c_bool=f", "NOT c_bool", &coltype.Value{Kind: coltype.Bool}},
		{"c_bool=none", "c_bool IS NULL", nil},
	} {
		tuple, err := spec.Tuple(part.value)
		if err != nil {
			t.Fatal(err)
		}
		var files []querytest.File
		for k := range 3 {
			data := db.CopyOut(t, fmt.Sprintf("SELECT %s FROM t WHERE %s AND id %% 3 = %d ORDER BY %s, id",
				pgcopy.SelectList(schema.Columns, ""), part.where, k, order[p][k]))
			d := pgcopy.NewDecoder(bytes.NewReader(data), schema, pgcopy.DecodeOptions{})
			f := querytest.File{Tuple: tuple, Options: parquetio.WriteOptions{RowGroupRows: 60, PageRows: 20, Bloom: blooms}}
			for {
				b, err := d.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				defer b.Release()
				f.Batches = append(f.Batches, b)
			}
			files = append(files, f)
		}
		tab.Add(t, part.name, files...)
	}
	return w, schema.Columns
}

// TestDifferential: random predicates over a table of every typed kind with NULLs give the same ids through the HTTP
// endpoint as in PostgreSQL; what one refuses the other refuses. FROSTLINE_SEED repeats a run.
func TestDifferential(t *testing.T) {
	const predicates, rows = 2000, 800
	seed := rand.Uint64()
	if s := os.Getenv("FROSTLINE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("FROSTLINE_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, seed))

	db := pgtest.Start(t).Database(t)
	db.Exec(t, predtest.Types, predtest.Create("t"), selects)
	for at := 1; at <= rows; at += 200 {
		db.Exec(t, predtest.Insert(r, "t", at, 200))
	}
	w, cols := copied(t, db)
	handler := rest.New(query.New(w.Catalog, w.Store, query.Options{}), rest.Options{Log: slog.New(slog.DiscardHandler)}).Handler()

	gen := predtest.New(r, cols)
	var mu sync.Mutex
	var skipped query.Pruning
	refused, empty, valid := 0, 0, 0
	for valid < predicates && !t.Failed() {
		batch := make([]string, 100)
		for i := range batch {
			batch[i] = gen.Predicate()
		}
		literals := make([]string, len(batch))
		for i, text := range batch {
			literals[i] = postgres.Literal(text)
		}
		want := db.Query(t, "SELECT selects(p) FROM unnest(ARRAY["+strings.Join(literals, ",")+"]) WITH ORDINALITY AS u(p, n) ORDER BY n")
		var work sync.WaitGroup
		for part := range 4 {
			work.Go(func() {
				for i := part; i < len(batch); i += 4 {
					status, got, p := ask(t, handler, w.Store.Root()+"/public/t", batch[i])
					server := want[i][0]
					switch isError := strings.HasPrefix(server, "ERROR"); {
					case isError != (status == http.StatusBadRequest):
						t.Errorf("%s\n  PostgreSQL: %s\n  here: %d %s", batch[i], server, status, got)
					case !isError && (status != http.StatusOK || got != server):
						t.Errorf("%s\n  PostgreSQL: %s\n  here:   %d %s", batch[i], server, status, got)
					}
					mu.Lock()
					switch {
					case status == http.StatusBadRequest:
						refused++
					case got == "":
						empty++
						valid++
					default:
						valid++
					}
					for _, l := range []struct{ sum, one *query.Level }{{&skipped.Partitions, &p.Partitions}, {&skipped.Files, &p.Files},
						{&skipped.RowGroups, &p.RowGroups}, {&skipped.Pages, &p.Pages}} {
						l.sum.Total += l.one.Total
						l.sum.Skipped += l.one.Skipped
					}
					skipped.BloomSkipped += p.BloomSkipped
					mu.Unlock()
				}
			})
		}
		work.Wait()
	}
	t.Logf("%d predicates valid (%d select nothing), %d refused by both; skipped %+v", valid, empty, refused, skipped)
	for _, l := range []query.Level{skipped.Partitions, skipped.Files, skipped.RowGroups, skipped.Pages} {
		if l.Skipped == 0 {
			t.Errorf("a level never skipped anything: %+v", skipped)
		}
	}
	if skipped.BloomSkipped == 0 {
		t.Errorf("Bloom filters never skipped anything: %+v", skipped)
	}
	if empty > valid*3/4 || refused > valid/4 {
		t.Errorf("the predicates say too little")
	}
}

// ask gives the status and, for 200, the ids in ascending order with commas between.
func ask(t *testing.T, h http.Handler, path, filter string) (int, string, query.Pruning) {
	body, err := json.Marshal(map[string]any{"archivePath": path, "columns": []string{"id"}, "filterExpression": filter, "limit": 100000})
	if err != nil {
		t.Error(err)
	}
	req := httptest.NewRequest("POST", "/api/v1/archives/query", bytes.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	res := httptest.NewRecorder()
	h.ServeHTTP(res, req)
	if res.Code != http.StatusOK {
		return res.Code, res.Body.String(), query.Pruning{}
	}
	var v struct {
		Data         []struct{ ID int64 }
		TotalMatched int64
		Pruning      query.Pruning
	}
	if err := json.Unmarshal(res.Body.Bytes(), &v); err != nil {
		t.Errorf("%s: %v", filter, err)
	}
	ids := make([]int64, len(v.Data))
	for i, d := range v.Data {
		ids[i] = d.ID
	}
	if int64(len(ids)) != v.TotalMatched {
		t.Errorf("%s: %d rows, totalMatched %d", filter, len(ids), v.TotalMatched)
	}
	slices.Sort(ids)
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(id, 10))
	}
	return res.Code, b.String(), v.Pruning
}
