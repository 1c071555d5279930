package main

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/objstore"
	"frostline/query"
)

// layout is one table of the warehouse, as both sides read it.
type layout struct {
	name, what string
	key        string // our table
	view       string // DuckDB's
	goal       string
}

var layouts = []layout{
	{"ours", "our layout", oursKey, "ours", "each ≤ 1.0, geometric mean ≤ 0.5"},
	{"duckdb", "DuckDB's layout", theirsKey, "theirs", "geometric mean ≤ 1.0"},
}

// figures are one query on one layout by one number of threads. Seconds of one run, medians over the rounds.
type figures struct {
	Layout   string  `json:"layout"`
	Threads  int     `json:"threads"`
	Name     string  `json:"name"`
	Rows     int64   `json:"rows"` // of the result, or counted
	Ours     float64 `json:"ours_seconds"`
	Peer     float64 `json:"duckdb_seconds"`
	Ratio    float64 `json:"ratio"`
	OursCPU  float64 `json:"ours_cpu_seconds,omitempty"`
	PeerCPU  float64 `json:"duckdb_cpu_seconds"`
	RatioCPU float64 `json:"ratio_cpu,omitempty"`

	what      string
	wall, cpu [2][]float64 // ours and DuckDB's, by round
	times     [2]int
}

// A turn runs a query as often as takes about turnSeconds, at least once and at most mostTimes.
const (
	turnSeconds = 0.15
	mostTimes   = 100
)

// twelveQueries lets our engine, in this process, and DuckDB, in one of its own, take turns.
func (b *bench) twelveQueries() error {
	b.report.DuckDB = b.duck.version
	for _, l := range layouts {
		files, err := filesUnder(filepath.Join(strings.TrimPrefix(b.warehouse, "file://"), l.key))
		if err != nil {
			return err
		}
		if err := b.duck.exec(viewOf(l.view, files)); err != nil {
			return err
		}
		if l.name == "ours" {
			b.report.Files = len(files)
		}
	}
	store, err := objstore.Open(b.ctx, b.warehouse, objstore.Options{})
	if err != nil {
		return err
	}
	catalog := iceberg.NewCatalog(store)
	cores := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(cores)
	var all []*figures
	for _, threads := range slices.Compact([]int{1, cores}) {
		runtime.GOMAXPROCS(threads)
		engine := query.New(catalog, store, query.Options{Workers: threads, MaxLimit: math.MaxInt32})
		for _, l := range layouts {
			if !b.measures(l.name) {
				continue
			}
			var set []*figures
			for _, q := range theTwelve(b.scale, b.rows) {
				if !b.matches(q) {
					continue
				}
				f := &figures{Layout: l.name, Threads: threads, Name: q.name, what: q.what}
				if err := b.sameAnswer(engine, q, l, f); err != nil {
					return err
				}
				set = append(set, f)
				if err := b.inTurns(func(times int) (lap, error) { return b.lapOf(engine, q, l, times) }, q, l, f); err != nil {
					return err
				}
			}
			all = append(all, set...)
		}
	}
	b.report.Queries = all
	return nil
}

// inTurns lets both sides take turns and takes the medians.
func (b *bench) inTurns(lapOf func(times int) (lap, error), q *twelve, l layout, f *figures) error {
	for round := range b.runs {
		if err := b.turns(lapOf, q, l, f, round%2 == 1); err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
	}
	f.settle()
	note("%s, %d threads, %s: %.2f ms, DuckDB %.2f (%.2f); CPU %.2f, %.2f (%.2f)", f.Layout, f.Threads, q.name,
		f.Ours*1e3, f.Peer*1e3, f.Ratio, f.OursCPU*1e3, f.PeerCPU*1e3, f.RatioCPU)
	return nil
}

// turns is one round: both sides, the other one first every second time.
func (b *bench) turns(lapOf func(times int) (lap, error), q *twelve, l layout, f *figures, swapped bool) error {
	ours := func() (lap, error) { return lapOf(max(f.times[0], 1)) }
	theirs := func() (lap, error) {
		return b.duck.run(turn{Threads: f.Threads, SQL: q.sql(q.list(), l.view), Times: max(f.times[1], 1)})
	}
	sides := []func() (lap, error){ours, theirs}
	for i := range sides {
		if swapped {
			i = 1 - i
		}
		p, err := sides[i]()
		if err != nil {
			return err
		}
		f.wall[i], f.cpu[i] = append(f.wall[i], p.Seconds), append(f.cpu[i], p.CPU)
	}
	return nil
}

func (f *figures) settle() {
	f.Ours, f.Peer = median(f.wall[0]), median(f.wall[1])
	f.OursCPU, f.PeerCPU = median(f.cpu[0]), median(f.cpu[1])
	f.Ratio, f.RatioCPU = f.Ours/f.Peer, f.OursCPU/f.PeerCPU
}

// lapOf runs a query some times in this process.
func (b *bench) lapOf(e *query.Engine, q *twelve, l layout, times int) (p lap, err error) {
	runtime.GC()
	cpu, begin := cpuSeconds(), time.Now()
	for range times {
		if p.Rows, _, err = b.oneRun(e, q, l, false); err != nil {
			return p, err
		}
	}
	p.Seconds, p.CPU = time.Since(begin).Seconds()/float64(times), (cpuSeconds()-cpu)/float64(times)
	return p, nil
}

// oneRun gives the rows of the answer, and with sums the sum of its first column. Whole tables are streamed.
func (b *bench) oneRun(e *query.Engine, q *twelve, l layout, sums bool) (rows, sum int64, err error) {
	r := query.Request{Path: b.warehouse + "/" + l.key, Columns: q.columns, Expression: q.filter, Limit: b.rows}
	if q.count {
		r.Limit = 0
	}
	if q.filter == "" {
		r.Limit = -1
		res, err := e.Stream(b.ctx, r, func([]coltype.Column, int64) error { return nil }, func(batch arrow.RecordBatch) error {
			if sums {
				sum += sumOf(batch)
			}
			return nil
		})
		if err != nil {
			return 0, 0, err
		}
		return res.Rows, sum, nil
	}
	res, err := e.Query(b.ctx, r)
	if err != nil {
		return 0, 0, err
	}
	defer res.Release()
	if q.count {
		return res.Matched, 0, nil
	}
	if sums {
		for _, batch := range res.Batches {
			sum += sumOf(batch)
		}
	}
	return res.Rows, sum, nil
}

func sumOf(b arrow.RecordBatch) (sum int64) {
	for _, v := range b.Column(0).(*array.Int64).Int64Values() {
		sum += v
	}
	return sum
}

// sameAnswer warms both sides, sees that they agree in the number of rows and the sum of the order keys, and how often a
// turn runs the query.
func (b *bench) sameAnswer(e *query.Engine, q *twelve, l layout, f *figures) error {
	rows, sum, err := b.oneRun(e, q, l, true)
	if err != nil {
		return fmt.Errorf("%s: %w", q.name, err)
	}
	check, err := b.duck.run(turn{Threads: f.Threads, SQL: q.sql("count(*), CAST(coalesce(sum(l_orderkey), 0) AS BIGINT)", l.view), Times: 1})
	if err != nil {
		return err
	}
	if len(check.Values) != 2 || check.Values[0] != rows || !q.count && check.Values[1] != sum {
		return fmt.Errorf("%s on %s: our answer has %d rows (sum %d), DuckDB's %v", q.name, l.what, rows, sum, check.Values)
	}
	f.Rows = rows
	warm, err := b.duck.run(turn{Threads: f.Threads, SQL: q.sql(q.list(), l.view), Times: 1})
	if err != nil {
		return err
	}
	if !q.count && warm.Rows != rows {
		return fmt.Errorf("%s on %s: our answer has %d rows, DuckDB's %d", q.name, l.what, rows, warm.Rows)
	}
	ours, err := b.lapOf(e, q, l, 1)
	if err != nil {
		return err
	}
	for i, p := range []lap{ours, warm} {
		f.times[i] = min(max(int(turnSeconds/p.Seconds), 1), mostTimes)
	}
	return nil
}

// printTwelve writes the table.
func (r *report) printTwelve(w io.Writer) {
	fmt.Fprintf(w, "\n%d rows, %d files, median of %d rounds in turns, %d cores, %s, DuckDB %s\n", r.Rows, r.Files, r.Runs, r.Cores, r.Go, r.DuckDB)
	for _, l := range append(slices.Clone(layouts), throughHTTP, byMetadata) {
		for _, threads := range slices.Compact([]int{1, r.Cores}) {
			set := r.some(l.name, threads)
			if len(set) == 0 {
				continue
			}
			fmt.Fprintf(w, "\n%s, threads: %d\n%-42s %9s %10s %10s %6s %10s %10s %6s\n", l.what, threads,
				"query", "rows", "ours ms", "DuckDB ms", "ratio", "CPU ms", "DuckDB", "ratio")
			for _, f := range set {
				if f.OursCPU == 0 {
					fmt.Fprintf(w, "%-42s %9d %10.3f %10.3f %6.2f\n", f.what, f.Rows, f.Ours*1e3, f.Peer*1e3, f.Ratio)
					continue
				}
				fmt.Fprintf(w, "%-42s %9d %10.3f %10.3f %6.2f %10.3f %10.3f %6.2f\n", f.what, f.Rows, f.Ours*1e3, f.Peer*1e3, f.Ratio, f.OursCPU*1e3, f.PeerCPU*1e3, f.RatioCPU)
			}
			if l.goal == "" {
				continue
			}
			fmt.Fprintf(w, "%-42s %9s %10s %10s %6.2f %10s %10s %6.2f   goal: %s\n", "geometric mean", "", "", "",
				geometric(set, func(f *figures) float64 { return f.Ratio }), "", "", geometric(set, func(f *figures) float64 { return f.RatioCPU }), l.goal)
		}
	}
	fmt.Fprintln(w)
}

func (r *report) some(layout string, threads int) (set []*figures) {
	for _, f := range r.Queries {
		if f.Layout == layout && f.Threads == threads {
			set = append(set, f)
		}
	}
	return set
}

func geometric(set []*figures, of func(*figures) float64) float64 {
	sum := 0.0
	for _, f := range set {
		sum += math.Log(of(f))
	}
	return math.Exp(sum / float64(len(set)))
}

// cpuSeconds is the user and system time of this process.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
