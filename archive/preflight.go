package archive

import (
	"context"
	"errors"
	"fmt"

	"frostline/postgres"
)

// ErrBlocked is wrapped by the error of a run that its preflight refuses, beside the finding's own kind (postgres.ErrPrivilege).
var ErrBlocked = errors.New("preflight found what stands in the way")

// preflight looks for what stands in the way of the plan; p.findings has all of it.
func (a *Archiver) preflight(ctx context.Context, p *plan) error {
	oid := p.table.OID
	switch {
	case p.gone && p.relation.Table == "":
		return nil // nothing is left to look at
	case p.gone:
		t, err := a.DB.Table(ctx, p.relation)
		if err != nil {
			return fmt.Errorf("archive %s: %w", p.label(), err)
		}
		oid = t.OID
	case p.leaf != nil:
		oid = p.leaf.OID
	}
	var err error
	p.findings, err = a.DB.Preflight(ctx, postgres.PreflightOptions{
		Relation: oid, Detach: p.req.Retire != Keep && p.leaf != nil, Drop: p.req.Retire == Drop,
	})
	if err != nil {
		return fmt.Errorf("archive %s: %w", p.label(), err)
	}
	return nil
}

// blocked is the first finding that forbids what was asked for, as an error, nil when nothing does.
func (p *plan) blocked() error {
	for _, f := range p.findings {
		if f.Severity != postgres.Error || f.About == postgres.AboutRetire && p.req.Retire == Keep {
			continue
		}
		if p.req.many && errors.Is(f.Kind, postgres.ErrHalfDetached) {
			continue // by another run perhaps; detach waits for its turn
		}
		what := "nothing was archived"
		if f.About == postgres.AboutRetire {
			what = "nothing was archived or retired (without --retire it can be archived)"
		}
		err := fmt.Errorf("archive %s: %w: %s; %s", p.label(), ErrBlocked, f, what)
		if f.Kind != nil {
			err = &kindError{err, f.Kind}
		}
		return err
	}
	return nil
}

// kindError is an error that also is what it would have become.
type kindError struct {
	error
	kind error
}

func (e *kindError) Unwrap() []error { return []error{e.error, e.kind} }

// warn logs what a real run should know and goes on in spite of.
func (a *Archiver) warn(p *plan) {
	for _, f := range p.findings {
		if f.Severity == postgres.Warning && (f.About == postgres.AboutArchive || p.req.Retire != Keep) {
			a.Log.Warn("preflight", "partition", p.label(), "code", f.Code, "object", f.Object, "means", f.Means, "do", f.Do)
		}
	}
}
