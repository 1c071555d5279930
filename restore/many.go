package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"frostline/iceberg"
	"frostline/internal/runs"
	"frostline/objstore"
)

// ManyRequest names several archived partitions of one table: a range of values, or a list, not both. The Request's SourcePath is
// the table's location, and its Target.Table a prefix of the staging tables' names.
type ManyRequest struct {
	Request
	From, To   string   // both ends belong to the range; "" is open
	Partitions []string // values, or column=value
	Jobs       int      // partitions at once, default 1, at most MaxJobs
}

// Batch is what became of several partitions. Status is "success" when nothing failed, "failed" when nothing but failures came
// of it, else "partial".
type Batch struct {
	Status  string        `json:"status"`
	Source  string        `json:"source"`
	Results []Result      `json:"results"`
	Failed  runs.Failures `json:"failed"`
}

// Failures are the errors of what failed.
func (b Batch) Failures() []error { return b.Failed.Errors() }

// Many restores partitions, oldest value first, each proven on its own: one that fails does not stop the others. Jobs of them are at
// work at once, in the order of their values, and share the workers. err is of the request as a whole; then nothing was restored.
func (r *Restorer) Many(ctx context.Context, m ManyRequest) (Batch, error) {
	tableKey, reqs, rows, err := r.selectMany(ctx, m)
	if err != nil {
		return Batch{}, fmt.Errorf("restore %s: %w; nothing was restored", m.SourcePath, err)
	}
	b := Batch{Source: objstore.Location(r.Store, tableKey), Results: []Result{}, Failed: runs.Failures{}}
	one := r
	if m.Jobs > 1 {
		r.Progress.Begin("restore", 2*rows) // loaded, and read again for the proof
		defer r.Progress.End()
		one = r.shared()
	}
	results, errs := make([]Result, len(reqs)), make([]error, len(reqs))
	var g errgroup.Group
	g.SetLimit(max(m.Jobs, 1))
	for i, req := range reqs {
		g.Go(func() error {
			if errs[i] = errNotBegun; i == 0 || ctx.Err() == nil {
				results[i], errs[i] = one.Run(ctx, req)
				r.tell(req, results[i], errs[i])
			}
			return nil
		})
	}
	_ = g.Wait() // no error goes that way
	for i, err := range errs {
		switch {
		case err == nil:
			b.Results = append(b.Results, results[i])
		case !errors.Is(err, errNotBegun):
			b.Failed = append(b.Failed, runs.Failed(reqs[i].partition, "", err))
		}
	}
	b.Status = runs.Status(len(b.Results), len(b.Failed))
	return b, nil
}

func (r *Restorer) tell(req Request, res Result, err error) {
	if err != nil {
		r.Log.Error("failed", "partition", req.partition, "error", err)
		return
	}
	r.Log.Info("done", "partition", req.partition, "action", res.Action, "rows", res.Records, "target", res.Target)
}

// errNotBegun is of partitions that were left when the run was interrupted.
var errNotBegun = errors.New("not begun")

// selectMany are the runs of a request, in the order of their values, and the rows of all.
func (r *Restorer) selectMany(ctx context.Context, m ManyRequest) (tableKey string, reqs []Request, rows int64, err error) {
	r.defaults()
	if m.Jobs < 0 || m.Jobs > MaxJobs {
		return "", nil, 0, fmt.Errorf("%w: %d jobs: 1 to %d can run at once", ErrBadInput, m.Jobs, MaxJobs)
	}
	if len(m.Partitions) > 0 && m.From+m.To != "" {
		return "", nil, 0, fmt.Errorf("%w: a range and a list of partitions are both given", ErrBadInput)
	}
	if m.NoCreate {
		return "", nil, 0, fmt.Errorf("%w: --no-create is for one partition and its table", ErrBadInput)
	}
	tableKey, name, err := r.Catalog.SplitPath(ctx, m.SourcePath)
	if err != nil {
		return "", nil, 0, err
	}
	if name != "" {
		return "", nil, 0, fmt.Errorf("%w: the path names one partition, a range or list of them needs the table's: %s", ErrBadInput, objstore.Location(r.Store, tableKey))
	}
	t, err := r.Catalog.Load(ctx, tableKey)
	if err != nil {
		return "", nil, 0, err
	}
	picked, err := pick(t, m)
	if err != nil {
		return "", nil, 0, err
	}
	targets := map[string]string{}
	for _, p := range picked {
		req := m.Request
		req.SourcePath, req.partition = objstore.Location(r.Store, tableKey+"/"+objstore.Segment(p.Name)), p.Name
		if m.Target.Table != "" || !req.Attach && !req.Migrate {
			req.Target.Table = stagingName(m.Target.Table, t, p)
			if other, taken := targets[req.Target.Table]; taken {
				return "", nil, 0, fmt.Errorf("%w: the staging tables of %s and %s would both be %s; restore them one by one", ErrBadInput, other, p.Name, req.Target.Table)
			}
			targets[req.Target.Table] = p.Name
		}
		reqs, rows = append(reqs, req), rows+p.Rows
	}
	return tableKey, reqs, rows, nil
}

// pick finds the partitions that a request names.
func pick(t *iceberg.Table, m ManyRequest) ([]iceberg.Partition, error) {
	all := t.Partitions()
	slices.SortStableFunc(all, func(a, b iceberg.Partition) int { return compareValues(valueOf(a), valueOf(b)) })
	var picked []iceberg.Partition
	if len(m.Partitions) > 0 {
		var missing []string
		for _, want := range m.Partitions {
			if !slices.ContainsFunc(all, func(p iceberg.Partition) bool { return p.Name == want || valueOf(p) == want }) {
				missing = append(missing, want)
			}
		}
		if len(missing) > 0 {
			return nil, fmt.Errorf("%w: %s; archived are: %s", iceberg.ErrNoPartition, strings.Join(missing, ", "), partitionNames(t))
		}
		for _, p := range all {
			if slices.Contains(m.Partitions, p.Name) || slices.Contains(m.Partitions, valueOf(p)) {
				picked = append(picked, p)
			}
		}
		return picked, nil
	}
	if m.From != "" && m.To != "" && compareValues(m.From, m.To) > 0 && !strings.HasPrefix(m.From, m.To+"-") {
		return nil, fmt.Errorf("%w: the range ends, at %s, before it begins, at %s", ErrBadInput, m.To, m.From)
	}
	for _, p := range all {
		v := valueOf(p)
		// 2024-03-15 lies in the period 2024-03 that ends a range.
		if (m.From == "" || compareValues(v, m.From) >= 0) && (m.To == "" || compareValues(v, m.To) <= 0 || strings.HasPrefix(v, m.To+"-")) {
			picked = append(picked, p)
		}
	}
	if len(picked) == 0 {
		return nil, fmt.Errorf("%w: none from %q to %q; archived are: %s", iceberg.ErrNoPartition, m.From, m.To, partitionNames(t))
	}
	return picked, nil
}

func valueOf(p iceberg.Partition) string {
	_, value, _ := strings.Cut(p.Name, "=")
	return value
}

// compareValues orders whole numbers by value and everything else, dates and periods among it, by bytes.
func compareValues(a, b string) int {
	x, err1 := strconv.ParseInt(a, 10, 64)
	y, err2 := strconv.ParseInt(b, 10, 64)
	switch {
	case err1 != nil || err2 != nil || x == y:
		return strings.Compare(a, b)
	case x < y:
		return -1
	}
	return 1
}

// stagingName is the name of one of several staging tables: the prefix, or the table's name, and the value.
func stagingName(prefix string, t *iceberg.Table, p iceberg.Partition) string {
	suffix := "_" + strings.Map(func(c rune) rune {
		if strings.ContainsRune("-:+/. ", c) {
			return '_'
		}
		return c
	}, valueOf(p))
	if prefix == "" {
		prefix, suffix = t.Properties()["source.table"], suffix+"_restored"
	}
	for len(suffix) > 50 {
		suffix = cutRune(suffix)
	}
	return suffixed(prefix, suffix)
}
