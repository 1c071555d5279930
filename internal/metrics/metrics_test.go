package metrics

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

var ended = time.Date(2026, 5, 6, 7, 8, 9, 250e6, time.UTC)

var (
	good = Run{Table: "public.tx", Partition: "at=2024-01", Success: true, Rows: 1000, Bytes: 54321, Duration: 1500 * time.Millisecond, Ended: ended}
	bad  = Run{Table: "public.tx", Partition: "at=2024-02", Duration: 2 * time.Second, Ended: ended.Add(time.Second)}
	odd  = Run{Table: "Sché ma.\"ta\nble\"", Partition: "k\\=:\xff€", Success: true, Rows: 1 << 40, Ended: ended}
)

// samples are "name{label=value …} value" of families, sorted.
func samples(t *testing.T, families map[string]*dto.MetricFamily) []string {
	t.Helper()
	var out []string
	for name, f := range families {
		if f.GetType() != dto.MetricType_GAUGE || f.GetHelp() == "" {
			t.Errorf("%s is a %s, help %q", name, f.GetType(), f.GetHelp())
		}
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			out = append(out, fmt.Sprintf("%s{%s} %v", name, strings.Join(labels, " "), m.GetGauge().GetValue()))
		}
	}
	slices.Sort(out)
	return out
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %s\nwant %s", what, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func parseFile(t *testing.T, path string) map[string]*dto.MetricFamily {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	return families
}

func TestTextFile(t *testing.T) {
	dir := t.TempDir()
	f := Flags{MetricsFile: filepath.Join(dir, "archive.prom")}
	if err := f.Report(t.Context(), io.Discard, []Run{good, bad}); err != nil {
		t.Fatal(err)
	}
	equal(t, "samples", samples(t, parseFile(t, f.MetricsFile)), []string{
		"data_export_bytes{partition=at=2024-01 table=public.tx} 54321",
		"data_export_bytes{partition=at=2024-02 table=public.tx} 0",
		"data_export_duration_seconds{partition=at=2024-01 table=public.tx} 1.5",
		"data_export_duration_seconds{partition=at=2024-02 table=public.tx} 2",
		"data_export_end_timestamp_seconds{partition=at=2024-01 table=public.tx} 1.77805128925e+09",
		"data_export_end_timestamp_seconds{partition=at=2024-02 table=public.tx} 1.77805129025e+09",
		"data_export_failure{partition=at=2024-01 table=public.tx} 0",
		"data_export_failure{partition=at=2024-02 table=public.tx} 1",
		"data_export_last_success_timestamp_seconds{table=public.tx} 1.77805128925e+09",
		"data_export_rows{partition=at=2024-01 table=public.tx} 1000",
		"data_export_rows{partition=at=2024-02 table=public.tx} 0",
		"data_export_success{partition=at=2024-01 table=public.tx} 1",
		"data_export_success{partition=at=2024-02 table=public.tx} 0",
	})
	// node_exporter runs as another user, and reads every *.prom of the folder.
	info, err := os.Stat(f.MetricsFile)
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	// A second report replaces the first, and leaves nothing beside it.
	if err := f.Report(t.Context(), io.Discard, []Run{odd}); err != nil {
		t.Fatal(err)
	}
	got := samples(t, parseFile(t, f.MetricsFile))
	if len(got) != 7 || !slices.Contains(got, "data_export_rows{partition=k\\=:?€ table=Sché ma.\"ta\nble\"} 1.099511627776e+12") {
		t.Errorf("samples of hostile names: %q", got)
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 {
		t.Errorf("files %v, %v", names, err)
	}
}

// Readers see the old file or the new one, never a part.
func TestTextFileIsReplacedAtomically(t *testing.T) {
	f := Flags{MetricsFile: filepath.Join(t.TempDir(), "a.prom")}
	many := make([]Run, 500)
	for i := range many {
		many[i] = Run{Table: "t", Partition: fmt.Sprint(i), Success: true, Ended: ended}
	}
	if err := f.Report(t.Context(), io.Discard, many); err != nil {
		t.Fatal(err)
	}
	stop, read := make(chan bool), 0
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if n := len(parseFile(t, f.MetricsFile)["data_export_success"].GetMetric()); n != 500 {
				t.Errorf("read %d samples", n)
				return
			}
			read++
		}
	})
	for range 20 {
		if err := f.Report(t.Context(), io.Discard, many); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wait.Wait()
	if read == 0 {
		t.Error("nothing was read meanwhile")
	}
}

// gateway is a small Pushgateway: it keeps what is pushed to each path as the real one does for POST, family by family.
type gateway struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	user   string
	groups map[string]map[string]*dto.MetricFamily
}

func newGateway(t *testing.T) *gateway {
	g := &gateway{status: http.StatusAccepted, groups: map[string]map[string]*dto.MetricFamily{}}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		user, password, _ := r.BasicAuth()
		g.user = user + ":" + password
		if r.Method != http.MethodPost {
			t.Errorf("method %s", r.Method)
		}
		if g.status != http.StatusAccepted {
			http.Error(w, "no", g.status)
			return
		}
		group := g.groups[r.URL.Path]
		if group == nil {
			group = map[string]*dto.MetricFamily{}
			g.groups[r.URL.Path] = group
		}
		for dec := expfmt.NewDecoder(r.Body, expfmt.ResponseFormat(r.Header)); ; {
			var f dto.MetricFamily
			if err := dec.Decode(&f); err == io.EOF {
				break
			} else if err != nil {
				t.Error(err)
				break
			}
			group[f.GetName()] = &f
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(g.Close)
	return g
}

func TestPush(t *testing.T) {
	g := newGateway(t)
	f := Flags{MetricsPush: strings.Replace(g.URL, "http://", "http://clerk:pass%40word@", 1) + "/"}
	other := good
	other.Table = "a/b.c"
	if err := f.Report(t.Context(), io.Discard, []Run{good, bad, other}); err != nil {
		t.Fatal(err)
	}
	if g.user != "clerk:pass@word" {
		t.Errorf("user %q", g.user)
	}
	const tx = "/metrics/job/frostline_archive/table/public.tx"
	if len(g.groups) != 2 || g.groups["/metrics/job/frostline_archive/table@base64/YS9iLmM"] == nil {
		t.Errorf("groups %v", g.groups)
	}
	got := samples(t, g.groups[tx])
	if len(got) != 13 || !slices.Contains(got, "data_export_rows{partition=at=2024-01} 1000") || !slices.Contains(got, "data_export_failure{partition=at=2024-02} 1") {
		t.Errorf("pushed %v", got)
	}
	// A failure replaces the last run's values and keeps the time of the last success.
	if err := f.Report(t.Context(), io.Discard, []Run{bad}); err != nil {
		t.Fatal(err)
	}
	equal(t, "after a failure", samples(t, g.groups[tx]), []string{
		"data_export_bytes{partition=at=2024-02} 0",
		"data_export_duration_seconds{partition=at=2024-02} 2",
		"data_export_end_timestamp_seconds{partition=at=2024-02} 1.77805129025e+09",
		"data_export_failure{partition=at=2024-02} 1",
		"data_export_last_success_timestamp_seconds{} 1.77805128925e+09",
		"data_export_rows{partition=at=2024-02} 0",
		"data_export_success{partition=at=2024-02} 0",
	})
}

// Errors name the gateway or the file, and no password.
func TestErrors(t *testing.T) {
	g := newGateway(t)
	g.status = http.StatusInternalServerError
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	for _, c := range []struct {
		name  string
		flags Flags
		says  string
	}{
		{"the gateway fails", Flags{MetricsPush: strings.Replace(g.URL, "http://", "http://u:topsecret@", 1)}, "500"},
		{"the gateway is down", Flags{MetricsPush: strings.Replace(down.URL, "http://", "http://u:topsecret@", 1)}, "refused"},
		{"no URL", Flags{MetricsPush: "http://u:topsecret@h:not a port/"}, "--metrics-push is not"},
		{"another scheme", Flags{MetricsPush: "ftp://u:topsecret@h/"}, "--metrics-push is not"},
		{"no folder", Flags{MetricsFile: filepath.Join(t.TempDir(), "none", "a.prom")}, "none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var emf bytes.Buffer
			c.flags.EMF = true
			err := c.flags.Report(t.Context(), &emf, []Run{good})
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "topsecret") {
				t.Errorf("error %v", err)
			}
			if strings.Count(emf.String(), "\n") != 1 {
				t.Errorf("the other ways were left out: %q", emf.String())
			}
		})
	}
}

func TestNothingToTell(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.prom")
	if err := (Flags{MetricsFile: path, MetricsPush: "nowhere.invalid", EMF: true}).Report(t.Context(), io.Discard, nil); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("a file was written: %v", err)
	}
}

// The lines have the structure that AWS documents: one JSON object a line, with _aws.Timestamp in milliseconds, and every metric and
// dimension that a directive names as a member of the root: numbers and strings.
func TestEMF(t *testing.T) {
	var out bytes.Buffer
	if err := (Flags{EMF: true, EMFNamespace: "My/Space"}).Report(t.Context(), &out, []Run{good, bad, odd}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines:\n%s", len(lines), out.String())
	}
	for i, want := range []map[string]any{
		{"Table": "public.tx", "Partition": "at=2024-01", "DataExportSuccess": 1.0, "DataExportFailure": 0.0, "Rows": 1000.0, "Bytes": 54321.0, "Seconds": 1.5},
		{"Table": "public.tx", "Partition": "at=2024-02", "DataExportSuccess": 0.0, "DataExportFailure": 1.0, "Rows": 0.0, "Bytes": 0.0, "Seconds": 2.0},
		{"Table": `Sch\u00e9 ma."ta\u000able"`, "Partition": `k\=:\ufffd\u20ac`, "DataExportSuccess": 1.0, "DataExportFailure": 0.0, "Rows": 1099511627776.0, "Bytes": 0.0, "Seconds": 0.0},
	} {
		var root map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &root); err != nil {
			t.Fatalf("%s: %v", lines[i], err)
		}
		for name, value := range want {
			if root[name] != value {
				t.Errorf("line %d: %s is %v, want %v", i+1, name, root[name], value)
			}
		}
		checkEMF(t, root, "My/Space")
	}
	if !strings.Contains(lines[0], `"Timestamp":1778051289250`) || !strings.Contains(lines[2], `"ExactTable":"Sché ma.\"ta\nble\""`) {
		t.Errorf("lines:\n%s\n%s", lines[0], lines[2])
	}
}

// checkEMF holds a line against the specification's schema.
func checkEMF(t *testing.T, root map[string]any, namespace string) {
	t.Helper()
	aws := root["_aws"].(map[string]any)
	if _, ok := aws["Timestamp"].(float64); !ok {
		t.Errorf("_aws.Timestamp is %v", aws["Timestamp"])
	}
	units := map[string]string{}
	for _, d := range aws["CloudWatchMetrics"].([]any) {
		directive := d.(map[string]any)
		if directive["Namespace"] != namespace {
			t.Errorf("namespace %v", directive["Namespace"])
		}
		for _, set := range directive["Dimensions"].([]any) {
			if n := len(set.([]any)); n < 1 || n > 30 {
				t.Errorf("a set of %d dimensions", n)
			}
			for _, name := range set.([]any) {
				v, ok := root[name.(string)].(string)
				if !ok || v == "" || len(v) > 1024 || strings.HasPrefix(v, ":") || strings.ContainsFunc(v, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
					t.Errorf("dimension %v is %q", name, root[name.(string)])
				}
			}
		}
		metrics := directive["Metrics"].([]any)
		if len(metrics) == 0 || len(metrics) > 100 {
			t.Errorf("%d metrics", len(metrics))
		}
		for _, m := range metrics {
			m := m.(map[string]any)
			units[m["Name"].(string)] = m["Unit"].(string)
			if _, ok := root[m["Name"].(string)].(float64); !ok {
				t.Errorf("metric %v is %v", m["Name"], root[m["Name"].(string)])
			}
		}
	}
	if fmt.Sprint(units) != "map[Bytes:Bytes DataExportFailure:Count DataExportSuccess:Count Rows:Count Seconds:Seconds]" {
		t.Errorf("units %v", units)
	}
}

func TestDimension(t *testing.T) {
	for in, want := range map[string]string{
		"": `\u0020`, "  ": `\u0020`, ":x": `\u003ax`, "a:b": "a:b", "é": `\u00e9`, strings.Repeat("x", 2000): strings.Repeat("x", 1024),
	} {
		if got := dimension(in); got != want {
			t.Errorf("dimension(%q) = %q, want %q", in, got, want)
		}
	}
}
