package archive

import (
	"context"
	"fmt"
	"io"
	"slices"

	"frostline/coltype"
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
	if err := a.detach(ctx, p); err != nil {
		return "", err
	}
	drop := p.req.Retire == Drop
	a.Progress.Begin("retire", p.digest.Rows)
	defer a.Progress.End()
	err := a.DB.LockedTable(ctx, p.relation, func(copyOut func(string, io.Writer) (int64, error)) (bool, error) {
		if err := a.samePartition(ctx, p); err != nil {
			return false, err
		}
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

// samePartition sees that the locked table is the partition, with the columns that the archive has and no other: the digest
// is of those alone.
func (a *Archiver) samePartition(ctx context.Context, p *plan) error {
	if p.leaf != nil {
		switch name, err := a.DB.NameOf(ctx, p.leaf.OID); {
		case err != nil:
			return err
		case name != p.relation:
			return fmt.Errorf("last digest: the partition is %s now, another table has its name: %w", name, ErrProof)
		}
	}
	now, err := a.DB.LiveColumns(ctx, p.relation)
	if err != nil {
		return err
	}
	for _, name := range now {
		if !slices.ContainsFunc(p.schema.Columns, func(c coltype.Column) bool { return c.Name == name }) {
			return fmt.Errorf("last digest: column %s is not in the archive: %w", postgres.Quote(name), ErrProof)
		}
	}
	return nil
}

// reattach is what to do with a detached table that changed after it was archived.
func (p *plan) reattach() string {
	parent, bound := p.table.Name, p.bounds()
	if p.leaf != nil {
		parent = p.leaf.Parent
	}
	return fmt.Sprintf("to take it back: ALTER TABLE %s ATTACH PARTITION %s %s, then archive it with --replace", parent, p.relation, bound)
}
