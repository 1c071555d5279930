package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

	"github.com/apache/arrow-go/v18/arrow/array"

	"frostline/internal/pgtest"
	"frostline/postgres"
	"frostline/predicate"
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

// amount is a number of the environment, or def.
func amount(t *testing.T, name string, def uint64) uint64 {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return def
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// differ is the same table on a server and in a warehouse.
type differ struct {
	db      *pgtest.DB
	engine  *query.Engine
	handler http.Handler
	path    string
	mu      sync.Mutex
	skipped query.Pruning

	refused, empty, valid, raised, alone int
}

// TestDifferential: random predicates over a table of every kind with NULLs give the same ids through the HTTP endpoint as in
// PostgreSQL; what one refuses the other refuses; and pruning changes nothing. FROSTLINE_SEED repeats a run,
// FROSTLINE_QUERIES says how many predicates there are.
func TestDifferential(t *testing.T) {
	const rows = 800
	seed, predicates := amount(t, "FROSTLINE_SEED", rand.Uint64()), int(amount(t, "FROSTLINE_QUERIES", 2000))
	t.Logf("FROSTLINE_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, seed))

	db := pgtest.Start(t).Database(t)
	db.Exec(t, predtest.Types, predtest.Create("t"), selects)
	for at := 1; at <= rows; at += 200 {
		db.Exec(t, predtest.Insert(r, "t", at, 200))
	}
	w := querytest.New(t)
	cols := w.Copy(t, db, "t", "c_bool", [3][3]string{{"c_int4", "c_date", "c_text"}, {"c_num", "c_tstz", `"Mood ""x"""`}, {"s_ts", "c_wide, c_free", "id"}})
	d := &differ{db: db, engine: query.New(w.Catalog, w.Store, query.Options{}), path: w.Store.Root() + "/public/t"}
	d.handler = rest.New(d.engine, rest.Options{Log: slog.New(slog.DiscardHandler)}).Handler()

	gen := predtest.NewComputing(r, cols)
	for d.valid < predicates && !t.Failed() {
		batch := make([]string, 100)
		for i := range batch {
			batch[i] = gen.Predicate()
		}
		want := d.server(t, batch)
		var work sync.WaitGroup
		for part := range 4 {
			work.Go(func() {
				for i := part; i < len(batch); i += 4 {
					if why := d.compare(t, batch[i], want[i], true); why != "" {
						d.report(t, batch[i], why)
					}
				}
			})
		}
		work.Wait()
	}
	t.Logf("%d predicates valid (%d select nothing), %d refused by both, %d raise errors in both, %d in one; skipped %+v",
		d.valid, d.empty, d.refused, d.raised, d.alone, d.skipped)
	for _, l := range []query.Level{d.skipped.Partitions, d.skipped.Files, d.skipped.RowGroups, d.skipped.Pages} {
		if l.Skipped == 0 {
			t.Errorf("a level never skipped anything: %+v", d.skipped)
		}
	}
	if d.skipped.BloomSkipped == 0 {
		t.Errorf("Bloom filters never skipped anything: %+v", d.skipped)
	}
	if d.empty > d.valid*3/4 || d.refused > d.valid/4 || d.raised > d.valid/4 || d.alone > d.valid/20 {
		t.Errorf("the predicates say too little")
	}
}

// server gives the ids that the server selects, or its errors.
func (d *differ) server(t *testing.T, batch []string) []string {
	literals := make([]string, len(batch))
	for i, text := range batch {
		literals[i] = postgres.Literal(text)
	}
	out := make([]string, len(batch))
	for i, row := range d.db.Query(t, "SELECT selects(p) FROM unnest(ARRAY["+strings.Join(literals, ",")+"]) WITH ORDINALITY AS u(p, n) ORDER BY n") {
		out[i] = row[0]
	}
	return out
}

// report fails with the smallest part of text that fails too.
func (d *differ) report(t *testing.T, text, why string) {
	small := predtest.Shrink(text, func(part string) bool {
		got := d.compare(t, part, d.server(t, []string{part})[0], false)
		if got != "" {
			why = got
		}
		return got != ""
	})
	t.Errorf("%s\n  of %s\n  %s", small, text, why)
}

// compare says how the answers to text differ, "" if they do not. The server's is want.
func (d *differ) compare(t *testing.T, text, want string, count bool) string {
	status, got, p := ask(t, d.handler, d.path, text)
	plain, err := d.engine.Query(context.Background(), query.Request{Path: d.path, Columns: []string{"id"}, Expression: text, Limit: 100000, NoPrune: true})
	whole := ""
	if err == nil {
		whole = idsOf(plain)
		plain.Release()
	}
	here, isError, both := status == http.StatusBadRequest, strings.HasPrefix(want, "ERROR"), false
	byRow := here && raisedByRow(got)
	var pe *query.Error
	hidden := !here && errors.As(err, &pe) && raisedByRow(`"code":"`+pe.Reason+`"`) // of rows that pruning left out
	switch {
	case hidden && (predtest.AtRunTime(want) || predtest.MayShorten(text) && got == want):
	case status != http.StatusOK && !here:
		return fmt.Sprintf("here: %d %s", status, got)
	case here != (err != nil), !here && whole != got:
		return fmt.Sprintf("pruned: %d %s\n  not pruned: %s %v", status, got, whole, err)
	case here && isError:
		both = true
	case here != isError && predtest.MayShorten(text) && (byRow || predtest.AtRunTime(want)): // the order of evaluation is nobody's promise
	case here != isError:
		return fmt.Sprintf("PostgreSQL: %s\n  here: %d %s", want, status, got)
	case got != want:
		return fmt.Sprintf("PostgreSQL: %s\n  here:   %s", want, got)
	}
	if !count {
		return ""
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case both && predtest.AtRunTime(want):
		d.raised++
	case both:
		d.refused++
	case here || isError:
		d.alone++
	default:
		d.valid++
		if got == "" {
			d.empty++
		}
	}
	for _, l := range []struct{ sum, one *query.Level }{{&d.skipped.Partitions, &p.Partitions}, {&d.skipped.Files, &p.Files},
		{&d.skipped.RowGroups, &p.RowGroups}, {&d.skipped.Pages, &p.Pages}} {
		l.sum.Total += l.one.Total
		l.sum.Skipped += l.one.Skipped
	}
	d.skipped.BloomSkipped += p.BloomSkipped
	return ""
}

// raisedByRow tells whether a refusal is of a value in some row.
func raisedByRow(body string) bool {
	for _, code := range []string{predicate.CodeDivisionZero, predicate.CodeOutOfRange, predicate.CodeInvalidValue} {
		if strings.Contains(body, `"code":"`+code+`"`) {
			return true
		}
	}
	return false
}

func idsOf(r *query.Result) string {
	var ids []int64
	for _, b := range r.Batches {
		ids = append(ids, b.Column(0).(*array.Int64).Int64Values()...)
	}
	return joined(ids)
}

func joined(ids []int64) string {
	slices.Sort(ids)
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(id, 10))
	}
	return b.String()
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
	return res.Code, joined(ids), v.Pruning
}
