package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// turn asks duckbench to run one statement some times.
type turn struct {
	Threads int    `json:"threads"`
	SQL     string `json:"sql"`
	Times   int    `json:"times"`
	Plain   bool   `json:"plain"` // a statement without a result that counts
}

// lap is what running something some times took.
type lap struct {
	Seconds float64 `json:"seconds"` // of one run, the mean
	CPU     float64 `json:"cpu"`     // seconds of user and system time of one run, the mean
	Rows    int64   `json:"rows"`
	Values  []int64 `json:"values"` // the first row's, where the columns are whole numbers
	Error   string  `json:"error"`
}

// duck is a DuckDB process that takes turns with us.
type duck struct {
	in      io.WriteCloser
	out     *json.Decoder
	errs    bytes.Buffer
	cmd     *exec.Cmd
	version string
}

// startDuck builds peers/cmd/duckbench and starts it.
func (b *bench) startDuck() (*duck, error) {
	exe, err := b.peer("duckbench", "1")
	if err != nil {
		return nil, err
	}
	d := &duck{cmd: exec.CommandContext(b.ctx, exe, "-turns")}
	d.cmd.Stderr = &d.errs
	if d.in, err = d.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	d.out = json.NewDecoder(out)
	var hello struct {
		Version string `json:"version"`
	}
	if err := d.out.Decode(&hello); err != nil {
		return nil, fmt.Errorf("duckbench: %w: %s", err, d.errs.String())
	}
	d.version = hello.Version
	return d, nil
}

func (d *duck) stop() {
	_ = d.in.Close()
	_ = d.cmd.Wait()
}

func (d *duck) run(t turn) (lap, error) {
	var l lap
	if err := json.NewEncoder(d.in).Encode(t); err != nil {
		return l, fmt.Errorf("duckbench: %w: %s", err, d.errs.String())
	}
	if err := d.out.Decode(&l); err != nil {
		return l, fmt.Errorf("duckbench: %w: %s", err, d.errs.String())
	}
	if l.Error != "" {
		return l, fmt.Errorf("DuckDB: %s: %s", t.SQL, l.Error)
	}
	return l, nil
}

func (d *duck) exec(sql string) error {
	_, err := d.run(turn{Threads: 2, SQL: sql, Times: 1, Plain: true})
	return err
}

// viewOf is the SQL that gives Parquet files a name.
func viewOf(name string, files []string) string {
	list := make([]string, len(files))
	for i, f := range files {
		list[i] = quoted(f)
	}
	// Without hive_partitioning = false a filter on the partition column takes the folder's name for its value.
	return "CREATE OR REPLACE VIEW " + name + " AS SELECT COLUMNS(c -> c <> '_pg_exact') FROM read_parquet([" + strings.Join(list, ", ") + "], hive_partitioning = false)"
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func removeAll(paths ...string) error {
	for _, p := range paths {
		if err := os.RemoveAll(p); err != nil {
			return err
		}
	}
	return nil
}
