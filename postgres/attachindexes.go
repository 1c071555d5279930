package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

func (a *attachment) logged() {
	if a.current.Persistence == "u" && (a.parent == nil || a.parent.Persistence == "p") {
		a.step("make it logged", false, "ALTER TABLE "+a.table.String()+" SET LOGGED")
	}
}

// columns sets NOT NULL where the parent has it, and what the leaf's columns had of their own.
func (a *attachment) columns() {
	current := map[string]DefColumn{}
	for _, c := range a.current.Columns {
		current[c.Name] = c
	}
	var actions []string
	if a.parent != nil {
		for _, c := range a.parent.Columns {
			if c.NotNull && !current[c.Name].NotNull {
				actions = append(actions, "ALTER COLUMN "+Quote(c.Name)+" SET NOT NULL")
			}
		}
	}
	for _, c := range a.Definition.Columns {
		now, ok := current[c.Name]
		if !ok {
			continue
		}
		if c.Storage != now.Storage || c.Compression != now.Compression {
			actions = append(actions, c.storageActions()...)
		}
		if c.Statistics != nil && (now.Statistics == nil || *now.Statistics != *c.Statistics) {
			actions = append(actions, fmt.Sprintf("ALTER COLUMN %s SET STATISTICS %d", Quote(c.Name), *c.Statistics))
		}
		if len(c.Options) > 0 && !slices.Equal(c.Options, now.Options) {
			actions = append(actions, "ALTER COLUMN "+Quote(c.Name)+" SET ("+strings.Join((&Definition{Options: c.Options}).allOptions(), ", ")+")")
		}
	}
	if options := a.Definition.allOptions(); !slices.Equal(options, a.current.allOptions()) && len(options) > 0 {
		actions = append(actions, "SET ("+strings.Join(options, ", ")+")")
	}
	if len(actions) > 0 {
		a.step("set the columns' properties", false, "ALTER TABLE "+a.table.String()+"\n\t"+strings.Join(actions, ",\n\t"))
	}
}

// same says that one index can stand for the other.
func (x DefIndex) same(y DefIndex) bool {
	return x.Body == y.Body && x.Unique == y.Unique && (x.ConstraintType == y.ConstraintType)
}

// carries says that the plain index y can become x's constraint.
func (x DefIndex) carries(y DefIndex) bool {
	return (x.ConstraintType == "p" || x.ConstraintType == "u") && y.ConstraintType == "" && y.Unique && x.Body == y.Body
}

// byDefinition says that only its constraint's definition makes x: EXCLUDE, and the temporal keys of 18.
func (x DefIndex) byDefinition() bool {
	return x.ConstraintType == "x" || x.ConstraintType != "" && !strings.HasPrefix(x.Body, "USING btree ")
}

// buildIndexes makes every index of the parent that the table lacks, since ATTACH would build it under its lock, then the
// leaf's own. ATTACH takes no index for a constraint that is made by definition (CompareIndexInfo of src/backend/catalog/index.c):
// it builds another one, and fails on a second primary key.
func (a *attachment) buildIndexes(ctx context.Context, db *DB) error {
	var want []DefIndex
	if a.parent != nil {
		want = slices.DeleteFunc(slices.Clone(a.parent.Indexes), DefIndex.byDefinition)
		for i := range want {
			want[i].Name = "" // the archived leaf's name for it, or a new one
			want[i].Constraint = ""
			want[i].Statistics, want[i].Tablespace = nil, ""
		}
	}
	for _, x := range a.Definition.Indexes {
		at := slices.IndexFunc(want, func(w DefIndex) bool { return w.Name == "" && w.same(x) })
		switch {
		case at >= 0:
			want[at] = x
		case a.parent == nil || !x.Inherited: // an index that the parent lost since is not made again
			if x.Valid {
				want = append(want, x)
			}
		}
	}
	var sql []string
	used := map[string]bool{}
	take := func(fits func(c DefIndex) bool) string {
		at := slices.IndexFunc(a.current.Indexes, func(c DefIndex) bool { return c.Valid && !used[c.Name] && fits(c) })
		if at < 0 {
			return ""
		}
		used[a.current.Indexes[at].Name] = true
		return a.current.Indexes[at].Name
	}
	missing := map[int]DefIndex{}
	for i, x := range want {
		if name := take(x.same); name != "" {
			a.indexes[x.Name] = name
		} else {
			missing[i] = x
		}
	}
	for _, i := range slices.Sorted(maps.Keys(missing)) {
		x := missing[i]
		// A run that was killed may have left the index without its constraint.
		name, ready := take(x.carries), true
		if name == "" {
			var err error
			if name, err = a.freeName(ctx, db, x, i); err != nil {
				return err
			}
			ready = false
		}
		a.indexes[x.Name] = name
		sql = append(sql, a.createIndex(x, name, ready)...)
	}
	a.step("build indexes", false, sql...)
	return nil
}

// createIndex makes x under that name, of an index that is there already when ready.
func (a *attachment) createIndex(x DefIndex, name string, ready bool) []string {
	table := a.table.String()
	constraint := "ALTER TABLE " + table + " ADD CONSTRAINT " + Quote(name) + " "
	if x.byDefinition() {
		return []string{constraint + x.ConstraintDef}
	}
	unique := ""
	if x.Unique {
		unique = "UNIQUE "
	}
	create := "CREATE " + unique + "INDEX " + Quote(name) + " ON " + table + " " + x.Body
	if x.Tablespace != "" && !strings.Contains(x.Body, " WHERE ") {
		create += " TABLESPACE " + Quote(x.Tablespace)
	}
	sql := []string{create}
	if ready {
		sql = nil
	}
	for _, s := range x.Statistics {
		sql = append(sql, fmt.Sprintf("ALTER INDEX %s ALTER COLUMN %d SET STATISTICS %d", Name{a.table.Schema, name}, s.Number, s.Target))
	}
	kind := map[string]string{"p": "PRIMARY KEY", "u": "UNIQUE"}[x.ConstraintType]
	if kind != "" {
		add := constraint + kind + " USING INDEX " + Quote(name)
		if strings.Contains(x.ConstraintDef, ") DEFERRABLE") {
			add += " DEFERRABLE"
			if strings.HasSuffix(x.ConstraintDef, " INITIALLY DEFERRED") {
				add += " INITIALLY DEFERRED"
			}
		}
		sql = append(sql, add)
	}
	return sql
}

// freeName is the archived name of an index where nobody has it now, else one made of the table's.
func (a *attachment) freeName(ctx context.Context, db *DB, x DefIndex, i int) (string, error) {
	suffix := "_idx"
	switch x.ConstraintType {
	case "p":
		suffix = "_pkey"
	case "u", "x":
		suffix = "_key"
	}
	for try := range 1000 {
		name := x.Name
		if try > 0 || name == "" {
			end := suffix
			if try > 0 {
				end = fmt.Sprintf("%s%d", suffix, try+i)
			}
			name = cutName(a.Final.Table, 63-len(end)) + end
		}
		free := !a.taken[name]
		for _, schema := range []string{a.table.Schema, a.Final.Schema} {
			if exists, err := db.Exists(ctx, Name{schema, name}); err != nil {
				return "", err
			} else if exists {
				free = false
			}
		}
		if free {
			a.taken[name] = true
			return name, nil
		}
	}
	return "", fmt.Errorf("%s: no free name for an index of %s", a.op, a.Final.plain())
}

// cutName cuts an identifier to n bytes at a character's edge, as PostgreSQL's names are.
func cutName(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}

// checks adds the CHECK constraints that the parent has, which ATTACH wants to find, and the leaf's own.
func (a *attachment) checks() error {
	have := map[string]DefConstraint{}
	for _, c := range a.current.Constraints {
		have[c.Name] = c
	}
	var sql []string
	add := func(c DefConstraint, whose string) error {
		if c.Type != "c" || c.Name == boundCheck || whose == "leaf" && c.Inherited && a.parent != nil {
			return nil
		}
		if now, ok := have[c.Name]; ok {
			if strings.TrimSuffix(now.Def, " NOT VALID") != strings.TrimSuffix(c.Def, " NOT VALID") {
				if whose == "leaf" {
					return nil // the parent's of that name counts
				}
				return fmt.Errorf("%s: constraint %q of %s is %s, the parent's is %s; nothing was done; drop the former", a.op, c.Name, a.table.plain(), now.Def, c.Def)
			}
			return nil
		}
		have[c.Name] = c
		sql = append(sql, "ALTER TABLE "+a.table.String()+" ADD CONSTRAINT "+Quote(c.Name)+" "+c.Def)
		return nil
	}
	if a.parent != nil {
		for _, c := range a.parent.Constraints {
			if err := add(c, "parent"); err != nil {
				return err
			}
		}
	}
	for _, c := range a.Definition.Constraints {
		if err := add(c, "leaf"); err != nil {
			return err
		}
	}
	a.step("add CHECK constraints", false, sql...)
	return nil
}

// foreignKeys adds outgoing foreign keys NOT VALID, which locks the other table only for a moment, then validates: ATTACH takes
// them over instead of checking every row under its lock.
func (a *attachment) foreignKeys() {
	have := map[string]bool{}
	names := map[string]bool{}
	var validate []string
	for _, c := range a.current.Constraints {
		names[c.Name] = true
		if c.Type == "f" {
			have[strings.TrimSuffix(c.Def, " NOT VALID")] = true
			if !c.Validated && !a.attached {
				validate = append(validate, c.Name)
			}
		}
	}
	var sql []string
	add := func(c DefConstraint) {
		def := strings.TrimSuffix(c.Def, " NOT VALID")
		if c.Type != "f" || have[def] {
			return
		}
		have[def] = true
		name := c.Name
		for i := 1; names[name]; i++ {
			name = fmt.Sprintf("%s_%d", cutName(c.Name, 58), i)
		}
		names[name] = true
		sql = append(sql, "ALTER TABLE "+a.table.String()+" ADD CONSTRAINT "+Quote(name)+" "+def+" NOT VALID")
		if c.Validated {
			validate = append(validate, name)
		}
	}
	if a.parent != nil {
		for _, c := range a.parent.Constraints {
			add(c)
		}
	}
	for _, c := range a.Definition.Constraints {
		if a.parent == nil || !c.Inherited {
			add(c)
		}
	}
	a.step("add foreign keys", true, sql...)
	for i, name := range validate {
		validate[i] = "ALTER TABLE " + a.table.String() + " VALIDATE CONSTRAINT " + Quote(name)
	}
	a.step("validate foreign keys", false, validate...)
}
