package query

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/parquetio"
	"frostline/predicate"
)

// Explanation is what a query would read, by what metadata says of it.
type Explanation struct {
	Path     string        `json:"path"`
	Snapshot int64         `json:"snapshot"`
	Rows     int64         `json:"rows"`  // that may match, at most
	Bytes    int64         `json:"bytes"` // that would be read of data files, at most
	Requests int64         `json:"requests"`
	Cost     float64       `json:"cost"` // USD for Bytes
	Pruning  Pruning       `json:"pruning"`
	Files    []FileVerdict `json:"files"`              // at most 1000
	Omitted  int64         `json:"omitted"`            // files that are left out of Files
	Unopened int64         `json:"unopened"`           // files beyond those whose footers were read: estimated from the manifests
	Warnings []string      `json:"warnings"`           // as Result's
	Elapsed  time.Duration `json:"elapsedNanoseconds"` // of explaining
}

// FileVerdict is what is known of a data file.
type FileVerdict struct {
	Partition string         `json:"partition"`
	File      string         `json:"file"` // below the table's location
	Rows      int64          `json:"rows"`
	Bytes     int64          `json:"bytes"`
	Verdict   string         `json:"verdict"` // none: no row can match; all: every row matches; some: unknown
	By        string         `json:"by"`      // "partition", "bounds"; "" when they did not decide
	RowGroups []GroupVerdict `json:"rowGroups,omitempty"`
}

// GroupVerdict is what is known of a row group.
type GroupVerdict struct {
	Rows    int64  `json:"rows"`
	Verdict string `json:"verdict"`
	By      string `json:"by"`    // "bounds", "bloom", "page"; "" when nothing decided
	Left    int64  `json:"left"`  // rows that may match
	Pages   Level  `json:"pages"` // of the filter's columns
	Bytes   int64  `json:"bytes"` // to be read, at most
}

// explainFiles is how many files an explanation lists, and how many it opens.
const explainFiles = 1000

// Explain says what r would read, from manifests, footers, Bloom filters and page indexes. It reads no data page. What
// an early end saves (limit without a count, hopeless row groups of an order) is not known before.
func (e *Engine) Explain(ctx context.Context, r Request) (*Explanation, error) {
	if err := e.check(r); err != nil {
		return nil, err
	}
	out := &Explanation{}
	res, err := e.run(ctx, r, func(ctx context.Context, q *query) (*Result, error) {
		if q.target.grant.filters() {
			return nil, q.target.grant.whole("an explanation")
		}
		return &Result{}, q.explain(ctx, out)
	})
	if err != nil {
		return nil, err
	}
	out.Path, out.Snapshot, out.Warnings, out.Elapsed = res.Path, res.Snapshot, res.Warnings, res.Elapsed
	out.Cost = e.cost(out.Bytes)
	return out, nil
}

// reads are the columns that are read of matching rows, those that decide their order apart.
func (q *query) reads() (all, keys []coltype.Column) {
	switch {
	case q.agg != nil:
		return q.agg.reads, nil
	case q.req.Limit == 0:
		return nil, nil
	}
	for _, k := range q.order {
		keys = append(keys, q.cols[k.col])
	}
	return q.project, keys
}

func (q *query) explain(ctx context.Context, out *Explanation) error {
	s := q.engine.newScan(q.plan, q.req, q.memory)
	type item struct {
		part    *partition
		pf      iceberg.PlanFile
		verdict predicate.Verdict
		file    FileVerdict
	}
	var items []*item
	opened := map[string]bool{}
	for i := range q.parts {
		part := &q.parts[i]
		whole := s.byPartition(part)
		for _, pf := range part.Files {
			it := &item{part: part, pf: pf, verdict: whole, file: FileVerdict{Partition: part.Name, File: q.below(pf), Rows: pf.Rows, Bytes: pf.Bytes}}
			if whole != predicate.Some {
				it.file.By = "partition"
			} else if it.verdict = s.byFile(&pf); it.verdict != predicate.Some {
				it.file.By = "bounds"
			}
			it.file.Verdict = it.verdict.String()
			items = append(items, it)
			s.files.total.Add(1)
		}
	}
	all, keys := q.reads()
	counts := len(all) == 0 && len(keys) == 0
	ctx, s.cancel = context.WithCancelCause(ctx)
	defer s.cancel(nil)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(q.engine.opt.Workers * 2)
	parts := make([]tally, len(items))
	tries := 0
	for i, it := range items {
		if it.verdict == predicate.None {
			continue
		}
		opened[it.part.Name] = true
		if it.verdict == predicate.All && counts {
			parts[i] = tally{rows: it.pf.Rows}
			continue
		}
		if tries++; tries > explainFiles {
			parts[i] = tally{rows: it.pf.Rows, bytes: it.pf.Bytes, requests: 2, unopened: 1}
			continue
		}
		g.Go(func() (err error) {
			s.guarded(it.pf.Location, func() { err = q.explainFile(gctx, s, it.part, it.pf, all, keys, &it.file, &parts[i]) })
			return err
		})
	}
	err := g.Wait()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if err != nil {
		return err
	}
	for i, it := range items {
		out.Rows += parts[i].rows
		out.Bytes += parts[i].bytes
		out.Requests += parts[i].requests
		out.Unopened += parts[i].unopened
		if len(out.Files) < explainFiles {
			out.Files = append(out.Files, it.file)
		} else {
			out.Omitted++
		}
	}
	out.Pruning = s.pruning()
	out.Pruning.Partitions.Skipped = int64(len(q.parts) - len(opened))
	return nil
}

// tally is what one file adds up to.
type tally struct{ rows, bytes, requests, unopened int64 }

// explainFile looks at a file's footer and indexes.
func (q *query) explainFile(ctx context.Context, s *scan, part *partition, pf iceberg.PlanFile, all, keys []coltype.Column, v *FileVerdict, sum *tally) error {
	f, err := s.openFile(ctx, part, pf)
	if err != nil {
		return err
	}
	sum.requests++
	groups, err := s.byRowGroup(ctx, f, pf)
	if err != nil {
		return err
	}
	for rg, g := range groups {
		gv, err := q.explainGroup(ctx, s, f, rg, g, all, keys)
		if err != nil {
			return unreadable(pf.Location, err)
		}
		v.RowGroups = append(v.RowGroups, gv)
		s.rowGroups.total.Add(1)
		if gv.Verdict == "none" && gv.By == "bloom" {
			s.byBloom.Add(1)
		}
		sum.rows += gv.Left
		sum.bytes += gv.Bytes
		if gv.Bytes > 0 {
			s.rowGroups.read.Add(1)
			sum.requests += 2 // the filter's columns, then the others
			if len(s.filterOn) == 0 || gv.Verdict == "all" {
				sum.requests--
			}
		}
	}
	return nil
}

func (q *query) explainGroup(ctx context.Context, s *scan, f *parquetio.File, rg int, g group, all, keys []coltype.Column) (GroupVerdict, error) {
	rows := f.RowGroupRows(rg)
	v := GroupVerdict{Rows: rows, Verdict: g.verdict.String(), Left: rows}
	if g.verdict != predicate.Some {
		v.By = "bounds"
		if g.byBloom {
			v.By = "bloom"
		}
	}
	switch g.verdict {
	case predicate.None:
		v.Left = 0
		return v, nil
	case predicate.Some:
		pages := &scan{plan: s.plan, engine: s.engine, noPrune: s.noPrune}
		pieces, err := pages.byPage(ctx, f, rg)
		if err != nil {
			return v, err
		}
		v.Pages = pages.pages.level()
		s.pages.total.Add(v.Pages.Total)
		s.pages.read.Add(v.Pages.Total - v.Pages.Skipped)
		var evaluated int64
		v.Left = 0
		for _, p := range pieces {
			n := p.End - p.Start
			v.Left += n
			if !p.all {
				evaluated += n
			}
		}
		switch {
		case v.Left == 0:
			v.Verdict, v.By = predicate.None.String(), "page"
		case evaluated == 0 && v.Left == rows:
			v.Verdict, v.By = predicate.All.String(), "page"
		case v.Left < rows:
			v.By = "page"
		}
		v.Bytes += share(f, rg, s.filterOn, evaluated)
	}
	v.Bytes += share(f, rg, keys, v.Left) + share(f, rg, all, v.Left)
	return v, nil
}

// share is the stored bytes of cols for rows rows of a row group.
func share(f *parquetio.File, rg int, cols []coltype.Column, rows int64) int64 {
	var n int64
	for _, c := range cols {
		stored, _ := f.ChunkBytes(rg, c)
		n += stored
	}
	return int64(float64(n) * float64(rows) / float64(max(f.RowGroupRows(rg), 1)))
}
