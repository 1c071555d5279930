package archive

import (
	"context"
	"fmt"
	"time"
)

// detach takes the proven partition out of its table. Runs at once take turns: PostgreSQL allows one DETACH CONCURRENTLY of a table at a
// time, and the next would find it half detached.
func (a *Archiver) detach(ctx context.Context, p *plan) error {
	if p.leaf == nil {
		return nil
	}
	release, err := a.turn(ctx, "frostline detach "+p.leaf.Parent.String())
	if err != nil {
		return fmt.Errorf("retire %s: %w; the partition is archived and proven, and was not detached", p.label(), err)
	}
	defer release()
	steps, err := a.retireSteps(ctx, p)
	if err != nil {
		return err
	}
	for _, s := range steps {
		a.Log.Info("retire", "partition", p.label(), "step", s.Name)
		if err := a.DB.RunStep(ctx, s); err != nil {
			// The server goes on with the DETACH of a run that was killed, and may end it between our plan and our step.
			if t, lost := a.DB.Table(ctx, p.relation); lost == nil && t.OID == p.leaf.OID && t.Parent == nil {
				return nil
			}
			return fmt.Errorf("retire %s: %s: %w; the partition is archived and proven, and was not dropped", p.label(), s.Name, err)
		}
	}
	return nil
}

// turn waits for an advisory lock, which other runs hold as long as they detach: some seconds, or a minute behind long readers.
func (a *Archiver) turn(ctx context.Context, key string) (release func(), err error) {
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		release, ok, err := a.DB.TryLock(ctx, key)
		if err != nil || ok {
			return release, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}
