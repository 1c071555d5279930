package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/apache/arrow-go/v18/arrow/ipc"
)

// burden is one kind of request. Its SQL is for DuckDB; both sides get the same keys in the same order.
type burden struct {
	name, what string
	clients    int
	arrow      bool
	limit      int64 // 0 none
	filter     func(n int64) string
}

// slowClients read pages of slowRows rows beside, in the second half of the run.
const (
	slowClients = 100
	slowRows    = 10_000
)

// burdens are for lineitem at a scale. Order keys are spread over the table by mix, so that no answer repeats soon.
func burdens(scale float64) (kinds []burden, slow burden) {
	orders := int64(1_500_000 * scale)
	key := func(order int64) int64 { return order>>3<<5 | order&7 } // as dbgen numbers them
	some := func(n int64, width int64) int64 { return int64(mix(uint64(n))%uint64(orders-width)) + 1 }
	from := func(n, width int64) string { return fmt.Sprintf("l_orderkey >= %d", key(some(n, width))) }
	export := max(orders/50, 1)
	return []burden{
		{name: "point", what: "point lookup by key, 18 columns, JSON", clients: 8,
			filter: func(n int64) string { return fmt.Sprintf("l_orderkey = %d", key(some(n, 1))) }},
		{name: "page", what: "page of 1 000 rows, 18 columns, JSON", clients: 8, limit: 1000, filter: func(n int64) string { return from(n, 2000) }},
		{name: "export", what: "2 % of the table, 18 columns, Arrow", clients: 4, arrow: true, filter: func(n int64) string {
			order := some(n, export)
			return fmt.Sprintf("l_orderkey BETWEEN %d AND %d", key(order), key(order+export))
		}},
	}, burden{name: "slow", limit: slowRows, filter: func(n int64) string { return from(n, slowRows) }}
}

// httpSide is one of the two servers, a process of its own.
type httpSide struct {
	name string
	url  string
	pid  int
	ask  func(b burden, url string, n int64) (*http.Request, error)
}

func (s *httpSide) shot(b burden) shot {
	return func(n int64) (*http.Request, error) { return s.ask(b, s.url, n) }
}

// httpFigures are one kind of request at one side, over all rounds.
type httpFigures struct {
	Name      string  `json:"name"`
	Slow      int     `json:"slow_clients"`
	Side      string  `json:"side"`
	Clients   int     `json:"clients"`
	Answers   int     `json:"answers"`
	PerSecond float64 `json:"per_second"`
	MBSecond  float64 `json:"mb_per_second"`
	P50       float64 `json:"p50_ms"`
	P95       float64 `json:"p95_ms"`
	P99       float64 `json:"p99_ms"`
	CPU       float64 `json:"server_cpu_ms"` // of one answer, the slow clients' part included
	RSS       int64   `json:"peak_rss_bytes"`
	Failed    string  `json:"failed,omitempty"`

	what string
	all  volley
	cpu  float64
}

// httpLoad lets queryd and DuckDB behind a small server take turns under load. The clients are in this process, and share the
// machine's cores with the server that is asked.
func (b *bench) httpLoad() error {
	b.report.DuckDB = b.duck.version
	ours, stop, err := b.startOurs()
	if err != nil {
		return err
	}
	defer stop()
	theirs, stop, err := b.startTheirs()
	if err != nil {
		return err
	}
	defer stop()
	kinds, slow := burdens(b.scale)
	sides := []*httpSide{ours, theirs}
	for _, k := range kinds {
		if err := b.sameRows(sides, k); err != nil {
			return err
		}
	}
	for _, crowd := range []int{0, slowClients} {
		var set []*httpFigures
		for _, k := range kinds {
			if !b.matches(&twelve{name: k.name}) {
				continue
			}
			for _, s := range sides {
				set = append(set, &httpFigures{Name: k.name, Slow: crowd, Side: s.name, Clients: k.clients, what: k.what})
			}
		}
		for round := range b.runs {
			for i := range sides {
				s := sides[(i+round)%2]
				if err := b.besides(s, crowd, slow, kinds, set, round); err != nil {
					return err
				}
			}
		}
		for _, f := range set {
			f.settle()
		}
		b.report.HTTP = append(b.report.HTTP, set...)
	}
	return nil
}

// besides is one turn of a side: every kind, with a crowd of slow clients or none.
func (b *bench) besides(s *httpSide, crowd int, slow burden, kinds []burden, set []*httpFigures, round int) error {
	if crowd > 0 {
		c := startCrawl(b.ctx, crowd, s.shot(slow))
		defer func() {
			c.stop()
			note("%s: %d slow clients, %d answers begun, %d read to the end, %d refused", s.name, crowd, c.reading.Load(), c.finished.Load(), c.refused.Load())
		}()
	}
	for i, k := range kinds {
		for _, f := range set {
			if f.Name != k.name || f.Side != s.name {
				continue
			}
			from := int64(round)*1_000_000 + int64(i)*100_000_000
			if _, err := fire(b.ctx, k.clients, loadTime/5, from+500_000, s.shot(k)); err != nil { // warm
				f.Failed = err.Error()
				continue
			}
			resetPeak(s.pid)
			before := cpuOf(s.pid)
			v, err := fire(b.ctx, k.clients, loadTime, from, s.shot(k))
			if b.ctx.Err() != nil {
				return b.ctx.Err()
			}
			if err != nil {
				f.Failed = err.Error()
			}
			f.cpu += cpuOf(s.pid) - before
			f.RSS = max(f.RSS, highWater(fmt.Sprintf("/proc/%d/status", s.pid)))
			f.add(v)
			note("%-6s %-6s %3d slow: %8.1f/s, p50 %.2f ms, p99 %.2f ms", s.name, k.name, crowd, v.perSecond(), v.percentile(.5)*1e3, v.percentile(.99)*1e3)
		}
	}
	return nil
}

// loadTime is how long one turn asks for one kind.
const loadTime = 2500 * time.Millisecond

func (f *httpFigures) add(v volley) {
	f.all.took = append(f.all.took, v.took...)
	f.all.wall += v.wall
	f.all.bytes += v.bytes
}

func (f *httpFigures) settle() {
	f.all.sort()
	f.Answers = len(f.all.took)
	if f.Answers == 0 {
		return
	}
	f.PerSecond, f.MBSecond = f.all.perSecond(), float64(f.all.bytes)/1e6/f.all.wall
	f.P50, f.P95, f.P99 = f.all.percentile(.5)*1e3, f.all.percentile(.95)*1e3, f.all.percentile(.99)*1e3
	f.CPU = f.cpu / float64(f.Answers) * 1e3
}

// startOurs starts queryd with its defaults.
func (b *bench) startOurs() (*httpSide, func(), error) {
	url, pid, stop, err := startServing(exec.Command(filepath.Join(b.bin, "queryd"), "--listen", "127.0.0.1:0", "--warehouse", b.warehouse, "-q"))
	if err != nil {
		return nil, nil, err
	}
	return &httpSide{"queryd", url, pid, func(k burden, url string, n int64) (*http.Request, error) {
		body := map[string]any{"archivePath": b.warehouse + "/" + oursKey, "filterExpression": k.filter(n), "count": "none"}
		if k.limit > 0 {
			body["limit"] = k.limit
		}
		if k.arrow {
			body["format"] = "arrow"
		}
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		req, err := http.NewRequest(http.MethodPost, url+"/api/v1/archives/query", bytes.NewReader(text))
		if err == nil {
			req.Header.Set("Content-Type", "application/json")
		}
		return req, err
	}}, stop, nil
}

// startTheirs builds peers/cmd/duckhttp and starts it on the same files.
func (b *bench) startTheirs() (*httpSide, func(), error) {
	exe, err := b.peer("duckhttp", "1")
	if err != nil {
		return nil, nil, err
	}
	files, err := filesUnder(filepath.Join(strings.TrimPrefix(b.warehouse, "file://"), oursKey))
	if err != nil {
		return nil, nil, err
	}
	b.report.Files = len(files)
	url, pid, stop, err := startServing(exec.Command(exe, fmt.Sprintf("SET threads = %d", b.report.Cores), "SET parquet_metadata_cache = true", viewOf("ours", files)))
	if err != nil {
		return nil, nil, err
	}
	return &httpSide{"duckdb", url, pid, func(k burden, url string, n int64) (*http.Request, error) {
		text := "SELECT * FROM ours WHERE " + k.filter(n)
		if k.limit > 0 {
			text += fmt.Sprintf(" LIMIT %d", k.limit)
		}
		if k.arrow {
			url += "?format=arrow"
		}
		return http.NewRequest(http.MethodPost, url, strings.NewReader(text))
	}}, stop, nil
}

// startServing starts a server that prints where it listens.
func startServing(cmd *exec.Cmd) (url string, pid int, stop func(), err error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", 0, nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return "", 0, nil, err
	}
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
	var ready struct{ Listening string }
	if err := json.NewDecoder(out).Decode(&ready); err != nil {
		stop()
		return "", 0, nil, fmt.Errorf("%s: %w", cmd.Path, err)
	}
	return "http://" + ready.Listening, cmd.Process.Pid, stop, nil
}

// sameRows sees that both sides give as many rows.
func (b *bench) sameRows(sides []*httpSide, k burden) error {
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	for n := range int64(3) {
		var rows [2]int64
		for i, s := range sides {
			var body bytes.Buffer
			if _, err := once(ctx, http.DefaultTransport, s.shot(k), n, &body); err != nil {
				return fmt.Errorf("%s from %s: %w", k.name, s.name, err)
			}
			var err error
			if rows[i], err = rowsOf(&body, k.arrow); err != nil {
				return fmt.Errorf("%s from %s: %w", k.name, s.name, err)
			}
		}
		if rows[0] != rows[1] || k.limit > 0 && rows[0] != k.limit {
			return fmt.Errorf("%s: queryd gives %d rows, DuckDB %d", k.name, rows[0], rows[1])
		}
	}
	return nil
}

func rowsOf(body io.Reader, arrow bool) (rows int64, err error) {
	if !arrow {
		var a struct{ Data []json.RawMessage }
		err := json.NewDecoder(body).Decode(&a)
		return int64(len(a.Data)), err
	}
	r, err := ipc.NewReader(body)
	if err != nil {
		return 0, err
	}
	defer r.Release()
	for r.Next() {
		rows += r.RecordBatch().NumRows()
	}
	return rows, r.Err()
}

// printHTTP writes the table.
func (r *report) printHTTP(w io.Writer) {
	fmt.Fprintf(w, "\n%d rows, %d files, %d rounds in turns of %s, clients and server on the same %d cores, %s, DuckDB %s\n",
		r.Rows, r.Files, r.Runs, loadTime, r.Cores, r.Go, r.DuckDB)
	for _, crowd := range []int{0, slowClients} {
		fmt.Fprintf(w, "\n%d slow clients beside\n%-40s %-7s %7s %9s %8s %9s %9s %9s %9s %8s\n", crowd,
			"what", "server", "clients", "answers/s", "MB/s", "p50 ms", "p95 ms", "p99 ms", "CPU ms", "RSS MB")
		for _, f := range r.HTTP {
			if f.Slow != crowd {
				continue
			}
			fmt.Fprintf(w, "%-40s %-7s %7d %9.1f %8.1f %9.2f %9.2f %9.2f %9.2f %8.0f %s\n", f.what, f.Side, f.Clients, f.PerSecond, f.MBSecond,
				f.P50, f.P95, f.P99, f.CPU, float64(f.RSS)/1e6, f.Failed)
		}
	}
	fmt.Fprintln(w)
}
