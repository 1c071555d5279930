// Package restore brings an archived partition back into PostgreSQL, proves that it is the same,
// and attaches it without a scan.
//
// The steps are plan, stage, load, verify and attach; each has its file. A run that is killed leaves
// the staging table and the table of its checkpoints; running again goes on from there and ends
// exact. Nothing of the live table is touched before the digest of the staging table equals the
// archive's.
package restore

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"time"

	"frostline/iceberg"
	"frostline/internal/progress"
	"frostline/objstore"
	"frostline/postgres"
)

// Errors, found with errors.Is.
var (
	ErrBadInput = errors.New("bad input")
	ErrProof    = errors.New("proof failed")                // the restored rows differ from the archive's
	ErrExists   = errors.New("target exists")               // and is not a staging table of ours
	ErrMismatch = errors.New("target table does not match") // --no-create
	ErrBusy     = errors.New("another run is at work on this target")
)

// Request names the archive path and the target.
type Request struct {
	SourcePath string        // location of an archive path
	Target     postgres.Name // the staging table; its Table may be "" with Attach
	NoCreate   bool          // the target must exist, be empty and match
	Unlogged   bool          // create the staging table UNLOGGED
	Tablespace string        // of the staging table; "" is the archived partition's, where the server has it
	Snapshot   int64         // restore the partition as this snapshot had it, 0 as it is now
	Attach     bool          // go on to the attached partition
	Replace    bool          // with Attach: detach and rename what is in the way; it is never dropped
	Migrate    bool          // go on to copying the rows into a live table, where attaching is not possible
	Into       postgres.Name // with Migrate: the live table, zero the archived one
	OnConflict OnConflict    // with Migrate
	DryRun     bool          // plan and show only

	partition string // column=value, of one of many
}

// Result is the JSON object that restore prints. The first six fields are the contract's.
type Result struct {
	Status   string    `json:"status"` // "success", or "planned" after a dry run
	Source   string    `json:"source"`
	Target   string    `json:"target"` // schema.table
	Records  int64     `json:"total_records"`
	Files    int       `json:"files_processed"`
	Restored time.Time `json:"restored_at"`

	Action  string          `json:"action"` // "restored", "attached", "migrated", "unchanged" (attached or migrated already, and proven equal) or "planned"
	Digest  string          `json:"digest"`
	Parent  string          `json:"attached_to,omitempty"`
	Bounds  string          `json:"bounds,omitempty"`
	Resumed int             `json:"resumed_units,omitempty"` // loaded by an earlier run
	SQL     []string        `json:"sql,omitempty"`           // dry run
	Seconds float64         `json:"seconds"`
	Steps   []progress.Step `json:"steps,omitempty"`

	Migrated *Migrated `json:"migrated,omitempty"`
	Replaced []string  `json:"replaced,omitempty"` // what was in the way, under the names that it has now
}

// Restorer has what restoring needs. The zero values of the options are the defaults.
type Restorer struct {
	DB       *postgres.DB
	Store    objstore.Store
	Catalog  *iceberg.Catalog
	Log      *slog.Logger
	Progress progress.Reporter

	Workers   int // COPY streams at once, default the number of cores up to 8
	BatchRows int // rows decoded at once, default 10000
	MoveRows  int // rows that a transaction of a migration copies, about, default 50000

	sharing *sharing // of runs at once, nil for one
}

// Run restores one partition. When err is nil the target's rows are proven equal to the archive's.
func (r *Restorer) Run(ctx context.Context, req Request) (Result, error) {
	r.defaults()
	c := progress.NewClock()
	p, err := r.plan(ctx, req)
	if err != nil {
		return Result{}, err
	}
	c.Done("plan")
	if req.DryRun {
		return r.planned(ctx, p)
	}
	release, err := r.lock(ctx, p)
	if err != nil {
		return Result{}, err
	}
	defer release()
	if p, err = r.settle(ctx, p); err != nil {
		return Result{}, err
	}
	if p.attached {
		err := r.verify(ctx, p, p.final)
		c.Done("verify")
		if err == nil {
			if err := r.alone(func() error { return r.attach(ctx, p) }); err != nil { // what a killed run may have left to do
				return Result{}, err
			}
			c.Done("attach")
			return r.result(p, c, "unchanged"), nil
		}
		if !req.Replace || !errors.Is(err, ErrProof) {
			return Result{}, err
		}
		r.Log.Warn("the attached partition differs from the archive and is replaced", "table", p.final.String(), "error", err)
		p.attached = false
	}
	if err := r.alone(func() error { return r.stage(ctx, p) }); err != nil {
		return Result{}, err
	}
	c.Done("stage")
	if err := r.load(ctx, p); err != nil {
		return Result{}, err
	}
	c.Done("load")
	if err := r.verify(ctx, p, p.target); err != nil {
		return Result{}, err
	}
	c.Done("verify")
	if err := r.dropCheckpoints(ctx, p); err != nil {
		return Result{}, err
	}
	if req.Migrate {
		var moved *Migrated
		err := r.alone(func() (err error) {
			moved, err = r.migrate(ctx, p)
			return err
		})
		if err != nil {
			return Result{}, err
		}
		c.Done("migrate")
		res := r.result(p, c, "migrated")
		res.Migrated, res.Target = moved, p.move.into.Schema+"."+p.move.into.Table
		if moved.Batches == 0 && res.Records > 0 {
			res.Action = "unchanged" // all of it was there, as it was
		}
		return res, nil
	}
	if !req.Attach {
		return r.result(p, c, "restored"), nil
	}
	if err := r.alone(func() error { return r.attach(ctx, p) }); err != nil {
		return Result{}, err
	}
	c.Done("attach")
	return r.result(p, c, "attached"), nil
}

func (r *Restorer) result(p *plan, c *progress.Clock, action string) Result {
	target := p.target
	res := Result{
		Status: "success", Action: action, Source: p.source,
		Records: p.digest.Rows, Files: len(p.record.Files), Restored: time.Now().UTC(),
		Digest: p.digest.String(), Resumed: p.resumed, Steps: c.Steps, Seconds: c.Seconds(),
	}
	if action == "attached" || action == "unchanged" {
		target, res.Parent, res.Bounds = p.final, p.parent.String(), p.record.Bounds
	}
	if action == "attached" {
		res.Replaced = p.replaced()
	}
	res.Target = target.Schema + "." + target.Table
	return res
}

func (r *Restorer) defaults() {
	if r.Workers <= 0 {
		r.Workers = min(runtime.GOMAXPROCS(0), 8)
	}
	if r.BatchRows <= 0 {
		r.BatchRows = 10000
	}
	if r.MoveRows <= 0 {
		r.MoveRows = 50000
	}
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	if r.Progress == nil {
		r.Progress = progress.Silent
	}
}
