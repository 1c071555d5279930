package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"frostline/internal/progress"
)

// process is what one run of one of our commands took.
type process struct {
	seconds float64
	cpu     float64 // seconds of user and system time
	rss     int64   // peak resident bytes, 0 unknown
	server  float64 // seconds of user and system time of the server's processes meanwhile, 0 unknown
	result  struct {
		Records int64           `json:"total_records"`
		Files   int             `json:"total_files"`
		Bytes   int64           `json:"total_bytes"`
		Steps   []progress.Step `json:"steps"`
	}
}

// step is the sum of the named steps' seconds.
func (p process) step(names ...string) (sum float64) {
	for _, s := range p.result.Steps {
		if slices.Contains(names, s.Step) {
			sum += s.Seconds
		}
	}
	return sum
}

// command runs one of ours, as a user would.
func (b *bench) command(warehouse, name string, args ...string) (process, error) {
	cmd := exec.CommandContext(b.ctx, filepath.Join(b.bin, name), append(args, "-q")...)
	cmd.Env = append(append(os.Environ(), b.env...), "ARCHIVE_WAREHOUSE="+warehouse, "DATABASE_URL="+b.pg.DSN("postgres"))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return process{}, fmt.Errorf("%s: %w", name, err)
	}
	peak := watchRSS(cmd.Process.Pid)
	err := cmd.Wait()
	p := process{seconds: time.Since(begin).Seconds(), rss: peak()}
	if err != nil {
		return p, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	p.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	if err := json.Unmarshal(out.Bytes(), &p.result); err != nil {
		return p, fmt.Errorf("%s: read its result: %w", name, err)
	}
	if p.result.Records != b.rows {
		return p, fmt.Errorf("%s: %d rows, the partition has %d", name, p.result.Records, b.rows)
	}
	return p, nil
}

// timed is fn's seconds.
func timed(fn func() error) (float64, error) {
	begin := time.Now()
	err := fn()
	return time.Since(begin).Seconds(), err
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}

// of is the median of one figure of the runs.
func of(runs []process, figure func(process) float64) float64 {
	var v []float64
	for _, p := range runs {
		v = append(v, figure(p))
	}
	return median(v)
}

// line is one comparison. Peer 0 means that there is none.
type line struct {
	Name  string  `json:"name"` // for scripts
	What  string  `json:"what"`
	Peer  string  `json:"against,omitempty"`
	Unit  string  `json:"unit"`
	Ours  float64 `json:"ours"`
	Their float64 `json:"peer,omitempty"`
	Ratio float64 `json:"ratio,omitempty"`
}

// report are the figures of a run.
type report struct {
	Rows       int64  `json:"rows"`
	Runs       int    `json:"runs"`
	Cores      int    `json:"cores"`
	Go         string `json:"go"`
	PostgreSQL string `json:"postgresql"`
	DuckDB     string `json:"duckdb"`
	Stream     int64  `json:"stream_bytes"` // of COPY binary
	Files      int    `json:"files"`
	Lines      []line `json:"lines,omitempty"`

	Queries []*figures     `json:"queries,omitempty"` // with -query
	HTTP    []*httpFigures `json:"http,omitempty"`    // with -http
}

func (r *report) add(name, what, peer, unit string, ours, their float64) {
	l := line{Name: name, What: what, Peer: peer, Unit: unit, Ours: ours, Their: their}
	if their > 0 {
		l.Ratio = ours / their
	}
	r.Lines = append(r.Lines, l)
}

func (r *report) print(w io.Writer) {
	duck := ""
	if r.DuckDB != "" {
		duck = ", DuckDB " + r.DuckDB
	}
	fmt.Fprintf(w, "\n%d rows, %.0f MB as COPY binary, %d files, median of %d runs, %d cores, PostgreSQL %s%s\n\n",
		r.Rows, float64(r.Stream)/1e6, r.Files, r.Runs, r.Cores, r.PostgreSQL, duck)
	fmt.Fprintf(w, "%-56s %-38s %10s %10s %6s\n", "what", "against", "ours", "peer", "ratio")
	for _, l := range r.Lines {
		their, ratio := "", ""
		if l.Their > 0 {
			their, ratio = l.value(l.Their), fmt.Sprintf("%.2f", l.Ratio)
		}
		fmt.Fprintf(w, "%-56s %-38s %10s %10s %6s\n", l.What, l.Peer, l.value(l.Ours), their, ratio)
	}
	fmt.Fprintln(w)
}

func (l line) value(v float64) string {
	switch l.Unit {
	case "s":
		return fmt.Sprintf("%.2f s", v)
	case "ms":
		return fmt.Sprintf("%.1f ms", v)
	}
	return fmt.Sprintf("%.1f MB", v/1e6)
}
