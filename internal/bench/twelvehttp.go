package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"frostline/iceberg"
	"frostline/objstore"
	"frostline/query"
)

// What is measured beside the twelve: some of them through queryd, and an answer that metadata gives alone.
var (
	throughHTTP = layout{name: "http", what: "our layout through HTTP, JSON read whole", key: oursKey, view: "ours"}
	byMetadata  = layout{name: "metadata", what: "our layout, planning alone", key: oursKey, view: "ours"}
)

// overHTTP asks queryd, a process of its own, and DuckDB, in process, in turns. queryd's CPU time is not known.
func (b *bench) overHTTP() error {
	if !b.measures(throughHTTP.name) {
		return nil
	}
	url, stop, err := b.serve()
	if err != nil {
		return err
	}
	defer stop()
	for _, q := range theTwelve(b.scale, b.rows) {
		if !slices.Contains([]string{"count_range", "count_like", "filter_01", "point_key", "point_bloom", "missing_key"}, q.name) || !b.matches(q) {
			continue
		}
		body, err := json.Marshal(map[string]any{
			"archivePath": b.warehouse + "/" + oursKey, "columns": q.columns, "filterExpression": q.filter, "limit": map[bool]int{true: 0, false: 100_000}[q.count],
		})
		if err != nil {
			return err
		}
		f := &figures{Layout: throughHTTP.name, Threads: runtime.GOMAXPROCS(0), Name: q.name, what: q.what, times: [2]int{1, 1}}
		ours := func(times int) (p lap, err error) {
			begin := time.Now()
			for range times {
				var a answer
				if err := b.ask(url, body, &a); err != nil {
					return p, err
				}
				p.Rows = a.Matched
			}
			p.Seconds = time.Since(begin).Seconds() / float64(times)
			return p, nil
		}
		if err := b.warmed(ours, q, throughHTTP, f); err != nil {
			return err
		}
		b.report.Queries = append(b.report.Queries, f)
	}
	return nil
}

// planning counts all rows: footers and pages are not read, so that the plan is what it takes.
func (b *bench) planning() error {
	if !b.measures(byMetadata.name) {
		return nil
	}
	store, err := objstore.Open(b.ctx, b.warehouse, objstore.Options{})
	if err != nil {
		return err
	}
	q := &twelve{name: "count_all", what: "count of all rows", count: true}
	if !b.matches(q) {
		return nil
	}
	e := query.New(iceberg.NewCatalog(store), store, query.Options{})
	f := &figures{Layout: byMetadata.name, Threads: runtime.GOMAXPROCS(0), Name: q.name, what: q.what}
	ours := func(times int) (p lap, err error) {
		cpu, begin := cpuSeconds(), time.Now()
		for range times {
			res, err := e.Query(b.ctx, query.Request{Path: b.warehouse + "/" + oursKey})
			if err != nil {
				return p, err
			}
			p.Rows = res.Matched
			res.Release()
		}
		p.Seconds, p.CPU = time.Since(begin).Seconds()/float64(times), (cpuSeconds()-cpu)/float64(times)
		return p, nil
	}
	if err := b.warmed(ours, q, byMetadata, f); err != nil {
		return err
	}
	b.report.Queries = append(b.report.Queries, f)
	return nil
}

// warmed warms both sides, sees that they agree in the number of rows, and lets them take turns.
func (b *bench) warmed(ours func(times int) (lap, error), q *twelve, l layout, f *figures) error {
	for range 3 {
		p, err := ours(1)
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		f.Rows = p.Rows
		f.times[0] = min(max(int(turnSeconds/p.Seconds), 1), mostTimes)
	}
	theirs, err := b.duck.run(turn{Threads: f.Threads, SQL: q.sql("count(*)", l.view), Times: 1})
	if err != nil {
		return err
	}
	if len(theirs.Values) != 1 || theirs.Values[0] != f.Rows {
		return fmt.Errorf("%s: our answer has %d rows, DuckDB's %v", q.name, f.Rows, theirs.Values)
	}
	f.times[1] = min(max(int(turnSeconds/theirs.Seconds), 1), mostTimes)
	return b.inTurns(ours, q, l, f)
}

// measures tells whether -only has the layout.
func (b *bench) measures(name string) bool {
	return b.only == "" || slices.Contains(strings.Split(b.only, ","), name)
}

// matches tells whether -match has the query.
func (b *bench) matches(q *twelve) bool {
	return b.match == "" || slices.Contains(strings.Split(b.match, ","), q.name)
}
