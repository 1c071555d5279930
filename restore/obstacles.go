package restore

import (
	"context"
	"fmt"
	"time"

	"frostline/postgres"
)

// lookAtParent sees whether the partition is attached already, and refuses what would be in the way at the end, unless it is to
// be replaced.
func (r *Restorer) lookAtParent(ctx context.Context, p *plan) error {
	if _, err := r.DB.Table(ctx, p.parent); err != nil {
		return fmt.Errorf("restore %s: the partitioned table: %w; restore without --attach, or make the table first", p.label(), err)
	}
	found, err := r.DB.Obstacles(ctx, p.final, p.parent, p.record.Bounds)
	if err != nil {
		return fmt.Errorf("restore %s: %w", p.label(), err)
	}
	suffix := "_old_" + time.Now().UTC().Format("20060102T150405")
	for _, o := range found {
		o.To = postgres.Name{Schema: o.Name.Schema, Table: suffixed(o.Name.Table, suffix)}
		named, partition := o.Name == p.final, o.Parent != postgres.Name{}
		refuse := func(advice string) error {
			return fmt.Errorf("restore %s: %w: %s stands where the partition is to be: %s", p.label(), ErrExists, o.Name, advice)
		}
		switch {
		case named && o.Name == p.target && !partition: // the staging table has the partition's name
			continue
		case o.Pending:
			return refuse(fmt.Sprintf("its detach was interrupted; nothing was done, finish it first: ALTER TABLE %s DETACH PARTITION %s FINALIZE", o.Parent, o.Name))
		case partition && o.Parent != p.parent:
			return refuse(fmt.Sprintf("it is a partition of %s; nothing was done, rename it", o.Parent))
		case partition && o.Bound != p.record.Bounds:
			return refuse(fmt.Sprintf("it is a partition %s, not %s; nothing was done, rename it", o.Bound, p.record.Bounds))
		case named && partition:
			p.attached = true
		case !p.req.Replace && partition:
			return refuse("it is a partition with the same bounds; nothing was done; --replace-existing detaches and renames it, --to migrate copies into it")
		case !p.req.Replace:
			return refuse("it is not attached; nothing was done; --replace-existing renames it, or drop it, or attach it instead")
		}
		p.inTheWay = append(p.inTheWay, o)
		if !partition || !p.req.Replace {
			continue
		}
		leaf, err := r.DB.Leaf(ctx, o.OID)
		if err == nil {
			_, err = r.DB.DetachPlan(ctx, leaf) // refused for a foreign key that refers to it
		}
		if err != nil && !p.attached {
			return fmt.Errorf("restore %s: %w", p.label(), err)
		}
	}
	return nil
}

// replaced are the names of what is moved out of the way.
func (p *plan) replaced() []string {
	var names []string
	for _, o := range p.inTheWay {
		names = append(names, o.To.Schema+"."+o.To.Table)
	}
	return names
}
