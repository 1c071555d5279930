package restore

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"frostline/objstore"
	"frostline/parquetio"
	"frostline/pgcopy"
	"frostline/postgres"
)

// unitGroups is how many row groups one COPY loads: about half a million rows, so that a killed load loses little and
// several workers share one file.
const unitGroups = 4

// unit is what one transaction loads and checkpoints.
type unit struct {
	file     *parquetio.File
	path     string
	from, to int // row groups
}

func (u unit) name() string { return fmt.Sprintf("%s#%d-%d", u.path, u.from, u.to) }

// load copies the archived files into the staging table, several units at once, skipping those that are checkpointed.
func (r *Restorer) load(ctx context.Context, p *plan) error {
	if p.full {
		return nil
	}
	done, err := r.loaded(ctx, p)
	if err != nil {
		return err
	}
	p.resumed = len(done)
	r.Progress.Begin("load", p.digest.Rows)
	defer r.Progress.End()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(r.Workers)
	for _, rf := range p.record.Files {
		src := parquetio.StoreSource(r.Store, p.tableKey+"/"+rf.Path, rf.Bytes)
		f, err := parquetio.Open(ctx, src, parquetio.ReadOptions{})
		if err != nil {
			return errors.Join(fmt.Errorf("load %s: %s: %w", p.label(), rf.Path, err), g.Wait())
		}
		for from := 0; from < f.RowGroups(); from += unitGroups {
			u := unit{f, rf.Path, from, min(from+unitGroups, f.RowGroups())}
			if done[u.name()] {
				continue
			}
			g.Go(func() error {
				if err := r.loadUnit(ctx, p, u); err != nil {
					if errors.Is(err, parquetio.ErrCorrupt) || errors.Is(err, objstore.ErrCorrupt) || errors.Is(err, objstore.ErrNotExist) {
						return fmt.Errorf("load %s: %s: %w; the archive is damaged, bring the file back from a copy or an older version of the object", p.label(), u.name(), err)
					}
					return fmt.Errorf("load %s: %s: %w; run again to go on from the last checkpoint", p.label(), u.name(), err)
				}
				return nil
			})
		}
	}
	return g.Wait()
}

func (r *Restorer) loaded(ctx context.Context, p *plan) (map[string]bool, error) {
	rows, err := r.DB.QueryText(ctx, "read checkpoints", "SELECT unit FROM "+p.checkpoints().String())
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", p.label(), err)
	}
	done := map[string]bool{}
	for _, row := range rows {
		done[*row[0]] = true
	}
	return done, nil
}

// loadUnit decodes and encodes on one goroutine while the connection sends on another.
func (r *Restorer) loadUnit(ctx context.Context, p *plan, u unit) error {
	enc, err := pgcopy.NewEncoder(p.record.Schema)
	if err != nil {
		return err
	}
	pr, pw := io.Pipe()
	fed := make(chan error, 1)
	go func() {
		err := r.feed(ctx, p, u, enc, pw)
		pw.CloseWithError(err)
		fed <- err
	}()
	format := "binary"
	if pgcopy.NeedsText(p.record.Schema) {
		format = "text"
	}
	checkpoint := fmt.Sprintf("INSERT INTO %s (unit, run_id, target) VALUES (%s, %s, %s)",
		p.checkpoints(), postgres.Literal(u.name()), postgres.Literal(p.record.RunID), postgres.Literal(p.target.String()))
	_, err = r.DB.CopyIn(ctx, p.target, pgcopy.InsertColumns(p.record.Schema.Columns), format, pr, checkpoint)
	pr.CloseWithError(errors.Join(errStopped, err))
	if ferr := <-fed; ferr != nil && !errors.Is(ferr, errStopped) {
		return ferr
	}
	return err
}

var errStopped = errors.New("stream is no longer read")

func (r *Restorer) feed(ctx context.Context, p *plan, u unit, enc *pgcopy.Encoder, w io.Writer) error {
	text := pgcopy.NeedsText(p.record.Schema)
	write := enc.WriteBinary
	if text {
		write = enc.WriteText
	} else if _, err := w.Write(pgcopy.BinaryHeader); err != nil {
		return err
	}
	for rg := u.from; rg < u.to; rg++ {
		for b, err := range u.file.ScanHuge(ctx, rg, p.record.Schema, r.BatchRows, &longValues) {
			if err != nil {
				return err
			}
			n, err := write(w, b)
			if err != nil {
				return err
			}
			r.Progress.Add(b.NumRows(), n)
		}
	}
	if text {
		return nil
	}
	_, err := w.Write(pgcopy.BinaryTrailer)
	return err
}
