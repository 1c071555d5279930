package postgres

import (
	"errors"
	"fmt"
	"strings"
)

// StagingOptions choose how a staging table is made.
type StagingOptions struct {
	Target     Name
	Unlogged   bool
	Tablespace string
}

// CreateStaging is the SQL that creates the bare staging table: columns with types, typmods, collations, defaults, generated, NOT NULL;
// no keys, no indexes, no identity. What the columns need beside it is made by Prerequisites.
func (d *Definition) CreateStaging(o StagingOptions) (string, error) {
	if len(d.Columns) == 0 && d.Kind == "" { // a table may have none
		return "", errors.New("create the staging table: the archived definition is empty")
	}
	if o.Target.Schema == "" || o.Target.Table == "" {
		return "", errors.New("create the staging table: its schema or name is empty")
	}
	lines := make([]string, len(d.Columns))
	for i, c := range d.Columns {
		line, err := c.definition()
		if err != nil {
			return "", fmt.Errorf("create the staging table %s: %w", o.Target.plain(), err)
		}
		lines[i] = "\t" + line
	}
	kind := "TABLE"
	if o.Unlogged {
		kind = "UNLOGGED TABLE"
	}
	body := "()"
	if len(lines) > 0 {
		body = "(\n" + strings.Join(lines, ",\n") + "\n)"
	}
	sql := "CREATE " + kind + " " + o.Target.String() + " " + body
	if d.AccessMethod != "" && d.AccessMethod != "heap" {
		sql += " USING " + Quote(d.AccessMethod)
	}
	if options := d.allOptions(); len(options) > 0 { // fillfactor and friends decide how loaded rows lie
		sql += " WITH (" + strings.Join(options, ", ") + ")"
	}
	if o.Tablespace != "" {
		sql += " TABLESPACE " + Quote(o.Tablespace)
	}
	for _, c := range d.Columns {
		for _, action := range c.storageActions() {
			sql += ";\nALTER TABLE " + o.Target.String() + " " + action
		}
	}
	return sql, nil
}

func (c DefColumn) definition() (string, error) {
	if c.Name == "" || c.Type == "" {
		return "", fmt.Errorf("column %d of the archived definition has no name or no type", c.AttNum)
	}
	line := Quote(c.Name) + " " + c.Type
	if c.Collation != "" {
		line += " COLLATE " + c.Collation
	}
	switch {
	case c.Generated != "" && c.Default == nil:
		return "", fmt.Errorf("column %q is generated, but its expression is missing", c.Name)
	case c.Generated == "v":
		line += " GENERATED ALWAYS AS (" + *c.Default + ") VIRTUAL"
	case c.Generated != "":
		line += " GENERATED ALWAYS AS (" + *c.Default + ") STORED"
	case c.Default != nil:
		line += " DEFAULT " + *c.Default
	}
	if c.NotNull {
		line += " NOT NULL"
	}
	return line, nil
}

// allOptions are the storage parameters as a WITH list has them.
func (d *Definition) allOptions() []string {
	var all []string
	add := func(prefix string, options []string) {
		for _, o := range options {
			name, value, _ := strings.Cut(o, "=")
			all = append(all, prefix+Quote(name)+" = "+strings.TrimSpace(Literal(value)))
		}
	}
	add("", d.Options)
	add("toast.", d.ToastOptions)
	return all
}

var storageNames = map[string]string{"p": "PLAIN", "e": "EXTERNAL", "m": "MAIN", "x": "EXTENDED"}
var compressionNames = map[string]string{"p": "pglz", "l": "lz4"}

// storageActions are the ALTER TABLE actions for how a column's values are stored.
func (c DefColumn) storageActions() []string {
	var actions []string
	if name := storageNames[c.Storage]; name != "" {
		actions = append(actions, "ALTER COLUMN "+Quote(c.Name)+" SET STORAGE "+name)
	}
	if name := compressionNames[c.Compression]; name != "" {
		actions = append(actions, "ALTER COLUMN "+Quote(c.Name)+" SET COMPRESSION "+name)
	}
	return actions
}

// Prerequisites is the SQL that makes what the columns need and may be gone: schemas, collations, user types, and sequences that
// defaults call. Each statement does nothing where the object exists; extensions are not created.
func (d *Definition) Prerequisites() []string {
	var sql []string
	schemas := map[string]bool{}
	schema := func(name string) {
		if !schemas[name] {
			schemas[name] = true
			sql = append(sql, EnsureSchema(name))
		}
	}
	for _, c := range d.Collations {
		schema(c.Name.Schema)
		sql = append(sql, unless("SELECT FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace WHERE n.nspname = "+
			Literal(c.Name.Schema)+" AND c.collname = "+Literal(c.Name.Table), c.create()))
	}
	for _, t := range d.Types {
		schema(t.Name.Schema)
		sql = append(sql, unless("SELECT FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname = "+
			Literal(t.Name.Schema)+" AND t.typname = "+Literal(t.Name.Table), t.create()))
	}
	for _, s := range d.Sequences {
		schema(s.Name.Schema)
		create := fmt.Sprintf("CREATE SEQUENCE IF NOT EXISTS %s AS %s INCREMENT BY %d MINVALUE %d MAXVALUE %d START WITH %d CACHE %d",
			s.Name, s.Type, s.Increment, s.Min, s.Max, s.Start, s.Cache)
		if s.Cycle {
			create += " CYCLE"
		}
		if s.Last != nil { // only a sequence that is made here is moved
			create += fmt.Sprintf("; PERFORM pg_catalog.setval(%s, %d)", Literal(s.Name.String()), *s.Last)
		}
		sql = append(sql, unless("SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = "+
			Literal(s.Name.Schema)+" AND c.relname = "+Literal(s.Name.Table), create))
	}
	return sql
}

// unless runs a statement where a query finds nothing.
func unless(query, statement string) string {
	body := "BEGIN IF NOT EXISTS (" + query + ") THEN " + statement + "; END IF; END"
	tag := "$do$"
	for strings.Contains(body, tag) {
		tag = tag[:len(tag)-1] + "o$"
	}
	return "DO " + tag + body + tag
}

func (t DefType) create() string {
	switch t.Kind {
	case "e":
		labels := make([]string, len(t.Labels))
		for i, l := range t.Labels {
			labels[i] = Literal(l)
		}
		return "CREATE TYPE " + t.Name.String() + " AS ENUM (" + strings.Join(labels, ", ") + ")"
	case "d":
		sql := "CREATE DOMAIN " + t.Name.String() + " AS " + t.Base
		if t.Collation != "" {
			sql += " COLLATE " + t.Collation
		}
		if t.Default != nil {
			sql += " DEFAULT " + *t.Default
		}
		if t.NotNull {
			sql += " NOT NULL"
		}
		for _, c := range t.Checks {
			sql += " " + c
		}
		return sql
	case "r":
		return "CREATE TYPE " + t.Name.String() + " AS RANGE (SUBTYPE = " + t.Base + t.Range.options() + ")"
	}
	attributes := make([]string, len(t.Attributes))
	for i, a := range t.Attributes {
		attributes[i] = Quote(a.Name) + " " + a.Type
		if a.Collation != "" {
			attributes[i] += " COLLATE " + a.Collation
		}
	}
	return "CREATE TYPE " + t.Name.String() + " AS (" + strings.Join(attributes, ", ") + ")"
}
