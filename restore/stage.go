package restore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"frostline/postgres"
)

// checkpoints is the table that holds, beside the staging table, what has been loaded into it. A row is written in the
// transaction of the COPY that it tells of.
func (p *plan) checkpoints() postgres.Name {
	sum := sha256.Sum256([]byte(p.target.Table))
	return postgres.Name{Schema: p.target.Schema, Table: "frostline_load_" + hex.EncodeToString(sum[:6])}
}

// createSQL is the SQL that makes the staging table and its checkpoints.
func (p *plan) createSQL() ([]string, error) {
	check := fmt.Sprintf("CREATE TABLE %s (unit pg_catalog.text PRIMARY KEY, run_id pg_catalog.text NOT NULL, target pg_catalog.regclass NOT NULL, loaded_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now())", p.checkpoints())
	if p.req.NoCreate {
		return []string{check}, nil
	}
	create, err := p.def.CreateStaging(postgres.StagingOptions{Target: p.target, Unlogged: p.req.Unlogged, Tablespace: p.req.Tablespace})
	if err != nil {
		return nil, fmt.Errorf("stage %s: %w", p.label(), err)
	}
	var sql []string
	if p.target.Schema == p.record.Leaf.Schema {
		sql = append(sql, postgres.EnsureSchema(p.target.Schema))
	}
	return append(append(sql, p.def.Prerequisites()...), create, check), nil
}

// extensions refuses a database that lacks an extension whose types the columns have.
func (r *Restorer) extensions(ctx context.Context, p *plan) error {
	missing, err := r.DB.MissingExtensions(ctx, p.def)
	if err != nil {
		return fmt.Errorf("stage %s: %w", p.label(), err)
	}
	if len(missing) > 0 {
		return fmt.Errorf("stage %s: %w: its columns have types of extensions that this database lacks: %s; nothing was done, CREATE EXTENSION first",
			p.label(), ErrMismatch, strings.Join(missing, ", "))
	}
	return nil
}

// settle waits for the server to end the last statement of a run that was killed, which has left the staging table, and then plans anew.
func (r *Restorer) settle(ctx context.Context, p *plan) (*plan, error) {
	if p.req.NoCreate || p.attached && p.target == p.final { // not made by us, or in use
		return p, nil
	}
	there, err := r.DB.Exists(ctx, p.target)
	if err == nil && !there {
		return p, nil
	}
	if err == nil {
		err = r.DB.RunStep(ctx, postgres.Step{Name: "wait for the staging table", SQL: []string{"LOCK TABLE " + p.target.String() + " IN SHARE ROW EXCLUSIVE MODE"}, Tx: true})
	}
	switch {
	case errors.Is(err, postgres.ErrPrivilege): // somebody else's: it is proven or refused as it is
		return p, nil
	case err != nil && !errors.Is(err, postgres.ErrNoTable): // without its name: it has just been attached
		return nil, fmt.Errorf("restore %s: %w; nothing was done", p.label(), err)
	}
	return r.plan(ctx, p.req)
}

// stage makes the staging table, or takes up one that an earlier run has left.
func (r *Restorer) stage(ctx context.Context, p *plan) error {
	there, err := r.DB.Exists(ctx, p.target)
	if err != nil {
		return fmt.Errorf("stage %s: %w", p.label(), err)
	}
	begun, err := r.DB.Exists(ctx, p.checkpoints())
	if err != nil {
		return fmt.Errorf("stage %s: %w", p.label(), err)
	}
	empty := true
	if there {
		if empty, err = r.isEmpty(ctx, p); err != nil {
			return err
		}
		// A table that an attach has worked on may have NOT NULL of the parent.
		if err := r.compareColumns(ctx, p, p.req.NoCreate && empty); err != nil {
			return err
		}
	}
	if begun {
		if begun, err = r.belongs(ctx, p, there); err != nil {
			return err
		}
	}
	p.full = there && !begun && (!empty || !p.req.NoCreate) // proven or refused by the digest
	switch {
	case !there && p.req.NoCreate:
		return fmt.Errorf("stage %s: %w: there is no such table, and --no-create forbids making it; nothing was done", p.label(), ErrMismatch)
	case there && begun && empty: // it is UNLOGGED and the server has crashed, or it was emptied: the checkpoints tell of rows that are gone
		if err := r.DB.Exec(ctx, "empty the checkpoints", "DELETE FROM "+p.checkpoints().String()); err != nil {
			return fmt.Errorf("stage %s: %w", p.label(), err)
		}
		return nil
	case there && begun:
		return nil // load goes on from the checkpoints
	case p.full:
		return nil
	}
	if err := r.extensions(ctx, p); err != nil {
		return err
	}
	sql, err := p.createSQL()
	if err != nil {
		return err
	}
	if err := r.DB.RunStep(ctx, postgres.Step{Name: "create staging", SQL: sql, Tx: true}); err != nil {
		return fmt.Errorf("stage %s: %w", p.label(), err)
	}
	return nil
}

// belongs says whether the checkpoints are of the table that is there. Those of one that somebody dropped are removed; those
// of another archive run are refused.
func (r *Restorer) belongs(ctx context.Context, p *plan, there bool) (bool, error) {
	rows, err := r.DB.QueryText(ctx, "read checkpoints", fmt.Sprintf("SELECT DISTINCT run_id, target = pg_catalog.to_regclass(%s) FROM %s",
		postgres.Literal(p.target.String()), p.checkpoints()))
	if err != nil {
		return false, fmt.Errorf("stage %s: %w", p.label(), err)
	}
	for _, row := range rows {
		switch {
		case !there || row[1] == nil || *row[1] != "t":
			return false, r.dropCheckpoints(ctx, p)
		case *row[0] != p.record.RunID:
			return false, fmt.Errorf("stage %s: %w: it is half loaded from run %s, the archive is now of run %s; nothing was done, drop %s and run again",
				p.label(), ErrExists, *row[0], p.record.RunID, p.target)
		}
	}
	if !there {
		return false, r.dropCheckpoints(ctx, p)
	}
	return true, nil
}

func (r *Restorer) isEmpty(ctx context.Context, p *plan) (bool, error) {
	rows, err := r.DB.QueryText(ctx, "look for rows", "SELECT 1 FROM "+p.target.String()+" LIMIT 1")
	if err != nil {
		return false, fmt.Errorf("stage %s: %w", p.label(), err)
	}
	return len(rows) == 0, nil
}

// dropCheckpoints ends the load: the staging table stands for itself from now on.
func (r *Restorer) dropCheckpoints(ctx context.Context, p *plan) error {
	err := r.DB.Exec(ctx, "drop checkpoints", "DROP TABLE IF EXISTS "+p.checkpoints().String())
	if err != nil {
		return fmt.Errorf("restore %s: %w", p.label(), err)
	}
	return nil
}
