package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// question is one query, as our API and as DuckDB take it.
type question struct {
	Name    string `json:"name"`
	what    string
	columns []string
	filter  string
	limit   int
	SQL     string `json:"sql"`
}

func (b *bench) questions() []question {
	parts := fmt.Sprintf("l_partkey >= %d AND l_partkey < %d", partkeys*3/10, partkeys*4/10)
	// A day is 3.2 % of a month; the price leaves about a thirtieth of that.
	few := "l_shipdate = DATE '2024-01-17' AND l_extendedprice BETWEEN 40000.00 AND 42100.00"
	key := fmt.Sprintf("id = %d", b.rows/2)
	return []question{
		{"count_range", "count, 10 % integer range", []string{"id"}, parts, 0, "SELECT count(*) FROM lineitem WHERE " + parts},
		{"filter_few", "filter 0.1 % on date and decimal, 3 columns", []string{"id", "l_extendedprice", "l_comment"}, few, 100_000,
			"SELECT id, l_extendedprice, l_comment FROM lineitem WHERE " + few},
		{"point", "point lookup by key, all columns", nil, key, 1000, "SELECT * FROM lineitem WHERE " + key},
	}
}

// duckJob is what duckbench reads, and duckResult what it prints.
type duckJob struct {
	Threads int        `json:"threads"`
	Files   []string   `json:"files"`
	Queries []question `json:"queries"`
	Warm    int        `json:"warm"`
	Runs    int        `json:"runs"`
	CopyTo  string     `json:"copy_to"` // writes the same rows as its own zstd Parquet there
}

type duckResult struct {
	Version string `json:"version"`
	Queries []struct {
		Name    string  `json:"name"`
		Seconds float64 `json:"seconds"`
		Rows    int64   `json:"rows"`  // of the result
		Count   int64   `json:"count"` // the first value of the only row of a count
	} `json:"queries"`
	CopySeconds float64 `json:"copy_seconds"`
	CopyBytes   int64   `json:"copy_bytes"`
}

const warmRuns = 3

// query measures queryd over HTTP against DuckDB on the same files.
func (b *bench) query() error {
	runs := max(4*b.runs, 10)
	note("DuckDB")
	files, err := b.files()
	if err != nil {
		return err
	}
	theirs, err := b.duckdb(duckJob{
		Threads: runtime.GOMAXPROCS(0), Files: files, Queries: b.questions(), Warm: warmRuns, Runs: runs, CopyTo: filepath.Join(b.dir, "duckdb.parquet"),
	})
	if err != nil {
		return err
	}
	b.report.DuckDB = theirs.Version
	note("queryd")
	url, stop, err := b.serve()
	if err != nil {
		return err
	}
	defer stop()
	r := &b.report
	for i, q := range b.questions() {
		body, err := json.Marshal(map[string]any{
			"archivePath": b.warehouse + "/public/lineitem/l_shipdate=2024-01", "columns": q.columns, "filterExpression": q.filter, "limit": q.limit,
		})
		if err != nil {
			return err
		}
		var times, inside []float64
		var matched int64
		for n := range warmRuns + runs {
			var a answer
			t, err := timed(func() error { return b.ask(url, body, &a) })
			if err != nil {
				return fmt.Errorf("%s: %w", q.Name, err)
			}
			if n >= warmRuns {
				times, inside = append(times, t), append(inside, a.Millis)
			}
			matched = a.Matched
		}
		peer := theirs.Queries[i]
		if want := max(peer.Count, peer.Rows); q.Name != peer.Name || matched != want {
			return fmt.Errorf("%s: queryd matched %d rows, DuckDB %d", q.Name, matched, want)
		}
		r.add("query_"+q.Name, fmt.Sprintf("%s (%d rows)", q.what, matched), "DuckDB, same files, same threads", "ms", median(times)*1e3, peer.Seconds*1e3)
		r.add("query_"+q.Name+"_inside", "  without HTTP", "DuckDB, same files, same threads", "ms", median(inside), peer.Seconds*1e3)
	}
	bytes, err := sizeOf(files)
	if err != nil {
		return err
	}
	r.add("bytes_duckdb", "size of the files", "DuckDB COPY TO parquet, zstd", "bytes", float64(bytes), float64(theirs.CopyBytes))
	return nil
}

type answer struct {
	Matched int64   `json:"totalMatched"`
	Millis  float64 `json:"executionTimeMs"`
}

// ask reads the whole answer; the time of decoding it is not the server's.
func (b *bench) ask(url string, body []byte, a *answer) error {
	req, err := http.NewRequestWithContext(b.ctx, http.MethodPost, url+"/api/v1/archives/query", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, got)
	}
	return json.Unmarshal(got, a)
}

// serve starts queryd over the archive.
func (b *bench) serve() (url string, stop func(), err error) {
	cmd := exec.Command(filepath.Join(b.bin, "queryd"), "--listen", "127.0.0.1:0", "--warehouse", b.warehouse, "-q")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
	var ready struct{ Listening string }
	if err := json.NewDecoder(out).Decode(&ready); err != nil {
		stop()
		return "", nil, fmt.Errorf("queryd: %w: %s", err, errs.String())
	}
	return "http://" + ready.Listening, stop, nil
}

// files are the paths of the data files. The warehouse has one archive run, so all its Parquet files are the table's.
func (b *bench) files() ([]string, error) {
	return filesUnder(strings.TrimPrefix(b.warehouse, "file://"))
}

func filesUnder(root string) (files []string, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ".parquet") {
			files = append(files, path)
		}
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("no data file is under %s", root)
	}
	return files, err
}

func sizeOf(files []string) (sum int64, err error) {
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			return 0, err
		}
		sum += info.Size()
	}
	return sum, nil
}

// duckdb builds peers/cmd/duckbench and runs it.
func (b *bench) duckdb(j duckJob) (duckResult, error) {
	var res duckResult
	exe, err := b.peer("duckbench", "1")
	if err != nil {
		return res, err
	}
	job, err := json.Marshal(j)
	if err != nil {
		return res, err
	}
	cmd := exec.CommandContext(b.ctx, exe)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(job), &out, &errs
	if err := cmd.Run(); err != nil {
		return res, fmt.Errorf("duckbench: %w: %s", err, errs.String())
	}
	if err := json.Unmarshal(out.Bytes(), &res); err != nil {
		return res, fmt.Errorf("duckbench: %w", err)
	}
	if len(res.Queries) != len(j.Queries) {
		return res, fmt.Errorf("duckbench: %d answers", len(res.Queries))
	}
	return res, nil
}

// peer builds one of peers/cmd.
func (b *bench) peer(name, cgo string) (string, error) {
	exe := filepath.Join(b.dir, name)
	build := exec.CommandContext(b.ctx, "go", "build", "-C", "peers", "-o", exe, "./cmd/"+name)
	build.Env = append(os.Environ(), "CGO_ENABLED="+cgo, "GOFLAGS=-tags=duckdb_arrow", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build peers/cmd/%s (run from the checkout; duckbench needs gcc and g++): %w\n%s", name, err, out)
	}
	return exe, nil
}
