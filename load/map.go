package load

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
	"frostline/postgres"
)

// column is one column of the target that the files fill.
type column struct {
	source string
	target string
	ddl    string
	hive   bool // its value is the folder's
	want   want
}

// plan is a load before it begins.
type plan struct {
	req     Request
	src     *source
	exists  bool
	facts   facts
	columns []column
	method  string
	stage   postgres.Name
	checks  postgres.Name
	result  Result
	unlock  func()

	retries  atomic.Int64
	rejected atomic.Int64 // in this run
	rejects  []reject
}

// sourceColumn is a column of the files, by its name: the types that it has and one file for each.
type sourceColumn struct {
	name  string
	types []arrow.DataType
	file  []string
	hive  bool
}

func (l *Loader) plan(ctx context.Context, req Request) (*plan, error) {
	if err := req.check(); err != nil {
		return nil, err
	}
	src, err := l.openSource(ctx, req.Source)
	if err != nil {
		return nil, err
	}
	p := &plan{req: req, src: src, unlock: func() {}}
	p.result = Result{Source: src.location, Target: req.Target.Schema + "." + req.Target.Table, Files: len(src.files), Records: src.rows,
		Bytes: src.bytes, Ignored: src.ignored, DeadLetter: req.DeadLetter, Mapping: []Mapping{}, Plan: []string{}}
	fail := func(err error) (*plan, error) {
		return nil, fmt.Errorf("plan the load of %s into %s: %w", p.result.Source, p.result.Target, err)
	}
	columns, err := src.columns()
	if err != nil {
		return fail(err)
	}
	table, err := l.DB.Table(ctx, req.Target)
	switch {
	case errors.Is(err, postgres.ErrNoTable):
		if there, xerr := l.DB.Exists(ctx, req.Target); xerr != nil || there {
			return fail(errors.Join(xerr, err))
		}
		err = l.mapNew(ctx, p, columns)
	case err != nil:
	case req.Create:
		err = fmt.Errorf("%w: it is there, and --create wants to make it; nothing was done", ErrExists)
	default:
		p.exists = true
		if p.facts, err = l.inspect(ctx, table); err == nil {
			err = p.mapTable(table, columns)
		}
	}
	if err == nil {
		err = l.choose(ctx, p)
	}
	if err != nil {
		return fail(err)
	}
	p.result.Created = !p.exists
	p.names()
	return p, nil
}

func (req Request) check() error {
	bad := func(text string) error {
		return fmt.Errorf("load: %w: %s; nothing was done", ErrBadInput, text)
	}
	switch {
	case req.Target.Schema == "" || req.Target.Table == "":
		return bad("the target's schema or name is empty")
	case !slices.Contains([]string{"", Auto, Copy, Insert}, req.Method):
		return bad(fmt.Sprintf("the method is %q, want copy, insert or auto", req.Method))
	case !slices.Contains([]string{"", "fail", "skip", "update"}, req.OnConflict):
		return bad(fmt.Sprintf("on conflict %q, want fail, skip or update", req.OnConflict))
	case req.SRID < 0 || req.SRID > 999999:
		return bad("an SRID is 0 to 999999")
	}
	return nil
}

// columns are those of all files, in the order in which they come, then those of the folders.
func (s *source) columns() ([]*sourceColumn, error) {
	var list []*sourceColumn
	byName := map[string]*sourceColumn{}
	hive := map[string]bool{}
	for _, f := range s.files {
		seen := map[string]bool{}
		for _, field := range f.schema.Fields() {
			if seen[field.Name] {
				return nil, fmt.Errorf("%w: %s has two columns %q", ErrMismatch, f.name, field.Name)
			}
			seen[field.Name] = true
			c := byName[field.Name]
			if c == nil {
				c = &sourceColumn{name: field.Name}
				byName[field.Name] = c
				list = append(list, c)
			}
			dt := field.Type
			if !slices.ContainsFunc(c.types, func(t arrow.DataType) bool { return arrow.TypeEqual(t, dt) }) {
				if err := tryBind(dt, want{scale: -1, fraction: 6}); err != nil {
					return nil, fmt.Errorf("%w: %s, column %q: %w", ErrMismatch, f.name, field.Name, err)
				}
				c.types, c.file = append(c.types, dt), append(c.file, f.name)
			}
		}
		for name := range f.hive {
			hive[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(hive)) {
		if byName[name] == nil { // a column of the files wins over the folder's name
			list = append(list, &sourceColumn{name: name, hive: true, types: []arrow.DataType{arrow.BinaryTypes.String}, file: []string{"the folders"}})
		}
	}
	return list, nil
}

var (
	wholeNumber = regexp.MustCompile(`^-?\d{1,18}$`)
	isoDate     = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)
)

// hiveType is the type of a folder's column: of all its values.
func (s *source) hiveType(name string) string {
	number, date := true, true
	for _, f := range s.files {
		if v, ok := f.hive[name]; ok && v != hiveNull {
			number = number && wholeNumber.MatchString(v) && !(len(v) > 1 && v[0] == '0') // 01 is text
			date = date && isoDate.MatchString(v)
		}
	}
	switch {
	case number:
		return "bigint"
	case date:
		return "date"
	}
	return "text"
}

// mapNew makes the columns of a new table.
func (l *Loader) mapNew(ctx context.Context, p *plan, columns []*sourceColumn) error {
	postgis, err := l.postgis(ctx)
	if err != nil {
		return err
	}
	for _, g := range p.req.Geometry {
		if !slices.ContainsFunc(columns, func(c *sourceColumn) bool { return c.name == g }) {
			return fmt.Errorf("%w: --geometry names %q, and no file has it", ErrMismatch, g)
		}
	}
	for _, c := range columns {
		ddl, base := "", ""
		for i, dt := range c.types {
			d, b, err := newType(dt)
			if err != nil {
				return fmt.Errorf("%w: %s, column %q: %w", ErrMismatch, c.file[i], c.name, err)
			}
			if plain(dt).ID() == arrow.NULL && i > 0 {
				continue
			}
			if i == 0 || plain(c.types[0]).ID() == arrow.NULL && base == "text" {
				ddl, base = d, b
				continue
			}
			w, ok := wider(ddl, d)
			if !ok {
				return fmt.Errorf("%w: column %q is %s in %s and %s in %s; make the table yourself", ErrMismatch, c.name, ddl, c.file[0], d, c.file[i])
			}
			if ddl != w {
				ddl, base = w, b
			}
		}
		note, srid := "", p.req.SRID
		if c.hive {
			ddl, note = p.src.hiveType(c.name), "from the names of the folders"
			base = map[string]string{"bigint": "int8", "date": "date", "text": "text"}[ddl]
		}
		if geo, code := p.geometry(c.name); geo && base == "bytea" {
			if srid == 0 {
				srid = code
			}
			switch {
			case postgis != "":
				ddl, base, note = postgres.Quote(postgis)+".geometry", "geometry", "WKB or EWKB"
				if srid > 0 {
					note += ", SRID " + strconv.Itoa(srid) + " where it has none"
				}
			case slices.Contains(p.req.Geometry, c.name):
				return fmt.Errorf("%w: column %q shall be geometry, and the database has no PostGIS; CREATE EXTENSION postgis first", ErrMismatch, c.name)
			default:
				note = "geometry, but the database has no PostGIS"
			}
		}
		p.add(column{source: c.name, target: c.name, ddl: ddl, hive: c.hive, want: newWant(ddl, base, srid)}, c, note)
	}
	return p.notEmpty()
}

// newWant is the want of a type that newType chose: it holds every value, but an array's is of its elements.
func newWant(ddl, base string, srid int) want {
	w := want{base: base, scale: -1, fraction: 6, srid: srid}
	if elem, ok := strings.CutSuffix(ddl, "[]"); ok {
		e := newWant(elem, strings.TrimPrefix(base, "_"), srid)
		w.elem, w.delim = &e, ','
	}
	return w
}

// geometry says whether a column of a new table holds WKB, and its SRID.
func (p *plan) geometry(name string) (bool, int) {
	for _, f := range p.src.files {
		if srid, ok := f.geo[name]; ok {
			return true, srid
		}
	}
	return slices.Contains(p.req.Geometry, name), 0
}

func (p *plan) add(c column, s *sourceColumn, note string) {
	kinds := make([]string, len(s.types))
	for i, t := range s.types {
		kinds[i] = t.String()
	}
	p.columns = append(p.columns, c)
	p.result.Mapping = append(p.result.Mapping, Mapping{Source: c.source, SourceType: strings.Join(kinds, " or "), Target: c.target, TargetType: c.ddl, Note: note})
}

func (p *plan) notEmpty() error {
	if len(p.columns) == 0 {
		return fmt.Errorf("%w: no column of the files goes into the table", ErrMismatch)
	}
	return nil
}

// mapTable matches the columns of the files with those of an existing table: by the same name, else by the only one that
// differs in case alone.
func (p *plan) mapTable(t *postgres.Table, columns []*sourceColumn) error {
	var problems []string
	taken := map[string]string{}
	for _, c := range columns {
		at := slices.IndexFunc(t.Columns, func(x coltype.Column) bool { return x.Name == c.name })
		if at < 0 {
			var err error
			if at, err = foldMatch(t.Columns, c.name); err != nil {
				problems = append(problems, err.Error())
				continue
			}
		}
		if at < 0 {
			if !p.req.IgnoreExtra {
				problems = append(problems, fmt.Sprintf("the table has no column %q (--ignore-extra leaves it out)", c.name))
			}
			p.result.Mapping = append(p.result.Mapping, Mapping{Source: c.name, SourceType: c.types[0].String(), Note: "left out: the table has no such column"})
			continue
		}
		x := t.Columns[at]
		if x.Generated {
			p.result.Mapping = append(p.result.Mapping, Mapping{Source: c.name, SourceType: c.types[0].String(), Note: "left out: the table generates " + x.Name})
			continue
		}
		if other, ok := taken[x.Name]; ok {
			problems = append(problems, fmt.Sprintf("columns %q and %q both go into %q", other, c.name, x.Name))
			continue
		}
		taken[x.Name] = c.name
		note := ""
		for i, dt := range c.types {
			n, err := cast(dt, x.Type)
			if err != nil {
				problems = append(problems, fmt.Sprintf("column %q of %s: %v", c.name, c.file[i], err))
			}
			note = n
		}
		if c.hive {
			note = "from the names of the folders"
		}
		if p.facts.identity[x.Name] != "" {
			note = strings.TrimPrefix(note+"; identity: its sequence is not moved", "; ")
		}
		p.add(column{source: c.name, target: x.Name, ddl: x.Type.Name, hive: c.hive, want: wantOf(x.Type, p.srid(c.name, x))}, c, note)
	}
	for _, x := range t.Columns {
		if taken[x.Name] != "" || x.Generated {
			continue
		}
		note := "NULL"
		if p.facts.defaults[x.Name] || p.facts.identity[x.Name] != "" {
			note = "its default"
		} else if x.NotNull {
			problems = append(problems, fmt.Sprintf("no file has column %q, which is NOT NULL and has no default", x.Name))
		}
		p.result.Mapping = append(p.result.Mapping, Mapping{Target: x.Name, TargetType: x.Type.Name, Note: note})
	}
	if len(problems) > 0 {
		return fmt.Errorf("%w: %s; nothing was done", ErrMismatch, strings.Join(problems, "; "))
	}
	return p.notEmpty()
}

func foldMatch(columns []coltype.Column, name string) (int, error) {
	at := -1
	for i, x := range columns {
		if strings.EqualFold(x.Name, name) {
			if at >= 0 {
				return -1, fmt.Errorf("column %q could be %q or %q", name, columns[at].Name, x.Name)
			}
			at = i
		}
	}
	return at, nil
}

var typeSRID = regexp.MustCompile(`\([A-Za-z]+,(\d+)\)$`)

// srid is what WKB without one gets: what the user says, what the column's type says, what the file says.
func (p *plan) srid(name string, x coltype.Column) int {
	if p.req.SRID > 0 {
		return p.req.SRID
	}
	if m := typeSRID.FindStringSubmatch(x.Type.Name); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n
	}
	_, srid := p.geometry(name)
	return srid
}

// postgis is the schema of type geometry, "" without the extension.
func (l *Loader) postgis(ctx context.Context) (string, error) {
	rows, err := l.DB.QueryText(ctx, "look for PostGIS", `SELECT n.nspname FROM pg_extension e JOIN pg_depend d ON d.refobjid = e.oid AND d.deptype = 'e'
	AND d.classid = 'pg_type'::regclass JOIN pg_type t ON t.oid = d.objid JOIN pg_namespace n ON n.oid = t.typnamespace
	WHERE e.extname = 'postgis' AND t.typname = 'geometry'`)
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return *rows[0][0], nil
}
