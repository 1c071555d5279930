package rest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"frostline/objstore/faultstore"
	"frostline/query"
	"frostline/query/querytest"
	"frostline/rest"
)

// api is the API over querytest.Events, served on a free port. log receives what it logs.
type api struct {
	*httptest.Server
	root string // of the warehouse
	log  *logged
}

func serve(t *testing.T, w *querytest.Warehouse, qo query.Options, ro rest.Options) *api {
	t.Helper()
	log := &logged{}
	ro.Log = slog.New(slog.NewJSONHandler(log, nil))
	s := httptest.NewServer(rest.New(query.New(w.Catalog, w.Store, qo), ro).Handler())
	t.Cleanup(s.Close)
	return &api{s, w.Store.Root(), log}
}

// logged is a log that handlers write while the test reads.
type logged struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (a *api) do(t *testing.T, method, path, body string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequest(method, a.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header
}

// rows is the data member of an answer, as sent.
func rows(t *testing.T, body string) string {
	t.Helper()
	var v struct{ Data json.RawMessage }
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return string(v.Data)
}

func TestQueries(t *testing.T) {
	a := serve(t, querytest.Events(t), query.Options{}, rest.Options{})
	month := a.root + "/public/events/month=2024-02"
	q := "/api/v1/archives/query"
	two := `[{"id":2001,"even":null},{"id":2002,"even":2002}]`
	for _, tt := range []struct{ name, method, path, body, want string }{
		{"post", "POST", q, `{"archivePath":"` + month + `","columns":["id","even"],"filters":{"id_gt":2000},"filterExpression":"id < 2003"}`, two},
		{"get", "GET", q + "?archivePath=" + month + "&columns=id,even&filter=" + url.QueryEscape("id > 2000 AND id < 2003"), "", two},
		{"get, columns repeated and quoted", "GET", q + "?archivePath=" + month + "&columns=id&columns=" + url.QueryEscape(`"even"`) + "&limit=2&offset=1&count=none", "", two},
		{"by table", "POST", q + "/public/events/month=2024-02", `{"columns":["id","even"],"offset":1,"limit":2}`, two},
		{"by bare value", "POST", q + "/public/events/2024-02", `{"columns":["id","even"],"filters":{"id_in":[2001,2002]}}`, two},
		{"escaped", "POST", q + "/public/events/month%3D2024%2D02", `{"columns":["id","even"],"filters":{"id_in":[2001,2002]}}`, two},
		{"order of columns", "POST", q, `{"archivePath":"` + month + `","columns":["name","id"],"limit":1,"count":"exact"}`, `[{"name":"n2000","id":2000}]`},
		{"infinity", "GET", q + "?archivePath=" + month + "&columns=ts,day&filter=" + url.QueryEscape("ts = 'infinity'") + "&limit=1", "", `[{"ts":"infinity","day":"2024-02-01"}]`},
		{"whole table, all columns", "GET", q + "?archivePath=" + a.root + "/public/events&filter=id%3D5999", "",
			`[{"id":5999,"grp":59,"even":null,"name":"n5999","day":"2024-03-01","ts":"2024-01-01T00:00:00"}]`},
		{"null fields are absent", "POST", q, `{"archivePath":"` + month + `","columns":["id"],"filters":null,"limit":1,"offset":null}`, `[{"id":2000}]`},
		{"no rows", "POST", q, `{"archivePath":"` + month + `","filters":{"id":1}}`, `[]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, body, h := a.do(t, tt.method, tt.path, tt.body)
			if status != 200 || h.Get("Content-Type") != "application/json" {
				t.Fatalf("%d %s", status, body)
			}
			if got := rows(t, body); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}

	_, body, _ := a.do(t, "POST", q, `{"archivePath":"`+month+`","columns":["id","day","ts"],"filterExpression":"id = 2110"}`)
	var v struct {
		TotalMatched, TotalScanned *int64
		ExecutionTimeMs            float64
		Schema                     map[string]string
		ArchivePath                string
		Pruning                    query.Pruning
	}
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatal(err)
	}
	if *v.TotalMatched != 1 || *v.TotalScanned != 100 || v.ExecutionTimeMs <= 0 || v.ArchivePath != month ||
		fmt.Sprint(v.Schema) != "map[day:date id:long ts:timestamp]" || v.Pruning.Files != (query.Level{Total: 2, Skipped: 1}) {
		t.Errorf("got %s", body)
	}
	_, body, _ = a.do(t, "GET", q+"?archivePath="+month+"&columns=id&limit=1&count=none", "")
	if strings.Contains(body, "totalMatched") {
		t.Errorf("count none gives a total: %s", body)
	}
	_, body, _ = a.do(t, "GET", q+"?archivePath="+month, "")
	if n := strings.Count(rows(t, body), `"id":`); n != 1000 {
		t.Errorf("without a limit: %d rows", n)
	}
	if log := a.log.String(); strings.Contains(log, "2110") || strings.Contains(log, "infinity") || !strings.Contains(log, `"path":"/api/v1/archives/query"`) {
		t.Errorf("values in the log, or no log: %s", log)
	}
}

func TestProblems(t *testing.T) {
	a := serve(t, querytest.Events(t), query.Options{}, rest.Options{BodyBytes: 4096})
	path := a.root + "/public/events"
	q := "/api/v1/archives/query"
	in := func(rest string) string { return `{"archivePath":"` + path + `",` + rest + `}` }
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		code, field, hint        string // hint: a part of it
	}{
		{"no body", "POST", q, "", 400, "json", "", ""},
		{"cut", "POST", q, `{"archivePath":`, 400, "json", "", ""},
		{"a list", "POST", q, `[]`, 400, "json", "", "send an object"},
		{"two objects", "POST", q, in(`"limit":1`) + `{}`, 400, "json", "", ""},
		{"garbage after", "POST", q, in(`"limit":1`) + ` x`, 400, "json", "", ""},
		{"not UTF-8", "POST", q, "{\"archivePath\":\"\xff\"}", 400, "json", "", ""},
		{"too deep", "POST", q, in(`"filters":{"id":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`), 400, "json", "", ""},
		{"no path", "POST", q, `{}`, 400, "missing_field", "archivePath", ""},
		{"unknown field", "POST", q, in(`"filter":{}`), 400, "unknown_field", "filter", `"filters"`},
		{"field in another case", "POST", q, `{"archivepath":"x"}`, 400, "unknown_field", "archivepath", `"archivePath"`},
		{"field twice", "POST", q, in(`"limit":1,"limit":2`), 400, "duplicate", "limit", ""},
		{"filter twice", "POST", q, in(`"filters":{"id":1,"id":2}`), 400, "duplicate", "id", ""},
		{"wrong type", "POST", q, in(`"columns":"id"`), 400, "field_type", "columns", ""},
		{"number for a string", "POST", q, in(`"filterExpression":1`), 400, "field_type", "filterExpression", ""},
		{"columns of numbers", "POST", q, in(`"columns":[1]`), 400, "field_type", "columns", ""},
		{"object as a filter", "POST", q, in(`"filters":{"id":{"gt":1}}`), 400, "field_type", "id", ""},
		{"object in a list", "POST", q, in(`"filters":{"id_in":[{}]}`), 400, "field_type", "id_in", ""},
		{"fraction as limit", "POST", q, in(`"limit":1.5`), 400, "bad_limit", "limit", ""},
		{"huge limit", "POST", q, in(`"limit":99999999999999999999`), 400, "bad_limit", "limit", ""},
		{"limit above", "POST", q, in(`"limit":100001`), 400, "bad_limit", "limit", "offset"},
		{"negative offset", "POST", q, in(`"offset":-1`), 400, "bad_offset", "offset", ""},
		{"count", "POST", q, in(`"count":"about"`), 400, "bad_count", "count", "exact"},
		{"syntax", "POST", q, in(`"filterExpression":"id = = 1"`), 400, "syntax", "filterExpression", ""},
		{"unknown column in the filter", "POST", q, in(`"filterExpression":"nmae = 'x'"`), 400, "unknown_column", "filterExpression", "name"},
		{"unknown column", "POST", q, in(`"columns":["grop"]`), 400, "unknown_column", "columns", `"grp"`},
		{"type mismatch", "POST", q, in(`"filters":{"day":"tomorrowish"}`), 400, "type_mismatch", "day", ""},
		{"content type", "POST", q, "", 400, "json", "", ""},
		{"path in the body of the other", "POST", q + "/public/events/2024-01", in(`"limit":1`), 400, "unknown_field", "archivePath", ""},
		{"parameter on post", "POST", q + "?limit=3", in(`"limit":1`), 400, "unknown_parameter", "limit", ""},
		{"unknown parameter", "GET", q + "?archivePaht=" + path, "", 400, "unknown_parameter", "archivePaht", `"archivePath"`},
		{"parameter twice", "GET", q + "?archivePath=a&archivePath=b", "", 400, "duplicate", "archivePath", ""},
		{"limit of letters", "GET", q + "?archivePath=" + path + "&limit=ten", "", 400, "bad_limit", "limit", ""},
		{"empty column", "GET", q + "?archivePath=" + path + "&columns=id,,grp", "", 400, "bad_columns", "columns", ""},
		{"bad escape", "GET", q + "?archivePath=%zz", "", 400, "query_string", "", ""},
		{"other bucket", "GET", q + "?archivePath=s3://secret/x/y", "", 403, "outside_warehouse", "archivePath", "file://"},
		{"passwd", "GET", q + "?archivePath=/etc/passwd", "", 403, "outside_warehouse", "archivePath", ""},
		{"climbing", "GET", q + "?archivePath=" + path + "/../../../etc", "", 403, "outside_warehouse", "archivePath", ""},
		{"other bucket by table", "POST", q + "/public/events/2024-01?bucket=secret", "{}", 403, "outside_warehouse", "bucket", ""},
		{"other prefix by table", "GET", "/api/v1/archives/schema/public/events/2024-01?prefix=secret", "", 403, "outside_warehouse", "prefix", ""},
		{"climbing by table", "POST", q + "/..%2F..%2Fetc/passwd/x=1", "{}", 404, "not_found", "archivePath", ""},
		{"no table", "GET", "/api/v1/archives/metadata?archivePath=" + a.root + "/public/event", "", 404, "not_found", "archivePath", ""},
		{"no partition", "GET", "/api/v1/archives/metadata?archivePath=" + path + "/month=2024-09", "", 404, "not_found", "archivePath", "month=2024-0"},
		{"no partition by table", "GET", "/api/v1/archives/schema/public/events/2023-01", "", 404, "not_found", "partitionValue", "month=2024-0"},
		{"no route", "GET", "/api/v1/archives/qury", "", 404, "not_found", "", "/api/v1/archives/query"},
		{"method", "DELETE", q, "", 405, "method_not_allowed", "", "POST"},
		{"body too large", "POST", q, in(`"filterExpression":"` + strings.Repeat("x", 5000) + `"`), 413, "body_too_large", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, body, h := a.do(t, tt.method, tt.path, tt.body)
			var p struct {
				Type, Title, Detail, Code, Field, Hint string
				Status                                 int
			}
			if err := json.Unmarshal([]byte(body), &p); err != nil || h.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("%d, %s: %s", status, h.Get("Content-Type"), body)
			}
			if status != tt.status || p.Status != status || p.Code != tt.code || p.Field != tt.field || !strings.Contains(p.Hint, tt.hint) {
				t.Errorf("got %d %s", status, body)
			}
			if p.Type != "about:blank" || p.Title != http.StatusText(status) || p.Detail == "" {
				t.Errorf("incomplete: %s", body)
			}
		})
	}
	req, _ := http.NewRequest("POST", a.URL+q, strings.NewReader("archivePath=x"))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 400 {
		t.Errorf("a form was taken: %d", res.StatusCode)
	}
}

func TestMetadata(t *testing.T) {
	a := serve(t, querytest.Events(t), query.Options{}, rest.Options{})
	month := a.root + "/public/events/month=2024-02"
	status, body, _ := a.do(t, "GET", "/api/v1/archives/metadata?archivePath="+month, "")
	var m struct {
		TableUUID, Location, ArchivedAt string
		Columns                         []struct {
			ID         int
			Name, Type string
			Required   *bool
		}
		Properties map[string]string
	}
	if err := json.Unmarshal([]byte(body), &m); err != nil || status != 200 {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	if len(m.TableUUID) != 36 || m.Location != month || m.ArchivedAt != "2024-03-01T12:00:02Z" || len(m.Columns) != 6 ||
		m.Columns[4].Name != "day" || m.Columns[4].Type != "date" || m.Columns[4].ID == 0 || m.Columns[4].Required == nil ||
		m.Properties["source.schema"] != "public" || m.Properties["archive.total_records"] != "2000" {
		t.Errorf("got %s", body)
	}
	if _, same, _ := a.do(t, "GET", "/api/v1/archives/schema/public/events/2024-02", ""); same != body {
		t.Errorf("by table: %s", same)
	}
}

// Failures of the store and of time have a status of their own.
func TestServerSideFailures(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "x")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	t.Setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
	down := serve(t, querytest.Open(t, "s3://bucket/prefix"), query.Options{}, rest.Options{ReadyTimeout: 100 * time.Millisecond})
	status, body, h := down.do(t, "GET", "/api/v1/archives/query?archivePath=s3://bucket/prefix/a/b", "")
	if status != 503 || !strings.Contains(body, `"code":"store_unreachable"`) || h.Get("Retry-After") == "" || strings.Contains(body, "127.0.0.1:1") {
		t.Errorf("store down: %d %s", status, body)
	}
	if status, body, _ := down.do(t, "GET", "/readyz", ""); status != 503 {
		t.Errorf("readyz, store down: %d %s", status, body)
	}
	if status, _, _ := down.do(t, "GET", "/healthz", ""); status != 200 {
		t.Errorf("healthz, store down: %d", status)
	}
	passing := serve(t, querytest.Open(t, "s3://bucket/prefix"), query.Options{Timeout: time.Nanosecond}, rest.Options{})
	for _, q := range []string{"?bucket=bucket&prefix=prefix", "?bucket=bucket&prefix=/prefix/"} { // the configured ones pass
		if status, _, _ := passing.do(t, "GET", "/api/v1/archives/schema/a/b/c"+q, ""); status != 504 {
			t.Errorf("%s: %d", q, status)
		}
	}
	for _, q := range []string{"?bucket=bucket2&prefix=prefix", "?prefix=pre", "?bucket=other"} {
		if status, body, _ := down.do(t, "GET", "/api/v1/archives/schema/a/b/c"+q, ""); status != 403 {
			t.Errorf("%s: %d %s", q, status, body)
		}
	}

	w := querytest.Events(t)
	slow := serve(t, w, query.Options{Timeout: time.Nanosecond}, rest.Options{})
	if status, body, _ := slow.do(t, "GET", "/api/v1/archives/query?archivePath="+slow.root+"/public/events", ""); status != 504 || !strings.Contains(body, `"code":"timeout"`) {
		t.Errorf("timeout: %d %s", status, body)
	}
	small := serve(t, w, query.Options{MaxResultBytes: 100}, rest.Options{})
	if status, body, _ := small.do(t, "GET", "/api/v1/archives/query?archivePath="+slow.root+"/public/events", ""); status != 413 || !strings.Contains(body, `"code":"result_too_large"`) {
		t.Errorf("large result: %d %s", status, body)
	}
}

func TestMetrics(t *testing.T) {
	a := serve(t, querytest.Events(t), query.Options{}, rest.Options{})
	a.do(t, "GET", "/api/v1/archives/query?archivePath="+a.root+"/public/events&filter=id%3D2110&columns=id", "")
	a.do(t, "GET", "/api/v1/archives/query?archivePath="+a.root+"/public/events&limit=x", "")
	_, body, _ := a.do(t, "GET", "/metrics", "")
	for _, want := range []string{
		`archive_query_count{outcome="ok"} 1`, `archive_query_count{outcome="error"} 1`, `archive_query_count{outcome="failed"} 0`,
		`archive_query_duration_count 1`, `archive_query_records_scanned 100`, `archive_query_records_matched 1`,
		`archive_query_parts{level="partition",result="skipped"} 2`, `archive_query_parts{level="file",result="read"} 1`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("metrics lack %s", want)
		}
	}
	if status, _, _ := a.do(t, "GET", "/readyz", ""); status != 200 {
		t.Errorf("readyz: %d", status)
	}
}

// A caller that leaves ends its query.
func TestCallerLeaves(t *testing.T) {
	w := querytest.Events(t)
	reading := make(chan string, 100)
	slow := faultstore.Wrap(w.Store, faultstore.Rule{Op: faultstore.ReadRanges, Kind: faultstore.Slow, Delay: time.Minute, Do: func(key string) { reading <- key }})
	log := &logged{}
	s := httptest.NewServer(rest.New(query.New(w.Catalog, slow, query.Options{}), rest.Options{Log: slog.New(slog.NewJSONHandler(log, nil))}).Handler())
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/api/v1/archives/query",
		strings.NewReader(`{"archivePath":"`+w.Store.Root()+`/public/events","filterExpression":"even IS NOT NULL"}`))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-reading
		cancel()
	}()
	if res, err := http.DefaultClient.Do(req); err == nil {
		t.Fatalf("answered %d", res.StatusCode)
	}
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		res, err := http.Get(s.URL + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(body), `archive_query_count{outcome="canceled"} 1`) {
			break
		}
		if time.Since(start) > 10*time.Second {
			t.Fatalf("the query goes on: %s", log.String())
		}
	}
}

// A body that does not come is not waited for, and one that came does not limit the query's time.
func TestSlowBody(t *testing.T) {
	w := querytest.Events(t)
	slow := faultstore.Wrap(w.Store, faultstore.Rule{Op: faultstore.ReadRanges, Kind: faultstore.Slow, Nth: 1, Delay: 600 * time.Millisecond})
	s := httptest.NewServer(rest.New(query.New(w.Catalog, slow, query.Options{}), rest.Options{ReadTimeout: 200 * time.Millisecond, Log: slog.New(slog.DiscardHandler)}).Handler())
	defer s.Close()
	body, send := io.Pipe()
	defer send.Close()
	start := time.Now()
	if res, err := http.Post(s.URL+"/api/v1/archives/query", "application/json", body); err == nil {
		defer res.Body.Close()
		if res.StatusCode != 400 {
			t.Errorf("answered %d", res.StatusCode)
		}
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("waited %v for the body", took)
	}
	res, err := http.Post(s.URL+"/api/v1/archives/query", "application/json",
		strings.NewReader(`{"archivePath":"`+w.Store.Root()+`/public/events","filterExpression":"even IS NOT NULL"}`))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("a query longer than the body's limit: %d", res.StatusCode)
	}
}

// Serve ends with its context and lets a running request finish.
func TestServeEndsGracefully(t *testing.T) {
	w := querytest.Events(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- rest.New(query.New(w.Catalog, w.Store, query.Options{}), rest.Options{Log: slog.New(slog.DiscardHandler)}).Serve(ctx, l)
	}()
	res, err := http.Get("http://" + l.Addr().String() + "/healthz")
	if err != nil || res.StatusCode != 200 {
		t.Fatal(err)
	}
	res.Body.Close()
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Serve did not end")
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("the port is still open")
	}
}
