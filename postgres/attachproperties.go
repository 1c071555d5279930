package postgres

import (
	"fmt"
	"slices"
	"strings"
)

// sequences moves identities and owned sequences past the largest restored value, never back.
func (a *attachment) sequences() {
	if a.parent == nil {
		return
	}
	var sql []string
	for _, c := range a.parent.Columns {
		s := c.Sequence
		if s == nil {
			continue
		}
		last, beyond := "max", ">"
		if s.Increment < 0 {
			last, beyond = "min", "<"
		}
		sql = append(sql, fmt.Sprintf("SELECT pg_catalog.setval(%s::pg_catalog.regclass, x.m) FROM (SELECT %s(%s)::int8 AS m FROM %s) AS x, %s AS s\n"+
			"\tWHERE x.m BETWEEN %d AND %d AND (x.m %s s.last_value OR x.m = s.last_value AND NOT s.is_called)",
			strings.TrimSpace(Literal(s.Name.String())), last, Quote(c.Name), a.table, s.Name, s.Min, s.Max, beyond))
	}
	a.step("move sequences past the restored values", false, sql...)
}

// properties adds what only the leaf had: triggers, statistics, row security, grants, comments, replica identity.
func (a *attachment) properties() {
	sql := slices.Concat(a.triggers(), a.statistics(), a.security(), a.grants(), a.comments(), a.marks())
	a.step("restore what only the partition had", true, sql...)
}

// forms are the ways in which the deparser may have written a name.
func forms(n Name) []string {
	return []string{quoteIdent(n.Schema) + "." + quoteIdent(n.Table), Quote(n.Schema) + "." + quoteIdent(n.Table),
		quoteIdent(n.Schema) + "." + Quote(n.Table), n.String()}
}

// rewrite puts the table's name where deparsed SQL has the archived one after a word (" ON ", " FROM ").
func (a *attachment) rewrite(sql, word string) string {
	for _, form := range forms(a.Definition.Name) {
		for _, end := range []string{" ", ""} {
			if end == "" && !strings.HasSuffix(sql, word+form) {
				continue
			}
			if out, ok := replaceOnce(sql, word+form+end, word+a.table.String()+end); ok {
				return out
			}
		}
	}
	return comment("skipped, since it does not name %s: %s", a.Definition.Name.plain(), sql)
}

func (a *attachment) triggers() []string {
	var sql []string
	for _, t := range a.Definition.Triggers {
		if slices.ContainsFunc(a.current.Triggers, func(now DefTrigger) bool { return now.Name == t.Name }) {
			continue
		}
		if t.Function != "" && !a.funcs[t.Function] { // older records do not have it
			sql = append(sql, comment("skipped trigger %q: function %s does not exist", t.Name, t.Function))
			continue
		}
		sql = append(sql, a.rewrite(t.Def, " ON "))
		state := map[string]string{"D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}[t.Enabled]
		if state != "" {
			sql = append(sql, "ALTER TABLE "+a.table.String()+" "+state+" TRIGGER "+Quote(t.Name))
		}
		if t.Comment != nil {
			sql = append(sql, "COMMENT ON TRIGGER "+Quote(t.Name)+" ON "+a.table.String()+" IS "+Literal(*t.Comment))
		}
	}
	return sql
}

func (a *attachment) statistics() []string {
	var sql []string
	for _, s := range a.Definition.Statistics {
		if slices.ContainsFunc(a.current.Statistics, func(now DefStatistics) bool { return now.Name == s.Name }) {
			continue
		}
		def := a.rewrite(s.Def, " FROM ")
		sql = append(sql, strings.Replace(def, "CREATE STATISTICS ", "CREATE STATISTICS IF NOT EXISTS ", 1))
		if strings.HasPrefix(def, "--") {
			continue
		}
		if s.Target != nil {
			sql = append(sql, fmt.Sprintf("ALTER STATISTICS %s SET STATISTICS %d", s.Name, *s.Target))
		}
		if s.Note != nil {
			sql = append(sql, "COMMENT ON STATISTICS "+s.Name.String()+" IS "+Literal(*s.Note))
		}
	}
	return sql
}

// security makes policies before it switches row security on.
func (a *attachment) security() []string {
	table := a.table.String()
	var sql []string
	for _, p := range a.Definition.Policies {
		if slices.ContainsFunc(a.current.Policies, func(now DefPolicy) bool { return now.Name == p.Name }) {
			continue
		}
		var roles []string
		for _, r := range p.Roles {
			if a.roles[r] {
				roles = append(roles, Quote(r))
			}
		}
		if len(p.Roles) > 0 && len(roles) == 0 {
			sql = append(sql, comment("skipped policy %q: none of its roles exists: %s", p.Name, strings.Join(p.Roles, ", ")))
			continue
		}
		if len(roles) == 0 {
			roles = []string{"PUBLIC"}
		}
		kind := "RESTRICTIVE"
		if p.Permissive {
			kind = "PERMISSIVE"
		}
		command := map[string]string{"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE"}[p.Command]
		if command == "" {
			command = "ALL"
		}
		create := "CREATE POLICY " + Quote(p.Name) + " ON " + table + " AS " + kind + " FOR " + command + " TO " + strings.Join(roles, ", ")
		if p.Using != nil {
			create += " USING (" + *p.Using + ")"
		}
		if p.Check != nil {
			create += " WITH CHECK (" + *p.Check + ")"
		}
		sql = append(sql, create)
	}
	if a.Definition.RowSecurity && !a.current.RowSecurity {
		sql = append(sql, "ALTER TABLE "+table+" ENABLE ROW LEVEL SECURITY")
	}
	if a.Definition.ForceRowSecurity && !a.current.ForceRowSecurity {
		sql = append(sql, "ALTER TABLE "+table+" FORCE ROW LEVEL SECURITY")
	}
	return sql
}

func (a *attachment) grants() []string {
	var sql []string
	for _, g := range a.Definition.Grants {
		if slices.Contains(a.current.Grants, g) {
			continue
		}
		grantee := "PUBLIC"
		if g.Grantee != "" {
			if !a.roles[g.Grantee] {
				sql = append(sql, comment("skipped GRANT %s: role %q does not exist", g.Privilege, g.Grantee))
				continue
			}
			grantee = Quote(g.Grantee)
		}
		grant := "GRANT " + g.Privilege
		if g.Column != "" {
			grant += " (" + Quote(g.Column) + ")"
		}
		grant += " ON " + a.table.String() + " TO " + grantee
		if g.Grantable {
			grant += " WITH GRANT OPTION"
		}
		sql = append(sql, grant)
	}
	return sql
}

func (a *attachment) comments() []string {
	d, table := a.Definition, a.table.String()
	var sql []string
	differs := func(want, now *string) bool { return want != nil && (now == nil || *now != *want) }
	if differs(d.Comment, a.current.Comment) {
		sql = append(sql, "COMMENT ON TABLE "+table+" IS "+Literal(*d.Comment))
	}
	columns := map[string]*string{}
	for _, c := range a.current.Columns {
		columns[c.Name] = c.Comment
	}
	for _, c := range d.Columns {
		if now, ok := columns[c.Name]; ok && differs(c.Comment, now) {
			sql = append(sql, "COMMENT ON COLUMN "+table+"."+Quote(c.Name)+" IS "+Literal(*c.Comment))
		}
	}
	constraints := map[string]*string{}
	for _, c := range a.current.Constraints {
		constraints[c.Name] = c.Comment
	}
	inherited := map[string]bool{}
	if a.parent != nil {
		for _, c := range a.parent.Constraints {
			inherited[c.Name] = c.Type == "c"
		}
	}
	for _, c := range d.Constraints {
		lost := c.Inherited && a.parent != nil && !inherited[c.Name]
		if c.Type == "c" && !lost && differs(c.Comment, constraints[c.Name]) {
			sql = append(sql, "COMMENT ON CONSTRAINT "+Quote(c.Name)+" ON "+table+" IS "+Literal(*c.Comment))
		}
	}
	indexes := map[string]*string{}
	for _, x := range a.current.Indexes {
		indexes[x.Name] = x.Comment
	}
	for _, x := range d.Indexes {
		if name := a.indexes[x.Name]; name != "" && differs(x.Comment, indexes[name]) {
			sql = append(sql, "COMMENT ON INDEX "+Name{a.table.Schema, name}.String()+" IS "+Literal(*x.Comment))
		}
	}
	return sql
}

// marks are replica identity and the clustered index.
func (a *attachment) marks() []string {
	d, table := a.Definition, a.table.String()
	var sql []string
	if identity := map[string]string{"n": "NOTHING", "f": "FULL"}[d.ReplicaIdentity]; identity != "" && a.current.ReplicaIdentity != d.ReplicaIdentity {
		sql = append(sql, "ALTER TABLE "+table+" REPLICA IDENTITY "+identity)
	}
	marked := map[string]DefIndex{}
	for _, x := range a.current.Indexes {
		marked[x.Name] = x
	}
	for _, x := range d.Indexes {
		name := a.indexes[x.Name]
		if name == "" {
			continue
		}
		if x.ReplicaIdentity && !marked[name].ReplicaIdentity {
			sql = append(sql, "ALTER TABLE "+table+" REPLICA IDENTITY USING INDEX "+Quote(name))
		}
		if x.Clustered && !marked[name].Clustered {
			sql = append(sql, "ALTER TABLE "+table+" CLUSTER ON "+Quote(name))
		}
	}
	return sql
}

// publications lists the table again where the archived one was listed by name.
func (a *attachment) publications() {
	var sql []string
	for _, p := range a.Definition.Publication {
		if slices.ContainsFunc(a.current.Publication, func(now DefPublished) bool { return now.Name == p.Name }) {
			continue
		}
		if !a.pubs[p.Name] {
			sql = append(sql, comment("skipped publication %q: it does not exist", p.Name))
			continue
		}
		add := "ALTER PUBLICATION " + Quote(p.Name) + " ADD TABLE " + a.table.String()
		if len(p.Columns) > 0 {
			add += " (" + quoteAll(p.Columns) + ")"
		}
		if p.Filter != "" {
			add += " WHERE (" + p.Filter + ")"
		}
		sql = append(sql, add)
	}
	a.step("publish again", true, sql...)
}

// finish analyses and gives the table back to its owner.
func (a *attachment) finish(db *DB) {
	analyze := []string{"ANALYZE " + a.table.String()}
	if a.parent != nil && db.version >= 180000 { // before, ANALYZE of a parent also reads every partition again
		analyze = append(analyze, "ANALYZE ONLY "+a.Parent.String())
	}
	a.step("analyse", false, analyze...)
	owner := a.Definition.Owner
	switch {
	case owner == "" || owner == a.current.Owner:
	case a.owns:
		a.step("give it to its owner", true, "ALTER TABLE "+a.table.String()+" OWNER TO "+Quote(owner))
	default:
		a.step("give it to its owner", true, comment("skipped: role %q does not exist, or this user is not a member of it", owner))
	}
}
