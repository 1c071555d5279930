package page_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/archive"
	"frostline/coltype"
	"frostline/iceberg"
	"frostline/internal/browser"
	"frostline/internal/pgtest"
	"frostline/internal/restio"
	"frostline/objstore"
	"frostline/parquetio"
	"frostline/postgres"
	"frostline/query"
	"frostline/rest"
)

// hostile names a table, a column and a partition by what a page that pastes names into its HTML would run.
const hostile = `<img src=x onerror=alert(1)>`

// source is a table of three months with 4000 rows each, and a hostile one. Of three memos one is NULL, one empty, one long.
const source = `
	CREATE TABLE payments (id bigint, paid_at timestamptz NOT NULL, customer int, amount numeric(20,2), status text, memo text, receipt bytea, tags text[], paid boolean, due date, big bigint,
		PRIMARY KEY (id, paid_at)) PARTITION BY RANGE (paid_at);
	CREATE TABLE payments_01 PARTITION OF payments FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
	CREATE TABLE payments_02 PARTITION OF payments FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
	CREATE TABLE payments_03 PARTITION OF payments FOR VALUES FROM ('2024-03-01') TO ('2024-04-01');
	INSERT INTO payments SELECT i, '2024-01-01Z'::timestamptz + (i - 1) / 4000 * interval '31 days' + i % 4000 * interval '10 minutes', i * 7919 % 500, i * 1.25, (ARRAY['settled', 'failed', 'refunded'])[i % 3 + 1],
		CASE i % 3 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE repeat('paid in part, see the letter; ', 12) END, decode(repeat('00ff', i % 5 * 20), 'hex'), ARRAY['a', 'b' || i], i % 2 = 0, '2024-01-01'::date + i / 400, 9007199254740993 + i
		FROM generate_series(0, 11999) i;
	CREATE TABLE "<img src=x onerror=alert(1)>" ("<img src=x onerror=alert(1)>" text, __proto__ text, "a ""quoted"" one, too" int);
	INSERT INTO "<img src=x onerror=alert(1)>" VALUES ('<img src=x onerror=alert(1)>', '<svg onload=alert(2)>', 7), ('<img src=x onerror=alert(1)>', '"><script>alert(3)</script>', 8)`

// site is queryd's API with its page over a real archive, and a browser.
type site struct {
	*httptest.Server
	engine  rest.Engine
	browser *browser.Browser
	held    *atomic.Bool // background queries wait while it is set
	failing *atomic.Bool // a stream fails behind its first rows while it is set
	shots   string
}

func open(t *testing.T) *site {
	t.Helper()
	b := browser.Start(t)
	db := pgtest.Start(t).Database(t)
	db.Exec(t, source)
	pg, err := postgres.Open(t.Context(), postgres.Config{DSN: db.DSN, Application: "page test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pg.Close)
	store, err := objstore.Open(t.Context(), "file://"+t.TempDir(), objstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	catalog := iceberg.NewCatalog(store)
	a := &archive.Archiver{DB: pg, Store: store, Catalog: catalog, Version: "test", Workers: 1, Layout: parquetio.WriteOptions{RowGroupRows: 1000, PageRows: 250}, SortBy: []string{"id"}}
	for _, r := range [][3]string{{"payments", "paid_at", "2024-01"}, {"payments", "paid_at", "2024-02"}, {"payments", "paid_at", "2024-03"}, {hostile, hostile, hostile}} {
		if r[0] == hostile {
			a.SortBy = nil
		}
		if _, err := a.Run(t.Context(), archive.Request{Table: postgres.Name{Schema: "public", Table: r[0]}, Column: r[1], Value: r[2]}); err != nil {
			t.Fatal(err)
		}
	}
	engine := query.New(catalog, store, query.Options{})
	s := &site{engine: engine, browser: b, held: &atomic.Bool{}, failing: &atomic.Bool{}, shots: os.Getenv("FROSTLINE_SCREENSHOTS")}
	if s.shots == "" {
		s.shots = t.TempDir()
	}
	handler := rest.New(failing{engine, s.failing}, rest.Options{Log: slog.New(slog.DiscardHandler), Parquet: restio.Parquet,
		Long: rest.LongOptions{Folder: restio.Folder{Store: store, Prefix: restio.Warehouse}, Engine: holding{engine, s.held}}}).Handler()
	s.Server = httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s
}

// holding is the engine, which lets a query wait until it is cancelled.
type holding struct {
	rest.Engine
	held *atomic.Bool
}

func (h holding) Stream(ctx context.Context, r query.Request, start func([]coltype.Column, int64) error, each func(arrow.RecordBatch) error) (*query.Result, error) {
	if h.held.Load() {
		<-ctx.Done()
	}
	return h.Engine.Stream(ctx, r, start, each)
}

// failing is the engine, which breaks off behind the first rows.
type failing struct {
	rest.Engine
	set *atomic.Bool
}

func (f failing) Stream(ctx context.Context, r query.Request, start func([]coltype.Column, int64) error, each func(arrow.RecordBatch) error) (*query.Result, error) {
	sent := int64(0)
	return f.Engine.Stream(ctx, r, start, func(b arrow.RecordBatch) error {
		if f.set.Load() && sent > 4000 {
			return errors.New("the disk went away")
		}
		sent += b.NumRows()
		return each(b)
	})
}

// visit is a page with the steps that tests share.
type visit struct {
	*browser.Page
	t *testing.T
	s *site
}

// visit opens the page and waits for its lists.
func (s *site) visit(t *testing.T, o browser.Options, hash string) visit {
	t.Helper()
	v := visit{s.browser.Page(t, o), t, s}
	v.Goto(s.URL + "/" + hash)
	v.Wait(`document.querySelectorAll("#columns li").length > 0`)
	return v
}

// set gives a control a value, as choosing or writing does.
func (v visit) set(selector, value string) {
	v.t.Helper()
	v.Eval(fmt.Sprintf(`(() => { const e = document.querySelector(%s); e.value = %s; e.dispatchEvent(new Event("input", {bubbles: true})); e.dispatchEvent(new Event("change", {bubbles: true})) })()`, js(selector), js(value)), nil)
}

// says checks the text of what selector finds, with its white space as single spaces.
func (v visit) says(selector, want string) {
	v.t.Helper()
	if got := v.Text(`document.querySelector(` + js(selector) + `).innerText.replace(/\s+/g, " ").trim()`); got != want {
		v.t.Errorf("%s says %q, want %q", selector, got, want)
	}
}

// shot writes a screenshot.
func (v visit) shot(name string) {
	v.t.Helper()
	v.Screenshot(filepath.Join(v.s.shots, name+".png"), true)
}

// calm checks that the page did nothing that it should not.
func (v visit) calm() {
	v.t.Helper()
	if troubles := v.Troubles(); len(troubles) > 0 {
		v.t.Errorf("troubles: %s", strings.Join(troubles, "\n"))
	}
}

func js(s string) string {
	b, _ := json.Marshal(s) // a string has a JSON
	return string(b)
}

// run presses Run and waits for the rows.
func (v visit) run() {
	v.t.Helper()
	v.Eval(`document.querySelector("#status").textContent = ""`, nil)
	v.Click("#run")
	v.Wait(`/^Rows |^No rows/.test(document.querySelector("#status").textContent)`)
}

// get is the body of an address.
func (s *site) get(t *testing.T, path string) (*http.Response, string) {
	t.Helper()
	res, err := http.Get(s.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}
