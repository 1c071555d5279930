package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// DefCollation is a collation that a user made; Provider is pg_collation.collprovider: c libc, i ICU, b builtin.
type DefCollation struct {
	Name          Name   `json:"name"`
	Provider      string `json:"provider"`
	Locale        string `json:"locale,omitempty"`  // of ICU and builtin
	Collate       string `json:"collate,omitempty"` // of libc
	CType         string `json:"ctype,omitempty"`
	Rules         string `json:"rules,omitempty"`
	Deterministic bool   `json:"deterministic"`
}

// DefRange is what a range type has beside its subtype. Functions are named as they are, and are not made.
type DefRange struct {
	Collation  string `json:"collation,omitempty"`
	Opclass    string `json:"opclass,omitempty"` // "" is the subtype's default
	Canonical  string `json:"canonical,omitempty"`
	Diff       string `json:"subtype_diff,omitempty"`
	Multirange *Name  `json:"multirange,omitempty"` // 14 and later
}

// rangesSQL gives the DefRange of each range type that $1 names, by its name as JSON.
const rangesSQL = `
SELECT jsonb_object_agg(want.n, jsonb_build_object('collation', ` + `(SELECT quote_ident(cn.nspname) || '.' || quote_ident(co.collname) FROM pg_collation co
		JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = r.rngcollation AND co.oid <> st.typcollation),
	'opclass', (SELECT quote_ident(oc_n.nspname) || '.' || quote_ident(oc.opcname) FROM pg_opclass oc JOIN pg_namespace oc_n ON oc_n.oid = oc.opcnamespace
		WHERE oc.oid = r.rngsubopc AND NOT oc.opcdefault),
	'canonical', CASE WHEN r.rngcanonical <> 0 THEN (SELECT quote_ident(fn.nspname) || '.' || quote_ident(f.proname) FROM pg_proc f JOIN pg_namespace fn ON fn.oid = f.pronamespace
		WHERE f.oid = r.rngcanonical) END,
	'subtype_diff', CASE WHEN r.rngsubdiff <> 0 THEN (SELECT quote_ident(fn.nspname) || '.' || quote_ident(f.proname) FROM pg_proc f JOIN pg_namespace fn ON fn.oid = f.pronamespace
		WHERE f.oid = r.rngsubdiff) END,
	'multirange', (SELECT jsonb_build_object('schema', mn.nspname, 'table', m.typname) FROM pg_type m JOIN pg_namespace mn ON mn.oid = m.typnamespace
		WHERE m.oid::text = to_jsonb(r)->>'rngmultitypid')))
FROM unnest($1::text[]) want(n) JOIN pg_namespace n ON n.nspname = want.n::jsonb->>0 JOIN pg_type t ON t.typnamespace = n.oid AND t.typname = want.n::jsonb->>1
JOIN pg_range r ON r.rngtypid = t.oid JOIN pg_type st ON st.oid = r.rngsubtype`

// collationsSQL gives the collations outside pg_catalog that $1 names, quoted and qualified, or that the indexes of $2 use.
const collationsSQL = `
SELECT jsonb_agg(jsonb_build_object('name', jsonb_build_object('schema', n.nspname, 'table', c.collname), 'provider', c.collprovider,
	'locale', coalesce(j->>'colllocale', j->>'colliculocale', CASE WHEN c.collprovider = 'i' THEN j->>'collcollate' END, ''),
	'collate', CASE WHEN c.collprovider = 'c' THEN j->>'collcollate' ELSE '' END, 'ctype', CASE WHEN c.collprovider = 'c' THEN j->>'collctype' ELSE '' END,
	'rules', coalesce(j->>'collicurules', ''), 'deterministic', c.collisdeterministic) ORDER BY n.nspname, c.collname)
FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace CROSS JOIN LATERAL to_jsonb(c) j
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND (quote_ident(n.nspname) || '.' || quote_ident(c.collname) = ANY ($1::text[])
	OR c.oid IN (SELECT unnest(x.indcollation::oid[]) FROM pg_index x WHERE x.indrelid = $2::oid))`

// readCollations adds to the bundle the collations that columns, types and indexes use, and what range types have beside their subtype.
func (db *DB) readCollations(ctx context.Context, op string, relation uint32, d *Definition) error {
	var ranges []string
	key := func(n Name) string {
		b, _ := json.Marshal([]string{n.Schema, n.Table})
		return string(b)
	}
	for _, t := range d.Types {
		if t.Kind == "r" {
			ranges = append(ranges, key(t.Name))
		}
	}
	if len(ranges) > 0 {
		found := map[string]*DefRange{}
		if err := db.readJSON(ctx, op, &found, rangesSQL, ranges); err != nil {
			return err
		}
		for i := range d.Types {
			d.Types[i].Range = found[key(d.Types[i].Name)]
		}
	}
	var used []string
	for _, c := range d.Columns {
		used = append(used, c.Collation)
	}
	for _, t := range d.Types {
		used = append(used, t.Collation)
		if t.Range != nil {
			used = append(used, t.Range.Collation)
		}
		for _, a := range t.Attributes {
			used = append(used, a.Collation)
		}
	}
	used = slices.DeleteFunc(used, func(c string) bool { return c == "" })
	if used == nil {
		used = []string{}
	}
	return db.readJSON(ctx, op, &d.Collations, collationsSQL, used, relation)
}

// readJSON decodes the only value of the only row, if it is not NULL.
func (db *DB) readJSON(ctx context.Context, op string, into any, sql string, args ...any) error {
	rows, err := db.QueryText(ctx, op, sql, args...)
	if err != nil || len(rows) == 0 || rows[0][0] == nil {
		return err
	}
	if err := json.Unmarshal([]byte(*rows[0][0]), into); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// create is the collation's DDL. A deterministic one says nothing of it, since libc's takes no such option.
func (c DefCollation) create() string {
	var options []string
	add := func(name, value string) {
		if value != "" {
			options = append(options, name+" = "+strings.TrimSpace(Literal(value)))
		}
	}
	provider := map[string]string{"c": "libc", "i": "icu", "b": "builtin"}[c.Provider]
	options = append(options, "PROVIDER = "+provider)
	add("LOCALE", c.Locale)
	add("LC_COLLATE", c.Collate)
	add("LC_CTYPE", c.CType)
	add("RULES", c.Rules)
	if !c.Deterministic {
		options = append(options, "DETERMINISTIC = false")
	}
	return "CREATE COLLATION IF NOT EXISTS " + c.Name.String() + " (" + strings.Join(options, ", ") + ")"
}

// options are what follows the subtype in CREATE TYPE … AS RANGE.
func (r *DefRange) options() string {
	if r == nil {
		return ""
	}
	out := ""
	for _, o := range [][2]string{{"SUBTYPE_OPCLASS", r.Opclass}, {"COLLATION", r.Collation}, {"CANONICAL", r.Canonical}, {"SUBTYPE_DIFF", r.Diff}} {
		if o[1] != "" {
			out += ", " + o[0] + " = " + o[1]
		}
	}
	if r.Multirange != nil {
		out += ", MULTIRANGE_TYPE_NAME = " + r.Multirange.String()
	}
	return out
}

// MissingExtensions are those of the bundle that the database lacks: their types must be there before a staging table is made.
func (db *DB) MissingExtensions(ctx context.Context, d *Definition) ([]string, error) {
	if len(d.Extensions) == 0 {
		return nil, nil
	}
	rows, err := db.QueryText(ctx, "look for extensions", `SELECT e FROM unnest($1::text[]) e WHERE e NOT IN (SELECT extname FROM pg_extension) ORDER BY 1`, d.Extensions)
	var missing []string
	for _, r := range rows {
		missing = append(missing, *r[0])
	}
	return missing, err
}

// EnsureSchema is SQL that makes a schema where there is none; it needs no privilege where there is one.
func EnsureSchema(name string) string {
	return unless("SELECT FROM pg_catalog.pg_namespace WHERE nspname = "+Literal(name), "CREATE SCHEMA "+Quote(name))
}
