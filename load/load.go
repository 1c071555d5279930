// Package load brings plain Parquet files of anyone into a PostgreSQL table: what Athena's UNLOAD, Spark, DuckDB or pyarrow
// wrote, in a folder or one file, on S3 or local disk.
//
// The steps are source (find the files, read their footers), map (columns to columns), stage, copy and finish; each has its
// file. Rows go to a staging table first, a transaction for each file with its checkpoint. When all files are in it, one
// transaction moves them into the target, and nobody has seen a part of the load before. A new table is the staging table
// renamed; an existing one gets one INSERT … SELECT, with its triggers, keys and indexes at work.
//
// Values are never bent: one that its column cannot hold as it is (an odd nanosecond, a third decimal for numeric(10,2))
// rejects its row. A rejected row ends the load and names itself, unless a dead-letter file is there to take it.
//
// A run that is killed leaves the staging table and its checkpoints, both UNLOGGED or both not, so that a crash of the server
// keeps or empties both; the same command goes on from there.
package load

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"frostline/internal/progress"
	"frostline/postgres"
)

// Errors, found with errors.Is.
var (
	ErrBadInput = errors.New("bad input")
	ErrNoSource = errors.New("nothing to load")
	ErrMismatch = errors.New("the files do not fit the table")
	ErrRejected = errors.New("row rejected")
	ErrCorrupt  = errors.New("not a sound Parquet file")
	ErrExists   = errors.New("target exists")
	ErrBusy     = errors.New("another load is at work on this target")
	ErrProof    = errors.New("not what it should be")
)

// Methods of bringing rows to the server.
const (
	Auto   = "auto"
	Copy   = "copy"
	Insert = "insert"
)

// Request says what is loaded where.
type Request struct {
	Source   string        // a folder or file: path, file:///path or s3://bucket/prefix
	Target   postgres.Name // made when it is not there
	Create   bool          // the target must not be there
	Unlogged bool          // of a target that is made
	Method   string        // Auto, Copy or Insert

	OnConflict  string   // of an existing table: "fail", "skip" or "update" (by primary key)
	IgnoreExtra bool     // columns of the files that the table lacks are left out, else they are an error
	Geometry    []string // binary columns that hold WKB, for a target that is made
	SRID        int      // of WKB that has none; 0 is the column's

	DeadLetter     string // path of the file of rejected rows; "" ends the load at the first
	MaxRejected    int    // with DeadLetter: more than this ends the load; 0 is 1000, -1 no limit
	RebuildIndexes bool   // drop plain indexes, and foreign keys without DeadLetter, and make them again after
	SkipTriggers   bool   // the target's own triggers do not fire
	DryRun         bool   // plan only
}

// Mapping is one column's way.
type Mapping struct {
	Source     string `json:"source"` // "" for a target column that no file has
	SourceType string `json:"source_type,omitempty"`
	Target     string `json:"target,omitempty"` // "" for a source column that is left out
	TargetType string `json:"target_type,omitempty"`
	Note       string `json:"note,omitempty"`
}

// Result is the JSON object that load prints.
type Result struct {
	Status   string    `json:"status"` // "success", or "planned" after a dry run
	Source   string    `json:"source"`
	Target   string    `json:"target"`
	Created  bool      `json:"created"` // the target is made by this load
	Records  int64     `json:"total_records"`
	Rejected int64     `json:"total_rejected"`
	Skipped  int64     `json:"total_skipped,omitempty"` // by on-conflict, or by a trigger
	Files    int       `json:"files_processed"`
	Bytes    int64     `json:"total_bytes"` // of the files
	Loaded   time.Time `json:"loaded_at"`

	Method     string    `json:"method"`
	Reason     string    `json:"method_reason"`
	Mapping    []Mapping `json:"mapping"`
	Plan       []string  `json:"plan"`                    // what becomes of triggers, keys and indexes
	Ignored    []string  `json:"ignored_files,omitempty"` // that are not Parquet
	DeadLetter string    `json:"dead_letter,omitempty"`
	Resumed    int       `json:"resumed_files,omitempty"` // loaded by an earlier run
	Retries    int64     `json:"retries"`

	Seconds float64         `json:"seconds"`
	Rate    float64         `json:"rows_per_second"`
	Speed   float64         `json:"bytes_per_second"` // of the files
	Steps   []progress.Step `json:"steps,omitempty"`
}

// Loader has what loading needs. The zero values of the options are the defaults.
type Loader struct {
	DB       *postgres.DB
	Region   string // of S3
	Log      *slog.Logger
	Progress progress.Reporter
	Planned  func(Result) // hears of the mapping before anything is written; may be nil
	Version  string       // of the program, for the audit line

	AuditTable postgres.Name // gets a row for every run, as archive's does; no Table: none

	Workers   int           // files at once, default the number of cores up to 8
	BatchRows int           // default 10000; fewer where rows are wide
	Attempts  int           // of one file, default 5
	Backoff   time.Duration // before the second attempt, doubled each time; default 500 ms
}

// Run loads. When err is nil every row of every file is in the target, or rejected into the dead-letter file, or skipped as
// asked; otherwise the target is as it was.
func (l *Loader) Run(ctx context.Context, req Request) (Result, error) {
	l.defaults()
	started := time.Now().UTC()
	r, err := l.run(ctx, req)
	if !req.DryRun {
		l.audit(ctx, req, r, started, err)
	}
	return r, err
}

func (l *Loader) run(ctx context.Context, req Request) (Result, error) {
	clock := progress.NewClock()
	p, err := l.plan(ctx, req)
	if err != nil {
		return Result{}, err
	}
	defer func() { p.unlock() }()
	clock.Done("plan")
	if l.Planned != nil {
		l.Planned(p.result)
	}
	if req.DryRun {
		p.result.Status = "planned"
		return p.result, nil
	}
	for _, step := range []struct {
		name string
		run  func(context.Context, *plan) error
	}{{"stage", l.stage}, {"copy", l.copy}, {"finish", l.finish}} {
		if err := step.run(ctx, p); err != nil {
			return Result{}, fmt.Errorf("load %s into %s: %w", p.result.Source, p.result.Target, err)
		}
		clock.Done(step.name)
	}
	r := p.result
	r.Status, r.Loaded, r.Retries = "success", time.Now().UTC(), p.retries.Load()
	r.Steps, r.Seconds = clock.Steps, clock.Seconds()
	if r.Seconds > 0 {
		r.Rate, r.Speed = float64(r.Records)/r.Seconds, float64(r.Bytes)/r.Seconds
	}
	return r, nil
}

func (l *Loader) defaults() {
	if l.Workers <= 0 {
		l.Workers = min(runtime.GOMAXPROCS(0), 8)
	}
	if l.BatchRows <= 0 {
		l.BatchRows = 10000
	}
	if l.Attempts <= 0 {
		l.Attempts = 5
	}
	if l.Backoff <= 0 {
		l.Backoff = 500 * time.Millisecond
	}
	if l.Log == nil {
		l.Log = slog.New(slog.DiscardHandler)
	}
	if l.Progress == nil {
		l.Progress = progress.Silent
	}
}
