package restore

import (
	"context"
	"fmt"
	"strings"

	"frostline/postgres"
)

// compareColumns checks an existing target against the record, and lists every difference. strict is for a table that is to be
// loaded under --no-create: NOT NULL counts too, which an attach may have set on a table of ours.
func (r *Restorer) compareColumns(ctx context.Context, p *plan, strict bool) error {
	t, err := r.DB.Table(ctx, p.target)
	if err != nil {
		return fmt.Errorf("stage %s: %w", p.label(), err)
	}
	if t.Partitioned {
		return fmt.Errorf("stage %s: %w: it is a partitioned table; nothing was loaded; restore to a table of its own, then attach it", p.label(), ErrMismatch)
	}
	now, err := r.DB.Definition(ctx, t.OID)
	if err != nil {
		return fmt.Errorf("stage %s: %w", p.label(), err)
	}
	wrong := differences(p.def.Columns, now.Columns, strict)
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("stage %s: %w: %s; nothing was loaded", p.label(), ErrMismatch, strings.Join(wrong, "; "))
}

// differences between the archived columns and those of a table: the order of columns and defaults do not count.
func differences(archived, now []postgres.DefColumn, strict bool) []string {
	have := map[string]postgres.DefColumn{}
	for _, c := range now {
		have[c.Name] = c
	}
	var wrong []string
	add := func(column, format string, args ...any) {
		wrong = append(wrong, "column "+postgres.Quote(column)+" "+fmt.Sprintf(format, args...))
	}
	for _, want := range archived {
		c, ok := have[want.Name]
		delete(have, want.Name)
		if !ok {
			add(want.Name, "is missing")
			continue
		}
		if c.Type != want.Type {
			add(c.Name, "is %s, archived was %s", c.Type, want.Type)
		}
		if c.Collation != want.Collation {
			add(c.Name, "has the collation %s, archived was %s", orDefault(c.Collation), orDefault(want.Collation))
		}
		switch {
		case c.Generated == want.Generated:
		case c.Generated == "":
			add(c.Name, "is not generated, archived was generated as (%s)", *want.Default)
		case want.Generated == "":
			add(c.Name, "is generated, archived was not")
		default:
			add(c.Name, "is generated %s, archived was %s", generatedKind(c.Generated), generatedKind(want.Generated))
		}
		if strict && c.NotNull && !want.NotNull {
			add(c.Name, "is NOT NULL, archived was not")
		}
		if strict && !c.NotNull && want.NotNull {
			add(c.Name, "may be NULL, archived was NOT NULL")
		}
	}
	for _, c := range now {
		if _, extra := have[c.Name]; extra {
			add(c.Name, "is not in the archive")
		}
	}
	return wrong
}

func orDefault(collation string) string {
	if collation == "" {
		return "of its type"
	}
	return collation
}

func generatedKind(g string) string {
	if g == "v" {
		return "VIRTUAL"
	}
	return "STORED"
}
