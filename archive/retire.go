package archive

import (
	"context"
	"fmt"
	"io"

	"frostline/postgres"
)

// retireSteps is what would be done to the partition before its last digest; none when it is detached already.
func (a *Archiver) retireSteps(ctx context.Context, p *plan) ([]postgres.Step, error) {
	if p.req.Retire == Keep || p.leaf == nil {
		return nil, nil
	}
	steps, err := a.DB.DetachPlan(ctx, *p.leaf)
	if err != nil {
		return nil, fmt.Errorf("retire %s: %w", p.label(), err)
	}
	return steps, nil
}

// retire detaches the proven partition, locks it, digests it again, and drops it if asked to and if it still equals the archive.
func (a *Archiver) retire(ctx context.Context, p *plan) (string, error) {
	if p.gone && p.relation.Table == "" {
		return "already retired", nil
	}
	steps, err := a.retireSteps(ctx, p)
	if err != nil {
		return "", err
	}
	for _, s := range steps {
		a.Log.Info("retire", "partition", p.label(), "step", s.Name)
		if err := a.DB.RunStep(ctx, s); err != nil {
			return "", fmt.Errorf("retire %s: %s: %w; the partition is archived and proven, and was not dropped", p.label(), s.Name, err)
		}
	}
	drop := p.req.Retire == Drop
	a.Progress.Begin("retire", p.digest.Rows)
	defer a.Progress.End()
	err = a.DB.LockedTable(ctx, p.relation, func(copyOut func(string, io.Writer) (int64, error)) (bool, error) {
		now, err := a.stream(p, func(w io.Writer) (int64, error) {
			return copyOut(p.query(p.schema, ""), w)
		}, nil)
		if err != nil {
			return false, err
		}
		return drop, same("last digest", now, p.digest)
	})
	if err != nil {
		return "", fmt.Errorf("retire %s: %w; the table %s was kept, detached; %s", p.label(), err, p.relation, p.reattach())
	}
	if drop {
		return "dropped", nil
	}
	return "detached", nil
}

// reattach is what to do with a detached table that changed after it was archived.
func (p *plan) reattach() string {
	parent, bound := p.table.Name, p.bounds()
	if p.leaf != nil {
		parent = p.leaf.Parent
	}
	return fmt.Sprintf("to take it back: ALTER TABLE %s ATTACH PARTITION %s %s, then archive it with --replace", parent, p.relation, bound)
}
