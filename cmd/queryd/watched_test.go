package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	collectmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collecttrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"frostline/internal/s3test"
	"frostline/query/querytest"
)

// started is a queryd of this process.
type started struct {
	url    string
	stderr *output
	cancel context.CancelFunc
	code   chan int
}

func start(t *testing.T, warehouse string, args ...string) *started {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready")
	s := &started{stderr: &output{}, code: make(chan int, 1)}
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(context.Background())
	t.Cleanup(s.cancel)
	go func() {
		s.code <- run(ctx, append([]string{"--listen", "127.0.0.1:0", "--warehouse", warehouse, "--ready-file", ready}, args...), io.Discard, s.stderr)
	}()
	var v struct{ Listening string }
	for begin := time.Now(); v.Listening == ""; time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("not ready: %s", s.stderr.String())
		}
		if line, err := os.ReadFile(ready); err == nil {
			if err := json.Unmarshal(line, &v); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.url = "http://" + v.Listening
	return s
}

func (s *started) stop(t *testing.T) {
	t.Helper()
	s.cancel()
	if c := <-s.code; c != 0 {
		t.Errorf("exit code %d: %s", c, s.stderr.String())
	}
}

// ask sends one request.
func (s *started) ask(t *testing.T, method, path, body string, header map[string]string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text), res.Header
}

// receiver is an OTLP receiver over HTTP.
type receiver struct {
	mu      sync.Mutex
	spans   []*traces.Span
	metrics map[string]*metrics.Metric // the last of each name
	service map[string]bool
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch req.URL.Path {
	case "/v1/traces":
		var m collecttrace.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &m); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, of := range m.ResourceSpans {
			for _, a := range of.Resource.Attributes {
				if a.Key == "service.name" {
					r.service[a.Value.GetStringValue()] = true
				}
			}
			for _, in := range of.ScopeSpans {
				r.spans = append(r.spans, in.Spans...)
			}
		}
	case "/v1/metrics":
		var m collectmetrics.ExportMetricsServiceRequest
		if err := proto.Unmarshal(body, &m); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, of := range m.ResourceMetrics {
			for _, in := range of.ScopeMetrics {
				for _, one := range in.Metrics {
					r.metrics[one.Name] = one
				}
			}
		}
	default:
		http.NotFound(w, req)
	}
}

func (r *receiver) named(name string) (out []*traces.Span) {
	for _, s := range r.spans {
		if s.Name == name {
			out = append(out, s)
		}
	}
	return out
}

// A query on S3 is seen by a real receiver: its spans in the caller's trace, and the metrics. What it asked for is not in them. The
// dashboard names metrics that such a server has.
func TestTelemetry(t *testing.T) {
	clearEnv(t)
	w := querytest.EventsIn(t, querytest.Open(t, s3test.Start(t).Warehouse(t)))
	clearEnv(t)
	t.Setenv("AWS_REGION", s3test.Region)
	got := &receiver{metrics: map[string]*metrics.Metric{}, service: map[string]bool{}}
	sink := httptest.NewServer(got)
	defer sink.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.URL)

	q := start(t, w.Store.Root(), "--log-format", "json")
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	status, body, header := q.ask(t, "POST", "/api/v1/archives/query", `{"archivePath":"public/events","columns":["id"],"filterExpression":"name = 'n4711'"}`,
		map[string]string{"Content-Type": "application/json", "traceparent": "00-" + trace + "-00f067aa0ba902b7-01", "X-Request-Id": "mine-1"})
	if status != 200 || !strings.HasPrefix(body, `{"data":[{"id":4711}],"totalMatched":1,`) {
		t.Fatalf("%d %s", status, body)
	}
	if header.Get("X-Request-Id") != "mine-1" || !strings.HasPrefix(header.Get("traceparent"), "00-"+trace+"-") {
		t.Errorf("headers: %v", header)
	}
	_, shown, _ := q.ask(t, "GET", "/metrics", "", nil)
	if status, body, _ := q.ask(t, "POST", "/api/v1/archives/queries", `{"archivePath":"public/events","columns":["id"]}`, map[string]string{"Content-Type": "application/json"}); status != 202 {
		t.Errorf("submit: %d %s", status, body)
	}
	q.stop(t)
	if log := q.stderr.String(); !strings.Contains(log, `"request_id":"mine-1","trace_id":"`+trace+`"`) || strings.Contains(log, "4711") {
		t.Errorf("log: %s", log)
	}

	got.mu.Lock()
	defer got.mu.Unlock()
	if !got.service["queryd"] || len(got.service) != 1 {
		t.Errorf("services: %v", got.service)
	}
	requests, plans, scans, gets := got.named("POST /api/v1/archives/query"), got.named("plan"), got.named("scan"), got.named("S3 GetObject")
	if len(requests) != 1 || len(plans) != 2 || len(scans) != 2 || len(gets) == 0 {
		t.Fatalf("%d requests, %d plans, %d scans, %d reads of S3", len(requests), len(plans), len(scans), len(gets))
	}
	for _, s := range []*traces.Span{requests[0], plans[0], scans[0], gets[0]} {
		if hex.EncodeToString(s.TraceId) != trace {
			t.Errorf("%s is in trace %x", s.Name, s.TraceId)
		}
	}
	if hex.EncodeToString(requests[0].ParentSpanId) != "00f067aa0ba902b7" {
		t.Errorf("the request is below %x", requests[0].ParentSpanId)
	}
	for _, s := range []*traces.Span{plans[0], scans[0]} {
		if string(s.ParentSpanId) != string(requests[0].SpanId) {
			t.Errorf("%s is not below the request", s.Name)
		}
	}
	below := map[string]bool{string(plans[0].SpanId): true, string(scans[0].SpanId): true}
	for _, s := range got.spans {
		if strings.HasPrefix(s.Name, "S3 ") && hex.EncodeToString(s.TraceId) == trace && !below[string(s.ParentSpanId)] {
			t.Errorf("%s is not below plan or scan", s.Name)
		}
		if strings.Contains(s.String(), "4711") {
			t.Errorf("a value is in span %s", s.Name)
		}
	}
	if long := got.named("long query"); len(long) != 1 || len(long[0].ParentSpanId) != 0 {
		t.Errorf("long queries: %v", long)
	}
	for name, want := range map[string]float64{"archive.query.records_scanned": 0, "archive.query.records_matched": 1} {
		m := got.metrics[name]
		if m == nil || m.GetSum() == nil || m.GetSum().DataPoints[0].GetAsDouble() < want {
			t.Errorf("%s: %v", name, m)
		}
	}
	if m := got.metrics["archive.query.duration"]; m == nil || m.GetHistogram().GetDataPoints()[0].Count != 2 {
		t.Errorf("archive.query.duration: %v", m)
	}
	answered := 0.0
	for _, p := range got.metrics["archive.query.count"].GetSum().GetDataPoints() {
		answered += p.GetAsDouble()
	}
	if answered != 2 {
		t.Errorf("archive.query.count is %v", answered)
	}
	checkMetrics(t, shown)
}

// checkMetrics reads Prometheus's text, and sees that the dashboard asks for nothing else.
func checkMetrics(t *testing.T, text string) {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"archive_query_stage_seconds", "archive_query_sent_bytes", "archive_s3_requests", "archive_query_cache_blocks",
		"archive_query_metadata_lookups", "archive_query_now", "archive_query_memory_bytes", "archive_build_info", "archive_http_requests"} {
		if families[name] == nil {
			t.Errorf("there is no metric %s", name)
		}
	}
	for _, line := range []string{
		`archive_query_stage_seconds_count{stage="queue"} 1`, `archive_query_stage_seconds_count{stage="plan"} 1`, `archive_query_stage_seconds_count{stage="prune"} 1`,
		`archive_query_stage_seconds_count{stage="scan"} 1`, `archive_query_stage_seconds_count{stage="encode"} 1`, `archive_query_stage_seconds_count{stage="write"} 1`,
		`archive_http_requests{method="POST",route="/api/v1/archives/query",status="200"} 1`, `archive_query_now{engine="api",state="running"} 0`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("the metrics have no line %s", line)
		}
	}
	if !regexp.MustCompile(`archive_s3_requests\{operation="GetObject",status="206"\} [1-9]`).MatchString(text) {
		t.Error("no ranged read of S3 is counted")
	}
	file, err := os.ReadFile("../../docs/operations/queryd-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(file, &board); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"archive_http_problems": true} // there once something was refused
	for name := range families {
		known[name], known[name+"_bucket"], known[name+"_sum"], known[name+"_count"] = true, true, true, true
	}
	asked := 0
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			names := regexp.MustCompile(`\b(archive|go|process)_\w+`).FindAllString(target.Expr, -1)
			if len(names) == 0 {
				t.Errorf("%s: %s names no metric", p.Title, target.Expr)
			}
			for _, n := range names {
				asked++
				if !known[n] {
					t.Errorf("%s: there is no metric %s", p.Title, n)
				}
			}
		}
	}
	if asked < 15 {
		t.Errorf("the dashboard names %d metrics", asked)
	}
}

// A server that is stopped fails /readyz first, goes on to answer, and cuts nothing off.
func TestDrain(t *testing.T) {
	clearEnv(t)
	w := querytest.Events(t)
	q := start(t, w.Store.Root(), "--drain-wait", "3s", "-q")
	var answered, failed atomic.Int64
	var clients sync.WaitGroup
	out := make(chan struct{}) // what balances the load has seen /readyz fail
	for range 8 {
		clients.Go(func() {
			for {
				select {
				case <-out:
					return
				default:
				}
				res, err := http.Post(q.url+"/api/v1/archives/query", "application/json", strings.NewReader(`{"archivePath":"public/events"}`))
				if err == nil {
					_, err = io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
				if err != nil || res.StatusCode != 200 {
					failed.Add(1)
					t.Errorf("%v %v", res, err)
					return
				}
				answered.Add(1)
			}
		})
	}
	for answered.Load() < 20 && failed.Load() == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	before := answered.Load()
	q.cancel()
	for {
		status, body, header := q.ask(t, "GET", "/readyz", "", nil)
		if status == 503 {
			if !strings.Contains(body, `"code":"draining"`) || header.Get("Retry-After") == "" {
				t.Errorf("readyz: %s %v", body, header)
			}
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond) // the time until the others hear of it
	close(out)
	clients.Wait()
	if answered.Load() == before {
		t.Error("nothing was answered while the server drained")
	}
	if status, _, _ := q.ask(t, "GET", "/healthz", "", nil); status != 200 {
		t.Errorf("healthz: %d", status)
	}
	q.stop(t)
	if _, err := http.Get(q.url + "/healthz"); err == nil {
		t.Error("it still answers")
	}
}

// Profiles have an address of their own.
func TestDebugListen(t *testing.T) {
	clearEnv(t)
	w := querytest.Events(t)
	var stderr output
	if code := run(t.Context(), []string{"--warehouse", w.Store.Root(), "--listen", "127.0.0.1:0", "--debug-listen", ":0"}, io.Discard, &stderr); code != 2 ||
		!strings.Contains(stderr.String(), "--debug-public") {
		t.Errorf("%d %s", code, stderr.String())
	}
	q := start(t, w.Store.Root(), "--debug-listen", "127.0.0.1:0")
	at := regexp.MustCompile(`profiles on (http://\S+)`).FindStringSubmatch(q.stderr.String())
	if at == nil {
		t.Fatalf("stderr: %s", q.stderr.String())
	}
	res, err := http.Get(at[1] + "goroutine?debug=1")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || !strings.HasPrefix(string(text), "goroutine profile: total") {
		t.Errorf("%v %.100s", err, text)
	}
	if status, _, _ := q.ask(t, "GET", "/debug/pprof/", "", nil); status != 404 {
		t.Errorf("profiles beside the API: %d", status)
	}
	q.stop(t)
}

// SIGHUP reads the keys of page tokens again; a bad file leaves those in force that were.
func TestPageKeysReload(t *testing.T) {
	clearEnv(t)
	w := querytest.Events(t)
	file := filepath.Join(t.TempDir(), "keys")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first key of page tokens\n")
	q := start(t, w.Store.Root(), "--page-keys", file)
	page := func(token string) (int, string) {
		t.Helper()
		status, body, _ := q.ask(t, "GET", "/api/v1/archives/query?archivePath=public/events&columns=id&limit=1&pageToken="+token, "", nil)
		var v struct{ NextPageToken string }
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatal(err)
		}
		return status, v.NextPageToken
	}
	reload := func(said string) {
		t.Helper()
		before := strings.Count(q.stderr.String(), said)
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		for begin := time.Now(); strings.Count(q.stderr.String(), said) == before; time.Sleep(5 * time.Millisecond) {
			if time.Since(begin) > 10*time.Second {
				t.Fatalf("it does not say %q: %s", said, q.stderr.String())
			}
		}
	}
	_, first := page("")
	write("second key of page tokens\nfirst key of page tokens\n")
	reload("reloaded on SIGHUP")
	if status, _ := page(first); status != 200 {
		t.Errorf("a token of the key before: %d", status)
	}
	_, second := page("")
	write("second key of page tokens\n")
	reload("reloaded on SIGHUP")
	if status, _ := page(first); status != 400 {
		t.Errorf("a token of a key that is gone: %d", status)
	}
	write("short\n")
	reload("not reloaded")
	if status, _ := page(second); status != 200 {
		t.Errorf("a token after a bad file: %d", status)
	}
	q.stop(t)
}
