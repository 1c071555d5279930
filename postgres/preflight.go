package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Severity says how much a finding weighs.
type Severity string

// The severities. An Error blocks what the finding is about.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Info    Severity = "info"
)

// What a finding is about: copying the relation out, or taking it out of its table.
const (
	AboutArchive = "archive"
	AboutRetire  = "retire"
)

// Finding is one thing that a preflight noticed.
type Finding struct {
	Severity Severity `json:"severity"`
	About    string   `json:"about"` // archive, retire
	Code     string   `json:"code"`  // stable, for scripts: "inbound-foreign-key"
	Object   string   `json:"object"`
	Means    string   `json:"means"`
	Do       string   `json:"do,omitempty"`

	Kind error `json:"-"` // the error of this package that would come of it, nil for none
}

// String is the finding on one line.
func (f Finding) String() string {
	s := f.Code + " (" + f.Object + "): " + f.Means
	if f.Do != "" {
		s += "; " + f.Do
	}
	return s
}

// PreflightOptions says what is planned for one relation, a leaf partition or a table.
type PreflightOptions struct {
	Relation uint32 // OID
	Detach   bool   // it is to be detached: also look at the rows of tables that refer to it
	Drop     bool   // it is to be dropped after that
}

// Preflight looks for what stands in the way of copying a relation out, detaching and dropping it. It reads catalogs, takes
// no lock beyond those of catalog queries, and changes nothing. Findings about retiring are given whether it is planned or not.
// They come errors first, then warnings, and in a fixed order within.
func (db *DB) Preflight(ctx context.Context, o PreflightOptions) ([]Finding, error) {
	name, err := db.NameOf(ctx, o.Relation)
	if err != nil {
		return nil, fmt.Errorf("preflight: %w", err)
	}
	op := "preflight " + name.plain()
	findings, err := db.poolerFindings(ctx, op)
	if err != nil {
		return nil, err
	}
	for _, look := range []func(context.Context, string, Name, PreflightOptions) ([]Finding, error){
		db.catalogFindings, db.keyFindings, db.partmanFindings,
	} {
		found, err := look(ctx, op, name, o)
		if err != nil {
			return nil, err
		}
		findings = append(findings, found...)
	}
	order := []Severity{Error, Warning, Info}
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Severity), slices.Index(order, b.Severity)), cmp.Compare(a.About, b.About))
	})
	return findings, nil
}

// catalogFindings runs the checks of preflightchecks.go in one query.
func (db *DB) catalogFindings(ctx context.Context, op string, _ Name, o PreflightOptions) ([]Finding, error) {
	var sql strings.Builder
	sql.WriteString(checkedSQL)
	for i, c := range checks {
		if i > 0 {
			sql.WriteString("\nUNION ALL ")
		}
		fmt.Fprintf(&sql, "SELECT %d, q.* FROM (%s) AS q(object, detail)", i, c.sql)
	}
	rows, err := db.QueryText(ctx, op, "SELECT * FROM ("+sql.String()+") AS found(number, object, detail) ORDER BY 1, 2, 3", o.Relation)
	if err != nil {
		return nil, err
	}
	findings := make([]Finding, len(rows))
	for i, row := range rows {
		r := rowText(row)
		var n int
		if _, err := fmt.Sscan(r[0], &n); err != nil {
			return nil, fmt.Errorf("%s: %w", op, err)
		}
		c := checks[n]
		f := c.finding
		if c.drop && !o.Drop {
			f.Severity = Warning
		}
		fill := strings.NewReplacer("{object}", r[1], "{detail}", r[2])
		f.Object, f.Means, f.Do = r[1], fill.Replace(f.Means), fill.Replace(f.Do)
		findings[i] = f
	}
	return findings, nil
}

// keyFindings looks at the foreign keys that refer to the relation or to its ancestors.
func (db *DB) keyFindings(ctx context.Context, op string, name Name, o PreflightOptions) ([]Finding, error) {
	keys, err := db.InboundKeys(ctx, o.Relation)
	if err != nil {
		return nil, err
	}
	findings, err := db.corruption(ctx, op, o)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		f := Finding{Severity: Error, About: AboutRetire, Code: "inbound-foreign-key", Object: k.Table.plain(), Kind: ErrForeignKey}
		switch {
		case k.References == name:
			f.Means = fmt.Sprintf("foreign key %q refers to the partition itself: a drop fails", k.Name)
			f.Do = fmt.Sprintf("drop the key first: ALTER TABLE %s DROP CONSTRAINT %s", k.Table, Quote(k.Name))
		case !o.Detach:
			f.Severity = Warning
			f.Means = fmt.Sprintf("foreign key %q refers to %s: a detach fails while a row there refers to a row of the partition", k.Name, k.References.plain())
			f.Do = "plan with --retire to see whether one does"
		default:
			held, err := db.refers(ctx, op, k, name)
			switch {
			case errors.Is(err, ErrPrivilege):
				f.Kind = ErrPrivilege
				f.Means = fmt.Sprintf("foreign key %q refers to %s, and this role may not read the table to see whether a row refers to the partition", k.Name, k.References.plain())
				f.Do = fmt.Sprintf("GRANT SELECT ON %s to this role", k.Table)
			case err != nil:
				return nil, err
			case held:
				f.Means = fmt.Sprintf("rows of it refer by foreign key %q to rows of the partition: the detach fails", k.Name)
				f.Do = "delete or archive those rows first, or drop the key"
			default:
				f.Severity = Warning
				f.Means = fmt.Sprintf("foreign key %q refers to %s; no row refers to the partition now, and one that is written meanwhile makes the detach fail", k.Name, k.References.plain())
			}
		}
		findings = append(findings, f)
	}
	return findings, nil
}

// corruption warns of the releases in which a detach breaks the catalog entries of foreign keys.
func (db *DB) corruption(ctx context.Context, op string, o PreflightOptions) ([]Finding, error) {
	fixed := corruptingVersion(db.version)
	if fixed == "" {
		return nil, nil
	}
	rows, err := db.QueryText(ctx, op, `WITH RECURSIVE `+upSQL+` SELECT nspname || '.' || relname FROM up
		WHERE level = 1 AND EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f' AND (k.conrelid = up.oid OR k.confrelid = up.oid))`, o.Relation)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return []Finding{{Severity: Error, About: AboutRetire, Code: "foreign-key-corruption", Object: *rows[0][0], Kind: ErrForeignKey,
		Means: "PostgreSQL " + db.text + " corrupts the catalog entries of its foreign keys when a partition is detached or attached",
		Do:    "upgrade to " + fixed + " or later"}}, nil
}

// refers says whether a row of a foreign key's table refers to a row of a partition.
func (db *DB) refers(ctx context.Context, op string, k ForeignKey, partition Name) (bool, error) {
	rows, err := db.QueryText(ctx, op, "SELECT EXISTS (SELECT FROM "+k.Table.String()+" AS f JOIN "+partition.String()+" AS p ON "+k.Condition+")")
	if err != nil {
		return false, err
	}
	return *rows[0][0] == "t", nil
}

// partmanSQL finds the configuration of pg_partman, 4 or 5, by its columns: the extension may live in any schema.
const partmanSQL = `SELECT n.nspname, has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = 'part_config' AND c.relkind = 'r' AND
	(SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attisdropped AND a.attname IN ('parent_table', 'retention', 'retention_keep_table')) = 3
ORDER BY 1`

// partmanFindings looks for a retention that may take the partition before we do.
func (db *DB) partmanFindings(ctx context.Context, op string, _ Name, o PreflightOptions) ([]Finding, error) {
	configs, err := db.QueryText(ctx, op, partmanSQL)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, row := range configs {
		config := Name{*row[0], "part_config"}
		if *row[1] != "t" {
			findings = append(findings, Finding{Severity: Warning, About: AboutArchive, Code: "pg-partman-unknown", Object: config.plain(),
				Means: "pg_partman is installed, and this role may not read its configuration: a retention of it may drop the partition before it is archived",
				Do:    fmt.Sprintf("GRANT USAGE ON SCHEMA %s and SELECT ON %s to this role", Quote(config.Schema), config)})
			continue
		}
		rows, err := db.QueryText(ctx, op, `WITH RECURSIVE `+upSQL+`
			SELECT p.parent_table, to_jsonb(p)->>'retention', coalesce((to_jsonb(p)->>'retention_keep_table')::bool, true), coalesce(to_jsonb(p)->>'retention_schema', '')
			FROM `+config.String()+` AS p WHERE p.parent_table IN (SELECT nspname || '.' || relname FROM up) ORDER BY 1`, o.Relation)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			findings = append(findings, partmanFinding(rowText(row)))
		}
	}
	return findings, nil
}

// partmanFinding is of one line of the configuration: table, retention, whether the table is kept, the schema it is moved to.
func partmanFinding(r []string) Finding {
	f := Finding{Severity: Warning, About: AboutArchive, Code: "pg-partman-retention", Object: r[0]}
	switch {
	case r[1] == "":
		return Finding{Severity: Info, About: AboutArchive, Code: "pg-partman", Object: r[0],
			Means: "pg_partman makes its partitions, without a retention: it drops none"}
	case r[3] != "":
		f.Means = fmt.Sprintf("pg_partman detaches partitions older than %s and moves them to the schema %s", r[1], r[3])
	case r[2] == "t":
		f.Means = fmt.Sprintf("pg_partman detaches partitions older than %s", r[1])
	default:
		f.Means = fmt.Sprintf("pg_partman drops partitions older than %s, archived or not", r[1])
	}
	f.Do = "archive earlier than that, or set retention to NULL in part_config and let archive --retire do it"
	return f
}
