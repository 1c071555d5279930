package load

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"frostline/internal/progress"
	"frostline/objstore"
)

// SQLite writes an archived partition, an archived table or plain Parquet files as SQLite files, to a folder or to S3. The
// zero values of the options are the defaults.
//
// A file is built under a temporary name, read back, and put in its place as a whole. Beside the files stands a manifest,
// <base>.json. It is created before the first file, if nobody has it, and so keeps the names for one state of one source; it
// is complete when all files are. A run that is killed leaves whole files, an incomplete manifest, and temporary files in
// $TMPDIR, which a run removes after a day; the same command writes the files again.
//
// Memory is bounded by the batches and SQLite's page caches, not by the size of the source. $TMPDIR needs room for the files
// that are at work, twice RowsPerFile rows or a little more.
type SQLite struct {
	Warehouse objstore.Store // where archive paths are looked for first; may be nil
	Region    string         // of S3
	Version   string         // of the program, for the files to tell
	Log       *slog.Logger
	Progress  progress.Reporter
	Planned   func(SQLiteResult) // hears of the mapping before anything is written; may be nil

	BatchRows int // default 10000; fewer where rows are wide
}

// SQLiteRequest says what is written where.
type SQLiteRequest struct {
	Source      string // an archive path, an archived table's path, or a folder or file of Parquet
	Snapshot    int64  // of an archived partition: as this Iceberg snapshot had it; 0 is now
	To          string // a folder, s3://bucket/prefix, or a file that ends in .sqlite, .sqlite3 or .db
	Table       string // in the files; "" is the archived table's name, or the folder's
	RowsPerFile int64  // default 500000
	Overwrite   bool   // replace files of another source, of another state of it, or of someone else
	DryRun      bool   // plan only
}

// SQLiteFile is one file that was written.
type SQLiteFile struct {
	File     string `json:"file"` // its name in the target
	FirstRow int64  `json:"first_row"`
	Rows     int64  `json:"rows"`
	Bytes    int64  `json:"bytes"`
	SHA256   string `json:"sha256"`
	Digest   string `json:"values_digest"` // of the cells as SQLite gives them back
}

// SQLiteResult is the JSON object that is printed.
type SQLiteResult struct {
	Status    string       `json:"status"` // "success", or "planned" after a dry run
	Action    string       `json:"action"` // "written", "unchanged", "planned"
	Source    string       `json:"source"`
	Kind      string       `json:"source_kind"` // "archive" or "parquet"
	Target    string       `json:"target"`
	Table     string       `json:"table"`
	Records   int64        `json:"total_records"`
	Files     []SQLiteFile `json:"files"`
	Bytes     int64        `json:"total_bytes"`
	Snapshot  int64        `json:"snapshot_id,omitempty"`
	Mapping   []Mapping    `json:"mapping"`
	Notes     []string     `json:"notes"` // what becomes of keys and indexes
	Ignored   []string     `json:"ignored_files,omitempty"`
	Manifest  string       `json:"manifest"`
	CreatedAt time.Time    `json:"created_at"`

	Seconds float64         `json:"seconds"`
	Rate    float64         `json:"rows_per_second"`
	Speed   float64         `json:"bytes_per_second"` // of the files that were written
	Steps   []progress.Step `json:"steps,omitempty"`
}

// fileRows is how many rows a file has, unless told otherwise.
const fileRows = 500000

// Run writes the files. When err is nil all of them are in place, read back and equal to the source. ErrExists when the names
// are taken, ErrProof when a file or the source is not what it should be.
func (s *SQLite) Run(ctx context.Context, req SQLiteRequest) (SQLiteResult, error) {
	s.defaults()
	clock := progress.NewClock()
	if req.RowsPerFile == 0 {
		req.RowsPerFile = fileRows
	}
	if req.RowsPerFile < 1 {
		return SQLiteResult{}, fmt.Errorf("sqlite: %w: %d rows a file; nothing was written", ErrBadInput, req.RowsPerFile)
	}
	src, err := s.source(ctx, req)
	if err != nil {
		return SQLiteResult{}, err
	}
	t, err := s.target(ctx, req, src)
	if err != nil {
		return SQLiteResult{}, fmt.Errorf("sqlite of %s: %w", src.location, err)
	}
	clock.Done("plan")
	res := SQLiteResult{Status: "planned", Action: "planned", Source: src.location, Kind: src.kind, Target: t.store.Root(), Table: t.table, Records: src.rows,
		Files: t.planned(), Snapshot: src.snapshot, Mapping: src.mapping(), Notes: src.notes, Ignored: src.ignored, Manifest: t.manifest}
	if s.Planned != nil {
		s.Planned(res)
	}
	if req.DryRun {
		return res, nil
	}
	fail := func(err error) (SQLiteResult, error) {
		return SQLiteResult{}, fmt.Errorf("sqlite of %s to %s: %w", src.location, t.label(), err)
	}
	done, err := t.claim(ctx, req.Overwrite)
	if err != nil {
		return fail(err)
	}
	res.Status, res.Action = "success", "unchanged"
	if done == nil {
		res.Action = "written"
		clock.Done("claim")
		if done, err = s.write(ctx, src, t); err != nil {
			return fail(err)
		}
		clock.Done("write")
	}
	res.Files, res.CreatedAt = done.Files, done.CreatedAt
	for _, f := range done.Files {
		res.Bytes += f.Bytes
	}
	res.Steps, res.Seconds = clock.Steps, clock.Seconds()
	if res.Action == "written" && res.Seconds > 0 {
		res.Rate, res.Speed = float64(res.Records)/res.Seconds, float64(res.Bytes)/res.Seconds
	}
	return res, nil
}

func (s *SQLite) defaults() {
	if s.BatchRows <= 0 {
		s.BatchRows = 10000
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if s.Progress == nil {
		s.Progress = progress.Silent
	}
}

// finishing is how many files may be at work at once: one takes rows while those before it are read back and put in place.
const finishing = 2

// write builds all files. One goroutine reads the source and encodes its rows, one inserts them, and files that have all
// their rows are checked beside that.
func (s *SQLite) write(ctx context.Context, src *liteSource, t *liteTarget) (*liteManifest, error) {
	removeStale()
	s.Progress.Begin("sqlite", src.rows)
	defer s.Progress.End()
	files := t.planned()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(finishing)
	rows, open := make(chan *cells, 2), 0
	begin := func() {
		mine, k := rows, open
		g.Go(func() error {
			err := s.build(gctx, src, t, &files[k], len(files), mine)
			for range mine { // after an error: whoever sends is not to wait for ever
			}
			if err != nil {
				return fmt.Errorf("%s: %w", files[k].File, err)
			}
			return nil
		})
	}
	begin()
	left := files[0].Rows
	rerr := src.read(gctx, s.BatchRows, func(c *cells) error {
		for from := 0; from < c.len(); {
			if left == 0 {
				if open+1 == len(files) {
					return fmt.Errorf("%w: the source has more rows than it says, %d", ErrProof, src.rows)
				}
				close(rows)
				open++
				rows, left = make(chan *cells, 2), files[open].Rows
				begin()
			}
			n := int(min(int64(c.len()-from), left))
			select {
			case rows <- c.slice(from, from+n):
			case <-gctx.Done():
				return gctx.Err()
			}
			from, left = from+n, left-int64(n)
			s.Progress.Add(int64(n), 0)
		}
		return nil
	})
	if rerr == nil && (left != 0 || open+1 != len(files)) {
		rerr = fmt.Errorf("%w: the source has fewer rows than it says, %d", ErrProof, src.rows)
	}
	if rerr != nil { // a last file without all its rows is refused where it is built
		rows <- &cells{err: rerr}
	}
	close(rows)
	err := g.Wait()
	if rerr != nil && !errors.Is(rerr, context.Canceled) {
		return nil, rerr
	}
	if err != nil {
		return nil, err
	}
	return t.complete(ctx, files)
}
