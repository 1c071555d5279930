package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"frostline/iceberg"
	"frostline/internal/runs"
	"frostline/objstore"
	"frostline/postgres"
)

// PolicyRun is one run of a policy.
type PolicyRun struct {
	Policy *Policy
	Only   []string  // patterns of the tables to take, none for all
	Date   time.Time // of the date exports; zero is yesterday, and today for full ones
	Now    time.Time // zero is now
	Jobs   int       // runs at once, 0 as the policy says
	DryRun bool
}

// PolicyResult is what became of a policy's tables, in the policy's order, those of a pattern by name. Its Status is as a Batch's.
type PolicyResult struct {
	Status string   `json:"status"`
	Policy string   `json:"policy"`
	Tables []*Batch `json:"tables"`
}

// Failures are the errors of what failed.
func (r PolicyResult) Failures() []error {
	var errs []error
	for _, b := range r.Tables {
		errs = append(errs, b.Failures()...)
	}
	return errs
}

// RunPolicy archives what a policy says is cold, and exports what it says to export. Any number of runs may share a policy: each
// partition and day is taken by one of them, under an advisory lock that ends with its session, and skipped by the others. What fails
// does not stop the rest. An exact entry wins over patterns, and among patterns the first. err is of the run as a whole; then nothing
// was archived.
func (a *Archiver) RunPolicy(ctx context.Context, run PolicyRun) (PolicyResult, error) {
	res := PolicyResult{Policy: run.Policy.Path, Tables: []*Batch{}}
	if run.Now.IsZero() {
		run.Now = time.Now()
	}
	picked, err := a.policyTables(ctx, run)
	if err != nil {
		return res, err
	}
	var tasks []task
	for _, p := range picked {
		b := &Batch{Table: p.name.Schema + "." + p.name.Table}
		res.Tables = append(res.Tables, b)
		one, err := a.withPolicy(p.entry)
		if err != nil {
			return PolicyResult{}, err
		}
		if p.nothing != "" {
			b.Skipped = append(b.Skipped, Skip{Reason: p.nothing})
			continue
		}
		reqs, skipped, err := one.policyRequests(ctx, run, p.entry, p.name)
		switch unfit := errors.Is(err, postgres.ErrNoColumn) || errors.Is(err, postgres.ErrNoPartition) || errors.Is(err, postgres.ErrBadValue); {
		case err != nil && unfit && p.entry.Pattern.Wild():
			b.Skipped = append(b.Skipped, Skip{Reason: "the entry does not fit this table: " + err.Error()})
		case err != nil:
			b.Failed = append(b.Failed, runs.Failed("", "", err))
		default:
			b.Skipped = skipped
			tasks = append(tasks, task{one, b, reqs})
		}
	}
	jobs := run.Jobs
	if jobs == 0 {
		jobs = run.Policy.Jobs
	}
	if err := a.many(ctx, res.Tables, tasks, jobs); err != nil {
		return PolicyResult{}, err
	}
	done, failed := 0, 0
	for _, b := range res.Tables {
		done, failed = done+len(b.Results)+len(b.Skipped), failed+len(b.Failed)
	}
	res.Status = runs.Status(done, failed)
	return res, nil
}

// policyPick is a table and the entry that it falls under.
type policyPick struct {
	entry   PolicyTable
	name    postgres.Name
	nothing string // why there is nothing to do
}

// policyTables are the tables of a policy.
func (a *Archiver) policyTables(ctx context.Context, run PolicyRun) ([]policyPick, error) {
	names, err := a.DB.Tables(ctx)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	taken := map[postgres.Name]bool{}
	for _, t := range run.Policy.Tables {
		if !t.Pattern.Wild() {
			taken[postgres.Name{Schema: t.Pattern.Schema, Table: t.Pattern.Table}] = true
		}
	}
	var picks []policyPick
	for _, t := range run.Policy.Tables {
		if !t.Pattern.Wild() {
			picks = append(picks, policyPick{entry: t, name: postgres.Name{Schema: t.Pattern.Schema, Table: t.Pattern.Table}})
			continue
		}
		matched := false
		for _, n := range names {
			if !t.Pattern.match(n.Schema, n.Table) {
				continue
			}
			matched = true
			if !taken[n] {
				taken[n] = true
				picks = append(picks, policyPick{entry: t, name: n})
			}
		}
		if !matched {
			picks = append(picks, policyPick{entry: t, name: postgres.Name{Schema: t.Pattern.Schema, Table: t.Pattern.Table},
				nothing: fmt.Sprintf("no table matches the pattern of line %d", t.Line)})
		}
	}
	return only(picks, run.Only)
}

// only keeps the picks that one of the patterns matches.
func only(picks []policyPick, patterns []string) ([]policyPick, error) {
	if len(patterns) == 0 {
		return picks, nil
	}
	keep := make([]bool, len(picks))
	for _, s := range patterns {
		p, err := ParsePattern(s)
		if err != nil {
			return nil, fmt.Errorf("archive: %w: --only: %w", ErrBadInput, err)
		}
		found := false
		for i, pick := range picks {
			if p.match(pick.name.Schema, pick.name.Table) {
				keep[i], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("archive: %w: --only %s: the policy has no such table; nothing was done", ErrBadInput, s)
		}
	}
	i := -1
	return slices.DeleteFunc(picks, func(policyPick) bool { i++; return !keep[i] }), nil
}

// withPolicy is a with the settings of an entry.
func (a *Archiver) withPolicy(t PolicyTable) (*Archiver, error) {
	one := *a
	if t.Workers > 0 {
		one.Workers = t.Workers
	}
	if t.FileBytes > 0 {
		one.FileBytes = t.FileBytes
	}
	if t.MaxRate > 0 {
		one.MaxRate = t.MaxRate
	}
	if t.SortBy != nil {
		one.SortBy = t.SortBy
	}
	if t.Bloom != nil {
		one.Layout.Bloom = t.Bloom
	}
	if t.Storage != (objstore.Storage{}) {
		store, err := objstore.WithStorage(a.Store, t.Storage)
		if err != nil {
			return nil, fmt.Errorf("archive %s: %w: %w; nothing was archived", t.Pattern, ErrBadInput, err)
		}
		one.Store, one.Catalog = store, iceberg.NewCatalog(store)
	}
	return &one, nil
}

// policyRequests are the runs that an entry asks for of one table.
func (a *Archiver) policyRequests(ctx context.Context, run PolicyRun, t PolicyTable, name postgres.Name) ([]Request, []Skip, error) {
	if t.Mode == "" {
		return a.selectOlder(ctx, OlderRequest{
			Table: name, Column: t.Column, OlderThan: t.OlderThan, Now: run.Now,
			Retire: t.Retire, Replace: t.Replace, Verify: t.Verify, DryRun: run.DryRun,
		})
	}
	table, err := a.DB.Table(ctx, name)
	if err != nil {
		return nil, nil, fmt.Errorf("archive: %w", err)
	}
	req, err := ExportRequest(name, t.Mode, t.Column, run.Date, run.Now)
	if err != nil {
		return nil, nil, err
	}
	if t.Mode == Incremental {
		if _, err := a.DB.DayCondition(table, t.Column, req.Date); err != nil {
			return nil, nil, fmt.Errorf("archive: %w", err)
		}
	}
	req.Replace, req.DryRun = t.Replace, run.DryRun
	return []Request{req}, nil, nil
}
