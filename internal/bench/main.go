// Command bench measures the commands against what a user has otherwise, in one run on one machine: archive against
// COPY TO, restore against COPY FROM, queryd against DuckDB on the same files, and the files' size against DuckDB's.
// With -archive it measures archive alone, in all its kinds, on the rows of TPC-H; with -restore the ways back into
// PostgreSQL; with -query the twelve queries; with -http queryd under load beside DuckDB behind a small HTTP server.
//
// It prints a table and, as its last line, one JSON object of the same figures. Every figure is the median of several
// runs; archive, restore and COPY take turns, DuckDB runs before queryd. No time makes it fail; an answer that differs
// from the peer's does. The server, the files and the processes are private and are removed at the end.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"

	"frostline/internal/pgserver"
	"frostline/postgres"
)

type bench struct {
	ctx   context.Context
	bin   string
	dir   string
	rows  int64
	scale float64 // of TPC-H
	runs  int
	only  string // sides of -archive, by comma; "" all, and the rest
	pg    *pgserver.Server
	db    *postgres.DB
	env   []string // of the commands, for S3

	warehouse string // of the last archive run
	leaf      string // SELECT of the partition
	stream    int64  // bytes of its COPY binary stream
	report    report

	copySeconds float64 // of COPY binary, median

	data  string // folder that keeps the rows of -query between runs, "" none
	match string // the queries of -query, by comma; "" all
	duck  *duck
}

func main() {
	bin := flag.String("bin", "bin", "folder of archive, restore and queryd")
	rows := flag.Int64("rows", 1_000_000, "rows of the partition")
	runs := flag.Int("runs", 5, "runs of each measurement")
	archiving := flag.Bool("archive", false, "measure archive alone, on lineitem of TPC-H")
	restoring := flag.Bool("restore", false, "measure restore alone, on lineitem of TPC-H")
	scale := flag.Float64("scale", 1.0/6, "scale factor of lineitem, with -archive, -restore and -query; 1/6 is a million rows")
	only := flag.String("only", "", "comma list of the sides to measure, with -archive: copy,archive,archive_s3; all, and the limited rate and wide values, without it; with -restore: copy,restore; with -query ours,duckdb,http,metadata")
	querying := flag.Bool("query", false, "measure the twelve queries alone, on lineitem of TPC-H with two columns more")
	loading := flag.Bool("http", false, "measure answers a second over HTTP alone, on the files of -query")
	data := flag.String("data", "", "folder that keeps the files of -query and -http, which a later run takes; a temporary one without it")
	match := flag.String("match", "", "comma list of the queries to measure, with -query: point_key,count_like; with -http: point,page,export; all without it")
	profile := flag.String("cpuprofile", "", "file for a CPU profile of this process, with -query")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := &bench{ctx: ctx, bin: *bin, rows: *rows, scale: *scale, runs: *runs, only: *only, data: *data, match: *match}
	steps := []func() error{b.start, b.fill, b.archive, b.restore, b.query}
	if *archiving {
		steps = []func() error{b.start, b.fillTPCH, b.archiveRounds}
		switch {
		case *only == "":
			steps = append(steps, b.archiveRate, b.wideValues)
		case *only == "wide":
			steps = []func() error{b.start, b.wideValues}
		case slices.Contains(strings.Split(*only, ","), "wide"):
			steps = append(steps, b.wideValues)
		}
	}
	if *restoring {
		steps = []func() error{b.start, b.fillTPCH, b.restoreRounds}
	}
	if *querying {
		steps = []func() error{b.startTwelve, profiled(*profile, b.twelveQueries), b.overHTTP, b.planning}
	}
	if *loading {
		steps = []func() error{b.startTwelve, b.httpLoad}
	}
	if err := errors.Join(b.run(steps), b.close()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	switch {
	case *querying:
		b.report.printTwelve(os.Stdout)
	case *loading:
		b.report.printHTTP(os.Stdout)
	default:
		b.report.print(os.Stdout)
	}
	if err := json.NewEncoder(os.Stdout).Encode(b.report); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) run(steps []func() error) error {
	if b.rows < 1000 || b.runs < 1 || b.scale < 0.001 {
		return errors.New("-rows must be at least 1000, -runs at least 1 and -scale at least 0.001")
	}
	b.report.Runs, b.report.Cores, b.report.Go = b.runs, runtime.GOMAXPROCS(0), runtime.Version()
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	b.report.Rows = b.rows
	return nil
}

func (b *bench) start() (err error) {
	if b.dir, err = os.MkdirTemp("", "frostline-bench-"); err != nil {
		return err
	}
	return b.startServer()
}

func (b *bench) startServer() (err error) {
	b.pg, err = pgserver.Start(b.ctx, pgserver.Options{Settings: map[string]string{
		"shared_buffers": "512MB", "max_wal_size": "8GB", "checkpoint_timeout": "1h", "autovacuum": "off",
	}})
	if err != nil {
		return err
	}
	if b.db, err = postgres.Open(b.ctx, postgres.Config{DSN: b.pg.DSN("postgres"), Application: "frostline bench"}); err != nil {
		return err
	}
	b.report.PostgreSQL = b.db.ServerVersion()
	return nil
}

// location is the folder of a fresh warehouse.
func (b *bench) location(name string) string { return "file://" + filepath.Join(b.dir, name) }

// stopServer ends the server and forgets it.
func (b *bench) stopServer() error {
	if b.db != nil {
		b.db.Close()
		b.db = nil
	}
	if b.pg == nil {
		return nil
	}
	err := b.pg.Stop()
	b.pg = nil
	return err
}

func (b *bench) close() error {
	if b.duck != nil {
		b.duck.stop()
	}
	err := b.stopServer()
	if b.dir != "" && b.data == "" {
		err = errors.Join(err, os.RemoveAll(b.dir))
	}
	return err
}

// profiled writes a CPU profile of a step.
func profiled(path string, step func() error) func() error {
	if path == "" {
		return step
	}
	return func() error {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		err = step()
		pprof.StopCPUProfile()
		return errors.Join(err, f.Close())
	}
}

func note(format string, args ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...) }
