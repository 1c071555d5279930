// Package archive moves one partition of a PostgreSQL table to its Iceberg table, proves the copy,
// and only then, and only on request, lets the partition go.
//
// The steps are plan, copy, write, verify, commit and retire; each has its file. A run that is
// killed leaves the partition wholly in the Iceberg table or not at all. What may be left over are
// data files and a record that no version of the table names; they carry the run id in their
// names and are harmless. Running again finishes or replaces.
package archive

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"frostline/digest"
	"frostline/iceberg"
	"frostline/internal/progress"
	"frostline/objstore"
	"frostline/parquetio"
	"frostline/postgres"
)

// Errors, found with errors.Is.
var (
	ErrProof     = errors.New("proof failed")                           // digests or counts differ
	ErrDiffers   = errors.New("archived partition differs from source") // needs Replace
	ErrBadInput  = errors.New("bad input")
	ErrBusy      = errors.New("another run is at work on this partition")
	ErrNotRetire = errors.New("cannot be retired")
)

// Retire says what becomes of the partition in PostgreSQL once it is proven archived.
type Retire string

// The ways to retire.
const (
	Keep   Retire = ""
	Detach Retire = "detach" // it stays as a table of its own
	Drop   Retire = "drop"
)

// Request names one partition and what is to be done with it.
type Request struct {
	Table   postgres.Name
	Column  string // partition column, as it stands in the archive path
	Value   string // partition value, as it stands in the archive path
	Retire  Retire
	Replace bool // swap an archive that differs from the source
	DryRun  bool // plan and show only

	trail *trail // what the audit line says of the run

	Export Export    // "" archives a partition, or the rows with Column = Value; see ExportRequest
	Date   time.Time // of the export

	picked  *postgres.Leaf // the leaf, where it is not found by Value
	missing error          // no leaf has the bounds that Value named
	refresh bool           // replace, but only where the proof finds a difference
	settled bool           // what another run has done needs no proof: errSettled
	many    bool           // one of many: that it is busy is no failure

	includeRestored bool // one of many is retired also when it was restored since, see keepRestored
}

func (r Request) label() string { return iceberg.PartitionName(r.Column, r.Value) }

func (r Request) leafName() string {
	if r.picked == nil {
		return ""
	}
	return r.picked.Name.String()
}

// Result is the JSON object that archive prints. The first eight fields are the contract's.
type Result struct {
	Status    string    `json:"status"`    // "success", or "planned" after a dry run
	Table     string    `json:"table"`     // schema.table
	Partition string    `json:"partition"` // column=value
	Location  string    `json:"location"`  // the archive path
	Records   int64     `json:"total_records"`
	Files     int       `json:"total_files"`
	Bytes     int64     `json:"total_bytes"`
	Archived  time.Time `json:"archived_at"`

	Action     string          `json:"action"` // "archived", "replaced", "unchanged" (proven equal), "empty" (an export without rows) or "planned"
	Warning    string          `json:"warning,omitempty"`
	Digest     string          `json:"digest,omitempty"`
	RunID      string          `json:"run_id,omitempty"`
	SnapshotID int64           `json:"snapshot_id,omitempty"`
	Leaf       string          `json:"leaf,omitempty"`
	Metadata   string          `json:"metadata_location,omitempty"`
	Retired    string          `json:"retired,omitempty"` // "detached", "dropped" or "already retired"
	Plan       *Plan           `json:"plan,omitempty"`    // dry run
	Seconds    float64         `json:"seconds"`
	Steps      []progress.Step `json:"steps,omitempty"`

	Findings []postgres.Finding `json:"findings,omitempty"` // of the preflight, dry run
	blocked  error
}

// Err is why the run that was planned would be refused, nil when it would not.
func (r Result) Err() error { return r.blocked }

// Archiver has what archiving needs. The zero values of the options are the defaults.
type Archiver struct {
	DB       *postgres.DB
	Store    objstore.Store
	Catalog  *iceberg.Catalog
	Log      *slog.Logger
	Progress progress.Reporter

	Workers   int                    // COPY streams at once, default the number of cores up to 4
	FileBytes int64                  // a data file is cut near this size, default 200 MiB
	BatchRows int                    // rows a batch, default 20480
	Layout    parquetio.WriteOptions // of the data files
	SortBy    []string               // columns that order the rows; the server sorts, in one stream
	MaxRate   int64                  // bytes a second taken from the server, 0 without a limit
	Version   string                 // of the tool, for the record
	SkipProof bool                   // benchmarks only: no read-back, and then nothing is committed

	AuditTable postgres.Name // gets a row for every run; no Table: none
	Ended      func(Audit)   // hears of every run's audit line; runs at once may call it at once
}

// Run archives one partition: it is visible and proven in the table when err is nil, and not
// visible at all otherwise, except after iceberg.ErrUnknownOutcome (running once more settles it)
// and after an error of retiring, which comes when the archive is proven and says so.
func (a *Archiver) Run(ctx context.Context, req Request) (Result, error) {
	a.defaults()
	req.trail = &trail{started: time.Now().UTC()}
	res, err := a.run(ctx, req)
	a.audit(ctx, req, res, err)
	return res, err
}

func (a *Archiver) run(ctx context.Context, req Request) (Result, error) {
	clock := progress.NewClock()
	plan, err := a.plan(ctx, req)
	if err != nil {
		return Result{}, err
	}
	if err := plan.settle(); err != nil {
		return Result{}, err
	}
	clock.Done("plan")
	if req.DryRun {
		if err := a.preflight(ctx, plan); err != nil {
			return Result{}, err
		}
		if err := a.keepRestored(ctx, plan); err != nil {
			return Result{}, err
		}
		return a.planned(ctx, plan)
	}
	if err := a.Store.Probe(ctx); err != nil {
		return Result{}, fmt.Errorf("archive %s: %w", plan.label(), err)
	}
	if none, err := a.noRows(ctx, plan); err != nil {
		return Result{}, err
	} else if none {
		return a.empty(plan), nil
	}
	release, err := a.lock(ctx, plan)
	if err != nil {
		return Result{}, err
	}
	defer release()
	if plan, err = a.replan(ctx, plan); err != nil {
		return Result{}, err
	}
	if err := a.preflight(ctx, plan); err != nil {
		return Result{}, err
	}
	if err := plan.blocked(); err != nil {
		return Result{}, err
	}
	a.warn(plan)
	clock.Done("preflight")

	var res Result
	archived := plan.existing != nil && (!req.Replace || plan.gone)
	if archived {
		if res, err = a.prove(ctx, plan, clock); err == nil {
			err = a.keepRestored(ctx, plan)
		}
	}
	if !archived || plan.refreshes() && errors.Is(err, ErrDiffers) {
		res, err = a.archive(ctx, plan, clock)
	}
	if err != nil {
		return Result{}, err
	}
	if req.Retire != Keep {
		if res.Retired, err = a.retire(ctx, plan); err != nil {
			return Result{}, err
		}
		clock.Done("retire")
	}
	res.Steps, res.Seconds = clock.Steps, clock.Seconds()
	return res, nil
}

// archive copies, verifies and commits a partition that the table does not have, or replaces it.
func (a *Archiver) archive(ctx context.Context, p *plan, clock *progress.Clock) (Result, error) {
	if err := a.ensure(ctx, p); err != nil {
		return Result{}, err
	}
	written, err := a.copy(ctx, p)
	if err != nil {
		a.discard(written)
		return Result{}, err
	}
	clock.Done("copy")
	if p.req.Export != "" && written.digest.Rows == 0 { // deleted since noRows looked
		a.discard(written)
		return a.empty(p), nil
	}
	if a.SkipProof {
		a.discard(written)
		return Result{Status: "unproven", Records: written.digest.Rows, Files: len(written.files), Bytes: written.bytes()}, nil
	}
	if err := a.verify(p, written); err != nil {
		a.discard(written)
		return Result{}, err
	}
	clock.Done("verify")
	table, err := a.commit(ctx, p, written)
	if err != nil {
		// Only a lost race is sure not to have been committed; after any other error the files stay.
		if errors.Is(err, iceberg.ErrPartitionExists) {
			a.discard(written)
		}
		return Result{}, err
	}
	clock.Done("commit")
	part, err := table.Partition(p.partition)
	if err != nil {
		return Result{}, fmt.Errorf("archive %s: read back the commit: %w", p.label(), err)
	}
	p.digest = written.digest
	action := "archived"
	if p.existing != nil {
		action = "replaced"
	}
	return a.result(p, table, part, action), nil
}

func (a *Archiver) result(p *plan, t *iceberg.Table, part iceberg.Partition, action string) Result {
	return Result{
		Status: "success", Action: action,
		Table: p.table.Name.Schema + "." + p.table.Name.Table, Partition: part.Name,
		Location: objstore.Location(a.Store, iceberg.PartitionKey(p.table.Name.Schema, p.table.Name.Table, part.Name)),
		Records:  part.Rows, Files: part.Files, Bytes: part.Bytes, Archived: part.ArchivedAt,
		Digest: part.Digest, RunID: part.RunID, SnapshotID: part.SnapshotID, Leaf: part.Leaf,
		Metadata: t.MetadataLocation(),
	}
}

func (a *Archiver) defaults() {
	if a.Workers <= 0 {
		a.Workers = min(runtime.GOMAXPROCS(0), 4)
	}
	if a.FileBytes <= 0 {
		a.FileBytes = 200 << 20
	}
	if a.BatchRows <= 0 {
		a.BatchRows = 20480
	}
	if a.Log == nil {
		a.Log = slog.New(slog.DiscardHandler)
	}
	if a.Progress == nil {
		a.Progress = progress.Silent
	}
}

// lock keeps a second run of ours off the partition, on this server. The commit is safe without it; the lock saves the work.
func (a *Archiver) lock(ctx context.Context, p *plan) (release func(), err error) {
	release, ok, err := a.DB.TryLock(ctx, "frostline archive "+p.table.Name.String()+" "+p.partition)
	if err != nil {
		return nil, fmt.Errorf("archive %s: take the advisory lock: %w", p.label(), err)
	}
	if !ok {
		return nil, fmt.Errorf("archive %s: %w: its advisory lock is held; nothing was done, wait for the other run to end", p.label(), ErrBusy)
	}
	return release, nil
}

// replan plans again under the lock: another run may have ended between the plan and the lock.
func (a *Archiver) replan(ctx context.Context, old *plan) (*plan, error) {
	quiet := *a
	quiet.Log = slog.New(slog.DiscardHandler) // it has been said
	p, err := quiet.plan(ctx, old.req)
	if err != nil {
		return nil, err
	}
	if p.partition != old.partition {
		return nil, fmt.Errorf("archive %s: %w: it has just been archived as %s; nothing was done", old.label(), ErrBusy, p.partition)
	}
	return p, p.settle()
}

func newRunID(now time.Time) string {
	var b [4]byte
	rand.Read(b[:])
	return now.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(b[:])
}

// same says whether two digests prove equal rows, as one line for an error otherwise.
func same(op string, source, archive digest.Digest) error {
	if source == archive {
		return nil
	}
	if source.Rows != archive.Rows {
		return fmt.Errorf("%s: source has %d rows, archive has %d: %w", op, source.Rows, archive.Rows, ErrProof)
	}
	return fmt.Errorf("%s: %d rows on both sides, but digests differ (source %s, archive %s): %w", op, source.Rows, source, archive, ErrProof)
}
