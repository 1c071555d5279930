package restore

import (
	"context"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"frostline/digest"
	"frostline/pgcopy"
	"frostline/postgres"
)

// verify copies the table out again, in one snapshot and several ctid ranges, and compares its digest with the archive's.
func (r *Restorer) verify(ctx context.Context, p *plan, table postgres.Name) error {
	got, err := r.digestTable(ctx, p, table)
	if err != nil {
		return fmt.Errorf("verify %s: %w", table, err)
	}
	if got == p.digest {
		return nil
	}
	kind, advice := ErrProof, "it was not attached; drop it and restore again"
	switch {
	case p.full:
		kind, advice = ErrExists, "it was there before and was left as it is; name another target, or drop it"
	case p.attached:
		advice = "it is attached, and has changed since it was archived or restored; nothing was done; --replace-existing detaches and keeps it, and attaches the archive's rows"
	}
	if got.Rows != p.digest.Rows {
		return fmt.Errorf("verify %s: %w: it has %d rows, the archive has %d; %s", table, kind, got.Rows, p.digest.Rows, advice)
	}
	return fmt.Errorf("verify %s: %w: %d rows on both sides, but digests differ (table %s, archive %s); %s", table, kind, got.Rows, got, p.digest, advice)
}

func (r *Restorer) digestTable(ctx context.Context, p *plan, table postgres.Name) (digest.Digest, error) {
	return r.digestRanges(ctx, p, table, func(pages string) string {
		return "SELECT " + pgcopy.SelectList(p.record.Schema.Columns, "") + " FROM ONLY " + table.String() + " WHERE " + pages
	})
}

// digestRanges cuts a table's pages into a range for each worker and gives the digest of all rows that the queries for them copy out, in
// one snapshot. query gets a condition on ctid.
func (r *Restorer) digestRanges(ctx context.Context, p *plan, table postgres.Name, query func(pages string) string) (digest.Digest, error) {
	t, err := r.DB.Table(ctx, table)
	if err != nil {
		return digest.Digest{}, err
	}
	snap, err := r.DB.Snapshot(ctx)
	if err != nil {
		return digest.Digest{}, err
	}
	defer snap.Close()
	conds, err := snap.CtidRanges(ctx, t.OID, r.Workers)
	if err != nil {
		return digest.Digest{}, err
	}
	r.Progress.Begin("verify", p.digest.Rows)
	defer r.Progress.End()
	var (
		mu  sync.Mutex
		sum digest.Digest
	)
	g, ctx := errgroup.WithContext(ctx)
	for _, cond := range conds {
		g.Go(func() error {
			leave, err := r.enter(ctx)
			if err != nil {
				return err
			}
			defer leave()
			d, err := pgcopy.Sum(p.record.Schema, func(w io.Writer) (int64, error) {
				return snap.CopyOut(ctx, query(cond), w)
			}, func(rows int64) { r.Progress.Add(rows, 0) })
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			sum.Add(d)
			return nil
		})
	}
	err = g.Wait()
	return sum, err
}
