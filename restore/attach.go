package restore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"frostline/postgres"
)

// attach makes the proven staging table a partition: indexes and constraints first, then the short lock.
func (r *Restorer) attach(ctx context.Context, p *plan) error {
	o := postgres.AttachOptions{Staging: p.target, Parent: p.parent, Final: p.final, Bound: p.record.Bounds, Definition: p.def}
	if !p.attached {
		o.Replace = p.inTheWay
	}
	steps, err := r.DB.AttachPlan(ctx, o)
	if err != nil {
		return fmt.Errorf("attach %s: %w; the restored rows are proven and stand in %s", p.label(), err, p.target)
	}
	for _, s := range steps {
		r.Log.Info("attach", "table", p.target.String(), "step", s.Name)
		begin := time.Now()
		err := r.DB.RunStep(ctx, s)
		r.Log.Info("attach: step ended", "table", p.target.String(), "step", s.Name, "seconds", time.Since(begin).Seconds(), "done", err == nil)
		if s.Name == "analyse" && errors.Is(err, postgres.ErrBadValue) {
			// ANALYZE computes with the values, and some are too large for it (1e131071 in a numrange). The partition
			// is attached, and would be as little analysed had it never been away.
			r.Log.Warn("ANALYZE fails on the values; the partition is attached, without statistics", "table", p.final.String(), "error", fmt.Sprintf("%.200s", err))
			continue
		}
		if err != nil {
			return fmt.Errorf("attach %s: %s: %w; the restored rows are proven and stand in %s, run again to go on", p.label(), s.Name, err, p.target)
		}
	}
	return nil
}
