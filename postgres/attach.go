package postgres

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
)

// AttachOptions say what becomes a partition of what. Without a Parent (its zero value) the staging table becomes a plain table
// with everything that the definition has.
type AttachOptions struct {
	Staging    Name
	Parent     Name        // direct parent
	Final      Name        // the name that staging gets
	Bound      string      // FOR VALUES …
	Definition *Definition // of the archived leaf: what only it had (own indexes, grants, comments, triggers, storage …); may be nil
	Replace    []Obstacle  // what is moved out of the way in the transaction of the attach
}

// boundCheck is the CHECK that proves the bound while the table is attached.
const boundCheck = "frostline_bound"

// attachment is what a plan is made from.
type attachment struct {
	AttachOptions
	op       string
	parent   *Definition // live; nil without a Parent
	current  *Definition // the table as it is now, under its present name
	table    Name        // that name
	attached bool
	fallback Name              // the parent's DEFAULT partition, zero without
	guards   map[string]bool   // constraints of the DEFAULT partition, validated or not
	indexes  map[string]string // archived index name → name it has or gets
	taken    map[string]bool   // names that the plan has given
	roles    map[string]bool   // of the server, among those that the definition names
	pubs     map[string]bool
	funcs    map[string]bool // that the definition's triggers call
	owns     bool            // the present user may give the table to its former owner
	steps    []Step
}

// AttachPlan is everything from a loaded staging table to the attached partition: SET LOGGED, NOT NULL, every index of the parent with
// its constraint, the leaf's own, CHECKs, foreign keys, the identity's sequence, what only the leaf had, CHECK NOT VALID, VALIDATE, a CHECK
// on the DEFAULT partition that keeps it from being scanned, rename and ATTACH without a scan, drop of the CHECKs, ANALYZE. The
// parent's present indexes and constraints count, not those of the time of archiving. Objects of the definition whose role or
// publication is gone stand in the plan as comments. The plan holds what is left to do: after a failure, plan again.
func (db *DB) AttachPlan(ctx context.Context, o AttachOptions) ([]Step, error) {
	a := &attachment{AttachOptions: o, op: "plan the attach of " + o.Staging.plain() + " as " + o.Final.plain(),
		indexes: map[string]string{}, taken: map[string]bool{}}
	if a.Definition == nil {
		a.Definition = &Definition{}
	}
	if err := a.read(ctx, db); err != nil {
		return nil, err
	}
	if err := a.compare(); err != nil {
		return nil, err
	}
	a.logged()
	a.columns()
	if err := a.buildIndexes(ctx, db); err != nil {
		return nil, err
	}
	if err := a.checks(); err != nil {
		return nil, err
	}
	a.foreignKeys()
	a.sequences()
	a.properties()
	if a.parent != nil && !a.attached {
		if err := a.attach(ctx, db); err != nil {
			return nil, err
		}
	} else if a.table != a.Final {
		a.step("rename to "+a.Final.plain(), true, a.rename()...)
		a.table = a.Final
	}
	a.publications()
	a.finish(db)
	return a.steps, nil
}

func (a *attachment) step(name string, tx bool, sql ...string) {
	if len(sql) > 0 {
		a.steps = append(a.steps, Step{Name: name, SQL: sql, Tx: tx})
	}
}

// read finds the table under its staging or its final name, the parent, and the names that the definition uses.
func (a *attachment) read(ctx context.Context, db *DB) error {
	define := func(n Name) (*Definition, error) {
		rows, err := db.QueryText(ctx, a.op, `SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')`, n.Schema, n.Table)
		if err != nil || len(rows) == 0 {
			return nil, err
		}
		oid, err := strconv.ParseUint(*rows[0][0], 10, 32)
		if err != nil {
			return nil, err
		}
		return db.Definition(ctx, uint32(oid))
	}
	var err error
	if a.Parent != (Name{}) {
		if a.parent, err = define(a.Parent); err != nil {
			return err
		}
		if a.parent == nil || a.parent.Kind != "p" {
			return fmt.Errorf("%s: %w: the partitioned table %s; create it first", a.op, ErrNoTable, a.Parent.plain())
		}
	}
	staging, err := define(a.Staging)
	if err != nil {
		return err
	}
	final := staging
	if a.Final != a.Staging && !a.replaces(a.Final) {
		if final, err = define(a.Final); err != nil {
			return err
		}
		if staging != nil && final != nil {
			return fmt.Errorf("%s: %s exists already; nothing was done; rename or drop it, or give another name", a.op, a.Final.plain())
		}
	}
	a.table, a.current = a.Staging, staging
	if staging == nil {
		a.table, a.current = a.Final, final
	}
	if a.current == nil {
		return fmt.Errorf("%s: %w: neither %s nor %s; restore it first", a.op, ErrNoTable, a.Staging.plain(), a.Final.plain())
	}
	if p := a.current.Parent; p != nil {
		if a.parent == nil || *p != a.Parent || a.current.Bound != a.Bound {
			return fmt.Errorf("%s: %s is a partition of %s already, %s; nothing was done", a.op, a.table.plain(), p.plain(), a.current.Bound)
		}
		a.attached = true
	}
	return a.readNames(ctx, db)
}

func (a *attachment) readNames(ctx context.Context, db *DB) error {
	d := a.Definition
	roles := []string{d.Owner}
	for _, g := range d.Grants {
		roles = append(roles, g.Grantee)
	}
	for _, p := range d.Policies {
		roles = append(roles, p.Roles...)
	}
	var pubs []string
	for _, p := range d.Publication {
		pubs = append(pubs, p.Name)
	}
	find := func(sql string, names []string) (map[string]bool, error) {
		rows, err := db.QueryText(ctx, a.op, sql, names)
		found := map[string]bool{}
		for _, r := range rows {
			found[*r[0]] = true
		}
		return found, err
	}
	var err error
	if a.roles, err = find("SELECT rolname FROM pg_roles WHERE rolname = ANY ($1::text[])", roles); err != nil {
		return err
	}
	var funcs []string
	for _, t := range d.Triggers {
		funcs = append(funcs, t.Function)
	}
	if a.funcs, err = find("SELECT f FROM unnest($1::text[]) f WHERE to_regprocedure(f) IS NOT NULL", funcs); err != nil {
		return err
	}
	if a.pubs, err = find("SELECT pubname FROM pg_publication WHERE pubname = ANY ($1::text[]) AND NOT puballtables", pubs); err != nil {
		return err
	}
	mine, err := find("SELECT rolname FROM pg_roles WHERE rolname = ANY ($1::text[]) AND pg_has_role(rolname, 'USAGE')", []string{d.Owner})
	if err != nil {
		return err
	}
	a.owns = mine[d.Owner]
	if a.parent == nil {
		return nil
	}
	rows, err := db.QueryText(ctx, a.op, `SELECT n.nspname, c.relname, k.conname, k.convalidated, x.relname IS NOT NULL, x.relname, x.nspname
		FROM pg_class p JOIN pg_namespace pn ON pn.oid = p.relnamespace JOIN pg_partitioned_table t ON t.partrelid = p.oid
		LEFT JOIN pg_class c ON c.oid = t.partdefid LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
		LEFT JOIN pg_constraint k ON k.conrelid = c.oid
		LEFT JOIN (SELECT i.inhparent, b.relname, bn.nspname FROM pg_inherits i JOIN pg_class b ON b.oid = i.inhrelid JOIN pg_namespace bn ON bn.oid = b.relnamespace
			WHERE pg_get_expr(b.relpartbound, b.oid) = $3) x ON x.inhparent = p.oid
		WHERE pn.nspname = $1 AND p.relname = $2`, a.Parent.Schema, a.Parent.Table, a.Bound)
	if err != nil {
		return err
	}
	a.guards = map[string]bool{}
	for _, row := range rows {
		r := rowText(row)
		a.fallback = Name{r[0], r[1]}
		a.guards[r[2]] = r[3] == "t"
		if r[4] == "t" && !a.attached && !a.replaces(Name{r[6], r[5]}) {
			return fmt.Errorf("%s: partition %s of %s has the bound %s; nothing was done; detach it first", a.op, r[5], a.Parent.plain(), a.Bound)
		}
	}
	return nil
}

// compare refuses a table that ATTACH would refuse for its columns.
func (a *attachment) compare() error {
	if a.parent == nil {
		return nil
	}
	have := map[string]DefColumn{}
	for _, c := range a.current.Columns {
		have[c.Name] = c
	}
	var wrong []string
	for _, want := range a.parent.Columns {
		c, ok := have[want.Name]
		delete(have, want.Name)
		switch {
		case !ok:
			wrong = append(wrong, fmt.Sprintf("%q is missing", want.Name))
		case c.Type != want.Type || c.Collation != want.Collation:
			wrong = append(wrong, fmt.Sprintf("%q is %s, the parent's is %s", want.Name, strings.TrimSpace(c.Type+" "+c.Collation), strings.TrimSpace(want.Type+" "+want.Collation)))
		case (c.Generated == "") != (want.Generated == ""):
			wrong = append(wrong, fmt.Sprintf("%q is generated in only one of them", want.Name))
		}
	}
	for name := range have {
		wrong = append(wrong, fmt.Sprintf("%q is not in the parent", name))
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%s: the columns of %s do not match %s: %s; nothing was done; alter the table, then attach",
			a.op, a.table.plain(), a.Parent.plain(), strings.Join(wrong, "; "))
	}
	return nil
}

// rename is the SQL that gives the table its final schema and name.
func (a *attachment) rename() []string {
	var sql []string
	n := a.table
	if n.Schema != a.Final.Schema {
		sql = append(sql, "ALTER TABLE "+n.String()+" SET SCHEMA "+Quote(a.Final.Schema))
		n.Schema = a.Final.Schema
	}
	if n.Table != a.Final.Table {
		sql = append(sql, "ALTER TABLE "+n.String()+" RENAME TO "+Quote(a.Final.Table))
	}
	return sql
}

// attach adds the proofs of the bound, attaches, and drops them.
func (a *attachment) attach(ctx context.Context, db *DB) error {
	own, err := a.ownBound()
	if err != nil {
		return err
	}
	name := "attach to " + a.Parent.plain()
	var after []string
	constraints := map[string]bool{}
	for _, c := range a.current.Constraints {
		constraints[c.Name] = c.Validated
	}
	if len(own) == 0 {
		name += " (scans the table under its lock: a CHECK cannot prove this bound)"
	}
	if len(own) > 0 {
		all := append(conjuncts(a.parent.Constraint), own...)
		sql := "ALTER TABLE " + a.table.String()
		validated, exists := constraints[boundCheck]
		if !exists {
			a.step("add the bound as CHECK", true, sql+" ADD CONSTRAINT "+boundCheck+" CHECK ("+strings.Join(all, " AND ")+") NOT VALID")
		}
		if !validated {
			a.step("validate the bound", false, sql+" VALIDATE CONSTRAINT "+boundCheck)
		}
		after = append(after, "ALTER TABLE "+a.Final.String()+" DROP CONSTRAINT "+boundCheck)
	}
	if a.fallback.Table != "" && !a.replaces(a.fallback) && a.Bound != "DEFAULT" && len(own) > 0 {
		guard, err := a.guardDefault(ctx, db, own)
		if err != nil {
			return err
		}
		after = append(after, "ALTER TABLE "+a.fallback.String()+" DROP CONSTRAINT "+Quote(guard))
	}
	var sql []string
	for _, o := range a.Replace {
		sql = append(sql, o.moveAway()...)
	}
	sql = append(append(sql, a.rename()...), "ALTER TABLE "+a.Parent.String()+" ATTACH PARTITION "+a.Final.String()+" "+a.Bound)
	a.step(name, true, append(sql, after...)...)
	a.table = a.Final
	return nil
}

// guardDefault keeps ATTACH from scanning the DEFAULT partition under ACCESS EXCLUSIVE: a CHECK says that it has no such rows.
func (a *attachment) guardDefault(ctx context.Context, db *DB, own []string) (string, error) {
	condition := strings.Join(own, " AND ")
	rows, err := db.QueryText(ctx, a.op, "SELECT EXISTS (SELECT FROM "+a.fallback.String()+" WHERE "+condition+")")
	if err != nil {
		return "", err
	}
	if *rows[0][0] == "t" {
		return "", fmt.Errorf("%s: the DEFAULT partition %s has rows of %s; nothing was done; move them away first", a.op, a.fallback.plain(), a.Bound)
	}
	h := fnv.New32a()
	h.Write([]byte(a.Final.String() + a.Bound))
	guard := fmt.Sprintf("frostline_not_%08x", h.Sum32())
	sql := "ALTER TABLE " + a.fallback.String()
	validated, exists := a.guards[guard]
	if !exists {
		a.step("keep the DEFAULT partition free of the range", true, sql+" ADD CONSTRAINT "+Quote(guard)+" CHECK (NOT ("+condition+")) NOT VALID")
	}
	if !validated {
		a.step("validate that the DEFAULT partition is free of the range", false, sql+" VALIDATE CONSTRAINT "+Quote(guard))
	}
	return guard, nil
}

// ownBound is the bound as conditions of the table's own level. None means that no CHECK can prove it (HASH, DEFAULT) or that
// the conditions are not known (another bound than the archived one on several columns or expressions).
func (a *attachment) ownBound() ([]string, error) {
	key, err := a.partitionKey()
	if err != nil || key.Strategy == 'h' || a.Bound == "DEFAULT" {
		return nil, err
	}
	d := a.Definition
	if d.Constraint != "" && d.Bound == a.Bound && d.ParentKey != nil && d.ParentKey.Def == key.Def {
		above, all := conjuncts(d.ParentConstraint), conjuncts(d.Constraint)
		for i, c := range above {
			if i >= len(all) || all[i] != c {
				return nil, nil
			}
		}
		return all[len(above):], nil
	}
	if len(key.Columns) != 1 || key.Columns[0] == "" {
		return nil, nil
	}
	column := Quote(key.Columns[0])
	typ := ""
	for _, c := range a.parent.Columns {
		if c.Name == key.Columns[0] {
			typ = "::" + c.Type
		}
	}
	terms := []string{"(" + column + " IS NOT NULL)"}
	if from, to := rangeBound(a.Bound); len(from) == 1 && len(to) == 1 {
		if from[0] != "MINVALUE" {
			terms = append(terms, "("+column+" >= "+Literal(from[0])+typ+")")
		}
		if to[0] != "MAXVALUE" {
			terms = append(terms, "("+column+" < "+Literal(to[0])+typ+")")
		}
		return terms, nil
	}
	values, hasNull := listBound(a.Bound)
	if len(values) == 0 || hasNull {
		return nil, nil
	}
	for i, v := range values {
		values[i] = Literal(v) + typ
	}
	return append(terms, "("+column+" = ANY (ARRAY["+strings.Join(values, ", ")+"]))"), nil
}

func (a *attachment) partitionKey() (*PartitionKey, error) {
	if a.parent.Key == nil {
		return nil, errors.New(a.op + ": the parent's partition key cannot be read")
	}
	return a.parent.Key, nil
}
