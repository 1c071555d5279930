package load

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/postgres"
)

// liteForm is the storage class of a column's cells, but for the few that stand as text because the class cannot hold them.
type liteForm int

const (
	textForm liteForm = iota
	intForm
	realForm
	blobForm
)

// liteColumn is one column of the SQLite table.
type liteColumn struct {
	name       string // in SQLite: the source's, or another where SQLite would take it for that of another column
	source     string
	sourceType string
	declared   string // chosen so that its affinity (sqlite.org/datatype3.html) changes no cell
	form       liteForm
	note       string
	notNull    bool
	field      int  // Iceberg's id, of an archive
	hive       bool // its value is the folder's
}

// newLiteColumn is the column for an Arrow type.
func newLiteColumn(name, sourceType string, dt arrow.DataType) liteColumn {
	c := liteColumn{name: name, source: name, sourceType: sourceType, declared: "TEXT"}
	dt = plain(dt)
	switch t := dt.(type) {
	case arrow.DecimalType:
		if dt.ID() == arrow.DECIMAL128 && t.GetScale() == 0 && t.GetPrecision() <= 18 {
			c.declared, c.form = fmt.Sprintf("NUMERIC(%d,0)", t.GetPrecision()), intForm
		} else {
			c.note = "exact text"
		}
		return c
	case *arrow.TimestampType:
		c.declared = "TIMESTAMP"
		if t.TimeZone != "" {
			c.declared, c.note = "TIMESTAMP WITH TIME ZONE", "UTC"
		}
		return c
	case arrow.ExtensionType:
		return c
	}
	switch id := dt.ID(); id {
	case arrow.BOOL:
		c.declared, c.form, c.note = "BOOLEAN", intForm, "0 or 1"
	case arrow.INT8, arrow.INT16, arrow.UINT8:
		c.declared, c.form = "SMALLINT", intForm
	case arrow.INT32, arrow.UINT16:
		c.declared, c.form = "INTEGER", intForm
	case arrow.INT64, arrow.UINT32:
		c.declared, c.form = "BIGINT", intForm
	case arrow.UINT64:
		c.note = "exact text"
	case arrow.FLOAT16, arrow.FLOAT32:
		c.declared, c.form = "REAL", realForm
	case arrow.FLOAT64:
		c.declared, c.form = "DOUBLE PRECISION", realForm
	case arrow.BINARY, arrow.LARGE_BINARY, arrow.BINARY_VIEW, arrow.FIXED_SIZE_BINARY:
		c.declared, c.form = "BLOB", blobForm
	case arrow.DATE32, arrow.DATE64:
		c.declared = "DATE"
	case arrow.TIME32, arrow.TIME64:
		c.declared = "TIME"
	case arrow.DURATION:
		c.note = "ISO 8601 duration"
	default:
		if arrow.IsNested(id) {
			c.note = "JSON"
		}
	}
	return c
}

// liteColumns are the columns of plain Parquet files.
func (s *source) liteColumns(columns []*sourceColumn) (list []liteColumn, err error) {
	for _, c := range columns {
		var out liteColumn
		for i, dt := range c.types {
			next := newLiteColumn(c.name, dt.String(), dt)
			switch {
			case i == 0 || plain(c.types[i-1]).ID() == arrow.NULL && out.form == textForm:
				out = next
			case plain(dt).ID() == arrow.NULL:
			case next.declared == out.declared && next.note == out.note:
			default:
				w, ok := liteWider(out.declared, next.declared)
				if !ok {
					return nil, fmt.Errorf("%w: column %q is %s in %s and %s in %s", ErrMismatch, c.name, out.declared, c.file[0], next.declared, c.file[i])
				}
				out.declared, out.sourceType = w, out.sourceType+" or "+next.sourceType
			}
		}
		if out.hive = c.hive; c.hive {
			switch typ := s.hiveType(c.name); typ {
			case "bigint":
				out.declared, out.form = "BIGINT", intForm
			case "date":
				out.declared = "DATE"
			}
			out.note = "from the names of the folders"
		}
		list = append(list, out)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: the files have no column", ErrMismatch)
	}
	return list, nameColumns(list)
}

// liteWider is the declared type for the values of two.
func liteWider(a, b string) (string, bool) {
	for _, chain := range [][]string{{"SMALLINT", "INTEGER", "BIGINT"}, {"REAL", "DOUBLE PRECISION"}} {
		at := map[string]int{}
		for i, t := range chain {
			at[t] = i + 1
		}
		if at[a] > 0 && at[b] > 0 {
			return chain[max(at[a], at[b])-1], true
		}
	}
	return "", false
}

// nameColumns makes names different for SQLite, which does not tell A from a.
func nameColumns(columns []liteColumn) error {
	taken := map[string]bool{}
	for _, c := range columns {
		taken[lower(c.source)] = true
	}
	seen := map[string]bool{}
	for i := range columns {
		c := &columns[i]
		if strings.ContainsRune(c.source, 0) {
			return fmt.Errorf("%w: the name of column %q has a zero byte", ErrMismatch, c.source)
		}
		for n := 2; seen[lower(c.name)]; n++ {
			if name := fmt.Sprintf("%s_%d", c.source, n); !taken[lower(name)] {
				c.name = name
			}
		}
		seen[lower(c.name)] = true
	}
	return nil
}

// lower folds a name as SQLite compares names: ASCII only.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// liteIndex is an index that SQLite can have too.
type liteIndex struct {
	name    string
	unique  bool
	columns []string // quoted, with their order
}

var (
	indexBody = regexp.MustCompile(`^USING btree \((.*?)\)(?: WITH \([^()]*\))?$`)
	indexPart = regexp.MustCompile(`^("(?:[^"]|"")+"|[a-z_\x80-\x{10FFFF}][a-z0-9_$\x80-\x{10FFFF}]*)( DESC)?( NULLS FIRST| NULLS LAST)?$`)
	commas    = regexp.MustCompile(`(?:"(?:[^"]|"")*"|[^",])+`)
)

// newLiteIndex makes an index of one of PostgreSQL's, or says why not.
func newLiteIndex(x postgres.DefIndex, columns []liteColumn) (index liteIndex, why string) {
	m := indexBody.FindStringSubmatch(x.Body)
	if m == nil {
		return index, "it is not a btree of columns only"
	}
	index = liteIndex{name: x.Name, unique: x.Unique}
	for _, part := range commas.FindAllString(m[1], -1) {
		p := indexPart.FindStringSubmatch(strings.TrimSpace(part))
		if p == nil {
			return index, "it is not a btree of columns only"
		}
		name := p[1]
		if name[0] == '"' {
			name = strings.ReplaceAll(name[1:len(name)-1], `""`, `"`)
		}
		target, ok := liteName(columns, name)
		if !ok {
			return index, "it is not a btree of columns only" // a function without arguments, or a column that is gone
		}
		index.columns = append(index.columns, target+p[2])
	}
	return index, ""
}

// liteName is the quoted name of a column of the source.
func liteName(columns []liteColumn, source string) (string, bool) {
	for _, c := range columns {
		if c.source == source {
			return liteQuote(c.name), true
		}
	}
	return "", false
}

func liteQuote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func liteLiteral(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// The tables that tell of a file, beside the one with the rows.
const (
	aboutTable   = "_frostline"
	columnsTable = "_frostline_columns"
)

// checkTable says whether SQLite can have a table of the name.
func checkTable(name string) error {
	switch {
	case name == "" || strings.ContainsRune(name, 0):
		return fmt.Errorf("%w: %q is no name of a table; nothing was written, name one by --table", ErrBadInput, name)
	case strings.HasPrefix(lower(name), "sqlite_"), lower(name) == aboutTable, lower(name) == columnsTable:
		return fmt.Errorf("%w: the name %q is kept for others; nothing was written, name another by --table", ErrBadInput, name)
	}
	return nil
}

// tables are the statements that make the tables.
func (src *liteSource) tables(table string) []string {
	key := map[string]bool{}
	var keys []string
	for _, k := range src.key {
		if name, ok := liteName(src.columns, k); ok {
			key[k] = true
			keys = append(keys, name)
		}
	}
	var lines []string
	for _, c := range src.columns {
		declared := c.declared
		if len(keys) == 1 && key[c.source] && c.form == intForm && strings.HasSuffix(declared, "INT") {
			declared = "INTEGER" // then the key is the table's own order, without an index beside it
		}
		line := liteQuote(c.name) + " " + declared
		if c.notNull {
			line += " NOT NULL"
		}
		lines = append(lines, line)
	}
	if len(keys) > 0 {
		lines = append(lines, "PRIMARY KEY ("+strings.Join(keys, ", ")+")")
	}
	list := []string{
		"CREATE TABLE " + liteQuote(table) + " (\n\t" + strings.Join(lines, ",\n\t") + "\n)",
		"CREATE TABLE " + aboutTable + " (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
		"CREATE TABLE " + columnsTable + " (position INTEGER PRIMARY KEY, name TEXT NOT NULL, source_name TEXT NOT NULL, source_type TEXT NOT NULL, note TEXT NOT NULL)",
	}
	for i, c := range src.columns {
		list = append(list, fmt.Sprintf("INSERT INTO %s VALUES (%d, %s, %s, %s, %s)", columnsTable, i+1,
			liteLiteral(c.name), liteLiteral(c.source), liteLiteral(c.sourceType), liteLiteral(c.note)))
	}
	return list
}

// indexSQL are the statements that make the indexes. They share one space of names with the tables.
func (src *liteSource) indexSQL(table string) (list []string) {
	taken := map[string]bool{lower(table): true, aboutTable: true, columnsTable: true}
	for i, x := range src.indexes {
		name := x.name
		if taken[lower(name)] || strings.HasPrefix(lower(name), "sqlite_") {
			name = fmt.Sprintf("index_%d_%s", i+1, name)
		}
		taken[lower(name)] = true
		list = append(list, cmp.Or(map[bool]string{true: "CREATE UNIQUE INDEX "}[x.unique], "CREATE INDEX ")+liteQuote(name)+" ON "+liteQuote(table)+" ("+strings.Join(x.columns, ", ")+")")
	}
	return list
}
