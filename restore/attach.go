package restore

import (
	"context"
	"fmt"

	"frostline/postgres"
)

// attach makes the proven staging table a partition: indexes and constraints first, then the short lock.
func (r *Restorer) attach(ctx context.Context, p *plan) error {
	steps, err := r.DB.AttachPlan(ctx, postgres.AttachOptions{
		Staging: p.target, Parent: p.parent, Final: p.final, Bound: p.record.Bounds, Definition: p.def,
	})
	if err != nil {
		return fmt.Errorf("attach %s: %w; the restored rows are proven and stand in %s", p.label(), err, p.target)
	}
	for _, s := range steps {
		r.Log.Info("attach", "table", p.target.String(), "step", s.Name)
		if err := r.DB.RunStep(ctx, s); err != nil {
			return fmt.Errorf("attach %s: %s: %w; the restored rows are proven and stand in %s, run again to go on", p.label(), s.Name, err, p.target)
		}
	}
	return nil
}
