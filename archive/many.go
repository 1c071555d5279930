package archive

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"frostline/internal/progress"
	"frostline/internal/runs"
	"frostline/postgres"
)

// maxJobs bounds the runs at once, each of which needs a connection for its lock, one for its snapshot and one for each worker.
const (
	maxJobs        = 12
	maxConnections = 60
)

// Batch is what became of several partitions or days of one table. Status is "success" when nothing failed, "failed" when nothing
// but failures came of it, else "partial".
type Batch struct {
	Status  string        `json:"status"`
	Table   string        `json:"table"`
	Results []Result      `json:"results"`
	Skipped []Skip        `json:"skipped,omitempty"`
	Failed  runs.Failures `json:"failed"`
}

// Skip is one partition for which nothing was done, and no error.
type Skip struct {
	Partition string `json:"partition,omitempty"`
	Leaf      string `json:"leaf,omitempty"`
	Reason    string `json:"reason"`
}

// The reasons of a Skip.
const (
	skipArchived = "archived already; not proven again, since it is not to be retired (--verify proves it)"
	skipBusy     = "another run is at work on it"
	skipRetired  = "another run has archived and retired it"
	skipRestored = "restored since it was archived, and not changed; it is kept (--include-restored, or naming the partition, retires it)"
)

// Failures are the errors of what failed.
func (b Batch) Failures() []error { return b.Failed.Errors() }

func (b *Batch) finish() {
	b.Status = runs.Status(len(b.Results)+len(b.Skipped), len(b.Failed))
	if b.Results == nil {
		b.Results = []Result{}
	}
	if b.Failed == nil {
		b.Failed = runs.Failures{}
	}
}

// errSettled says that a run of many has nothing to do.
var errSettled = errors.New("nothing to do")

// task is the runs of one table, and the archiver with the settings for them.
type task struct {
	a     *Archiver
	batch *Batch
	reqs  []Request
}

// passes is how often a run that finds its partition busy is tried in all, with a pause between.
const (
	passes    = 3
	passPause = 200 * time.Millisecond
)

// many runs tasks, jobs runs at once, and those that were busy again at the end: the run that was at work on them may have died, in the
// middle of a detach even, which keeps every other partition of the table from being detached until it is finished.
func (a *Archiver) many(ctx context.Context, batches []*Batch, tasks []task, jobs int) error {
	if jobs < 0 || jobs > maxJobs {
		return fmt.Errorf("archive: %w: %d jobs: 1 to %d can run at once", ErrBadInput, jobs, maxJobs)
	}
	jobs = max(jobs, 1)
	for pass := 1; pass <= passes && len(tasks) > 0; pass++ {
		if pass > 1 {
			time.Sleep(passPause)
			jobs = 1 // a half detached partition first
		}
		tasks = runAll(ctx, tasks, jobs, pass < passes)
	}
	for _, b := range batches {
		b.finish()
	}
	return nil
}

// runAll runs tasks; with again it gives back the busy ones, else it lists them as skipped.
func runAll(ctx context.Context, tasks []task, jobs int, again bool) (busy []task) {
	var (
		mu sync.Mutex
		g  errgroup.Group
	)
	g.SetLimit(jobs)
	for _, t := range tasks {
		one := t.a.forJobs(jobs)
		for _, req := range t.reqs {
			g.Go(func() error {
				run := *one
				req.many = true
				res, err := run.Run(ctx, req)
				mu.Lock()
				defer mu.Unlock()
				switch id := req.label(); {
				case err == nil:
					t.batch.Results = append(t.batch.Results, res)
					if err := res.Err(); err != nil { // a plan that would be refused
						t.batch.Failed = append(t.batch.Failed, runs.Failed(id, req.leafName(), err))
					}
					run.Log.Info("done", "table", t.batch.Table, "partition", res.Partition, "action", res.Action, "rows", res.Records, "retired", res.Retired)
				case errors.Is(err, errSettled):
					t.batch.Skipped = append(t.batch.Skipped, Skip{id, req.leafName(), err.Error()})
				case again && (errors.Is(err, ErrBusy) || errors.Is(err, postgres.ErrHalfDetached)):
					busy = append(busy, task{t.a, t.batch, []Request{req}})
				case errors.Is(err, ErrBusy):
					t.batch.Skipped = append(t.batch.Skipped, Skip{id, req.leafName(), skipBusy})
				default:
					t.batch.Failed = append(t.batch.Failed, runs.Failed(id, req.leafName(), err))
					run.Log.Error("failed", "table", t.batch.Table, "partition", id, "error", err)
				}
				return nil
			})
		}
	}
	_ = g.Wait() // every failure is in the batch
	return busy
}

// forJobs shares the machine, the rate and the server's connections between runs at once. Progress tells of one run at a time, so
// several are told of by the log.
func (a *Archiver) forJobs(jobs int) *Archiver {
	one := *a
	if one.Workers <= 0 {
		one.Workers = max(1, min(runtime.GOMAXPROCS(0), 4)/jobs)
	}
	one.defaults()
	if jobs > 1 {
		one.Workers = max(1, min(one.Workers, maxConnections/jobs-3))
		one.MaxRate /= int64(jobs)
		one.Progress = progress.Silent
	}
	return &one
}

// settle is what a run of many finds settled before it begins: errSettled with the reason.
func (p *plan) settle() error {
	switch {
	case !p.req.settled || p.req.DryRun:
	case p.gone && (p.relation.Table == "" || p.req.Retire != Drop):
		return settledError(skipRetired)
	case p.existing != nil && p.req.Retire == Keep:
		return settledError(skipArchived)
	}
	return nil
}

type settledError string

func (e settledError) Error() string        { return string(e) }
func (e settledError) Is(target error) bool { return target == errSettled }
