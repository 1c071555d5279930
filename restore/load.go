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

// load copies the archived files into the staging table, several units at once, skipping those that are checkpointed.
func (r *Restorer) load(ctx context.Context, p *plan) error {
	if p.full {
		return nil
	}
	done, units, err := r.loaded(ctx, p)
	if err != nil {
		return err
	}
	p.resumed = units
	size := unitSize(p.digest.Rows, r.Workers)
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
		for _, u := range done.units(f, rf.Path, f.RowGroups(), size) {
			g.Go(func() error {
				leave, err := r.enter(ctx)
				if err != nil {
					return err
				}
				defer leave()
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
