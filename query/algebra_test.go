package query_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	bigint "math/big"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"frostline/coltype"
	"frostline/internal/pgtest"
	"frostline/postgres"
	"frostline/predicate/predtest"
	"frostline/query"
	"frostline/query/querytest"
)

// asks is a function of the server: the rows of a query of one text[] column, or the error as a row.
const asks = `CREATE FUNCTION asks(q text) RETURNS SETOF text[] LANGUAGE plpgsql SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
BEGIN
	RETURN QUERY EXECUTE q;
EXCEPTION WHEN OTHERS THEN
	RETURN NEXT ARRAY['ERROR', SQLSTATE, SQLERRM];
END $$`

// more are the columns that the table of predtest has not, with values for them.
var more = []struct {
	name, sql string
	values    []string
}{
	{"few", "int4", []string{"1", "2", "3", "4", "5"}},
	{"label", `text COLLATE "C"`, []string{"red", "green", "blue", "", "Red", "red "}},
	{"amount", "float8", []string{"0.1", "0.2", "0.3", "-1.5", "1e10", "-1e10", "3.25"}},
	{"small", "float4", []string{"0.1", "0.25", "-1.5", "1000", "2.75"}},
	{"big", "int8", []string{"9223372036854775807", "9223372036854775806", "-9223372036854775808", "12345678901234", "0"}},
	{"span", "interval", []string{"1 mon", "30 days", "1 year -2 days 03:04:05.678", "-1 day", "00:00:00.000001", "-178000000 years", "10 days", "240:00:00"}},
	{"zoned", "timetz", []string{"12:00:00+00", "13:00:00+01", "12:00:00-05:30", "00:00:00.5+02", "23:59:59-12"}},
	{"texts", `text[] COLLATE "C"`, []string{"{}", "{a,b}", "{a}", `{"a b",NULL}`, "{{a},{b}}", "[0:0]={a}", "{A}", "{NULL}", `{""}`}},
	{"sums", "numeric(12,2)[]", []string{"{1.5}", "{1.50,2}", "{}", "{NaN}", "{-1,3}", "{NULL,1}"}},
	{"days", "date[]", []string{"{2024-01-01}", "{infinity}", "{2024-01-01,-infinity}", "{}", "{2024-01-02}"}},
	{"moods", "predtest_mood[]", []string{"{sad}", "{Happy,ok}", "{ok}", "{}"}},
	{"net", "inet", []string{"10.0.0.1/8", "10.0.0.1/24", "::1/64", "192.168.0.0/16"}},
	{"range", "numrange", []string{"[1.0,2.0)", "[1,2)", "empty", "(,5]", "[1.10,1.1]"}},
	{"doc", "json", []string{`{"a":1}`, `[]`}},
	{"doc2", "jsonb", []string{`{"a": 1.0}`, `{"a": 1}`, `{"a": 1.00, "b": "1.0"}`, `["x\"1.50", 2.5]`, `["x\"1.50", 2.50]`}},
	{"at", "point", []string{"(1,2)", "(0,0)"}},
}

// algebra is the table in PostgreSQL and in a warehouse.
type algebra struct {
	db   *pgtest.DB
	w    *querytest.Warehouse
	cols []coltype.Column
	path string
}

func newAlgebra(t *testing.T, r *rand.Rand, rows int) *algebra {
	t.Helper()
	db := pgtest.Start(t).Database(t)
	db.Exec(t, predtest.Types, predtest.Create("t"), asks)
	for at := 1; at <= rows; at += 200 {
		db.Exec(t, predtest.Insert(r, "t", at, 200))
	}
	for _, m := range more {
		name := predtest.Quote(m.name)
		db.Exec(t, "ALTER TABLE t ADD COLUMN "+name+" "+m.sql)
		var list []string
		for _, v := range m.values {
			list = append(list, postgres.Literal(v))
		}
		// A tenth is NULL.
		db.Exec(t, fmt.Sprintf("UPDATE t SET %s = (ARRAY[%s])[1 + (random() * %d)::int]::%s WHERE random() < 0.9", name, strings.Join(list, ","), len(list)-1,
			strings.TrimSuffix(m.sql, ` COLLATE "C"`)))
	}
	a := &algebra{db: db, w: querytest.New(t)}
	a.cols = a.w.Copy(t, db, "t", "c_bool", [3][3]string{{"c_int4", "c_date", "few"}, {"c_num", "c_tstz", "amount"}, {"label", "c_wide, c_free", "id"}})
	a.path = a.w.Store.Root() + "/public/t"

	// The stable order, for ties.
	ids, _ := ids(t, engine(a.w, query.Options{}), query.Request{Path: a.path, Columns: []string{"id"}, Limit: 100_000})
	if len(ids) != rows {
		t.Fatalf("%d rows in the warehouse, want %d", len(ids), rows)
	}
	var places []string
	for i, id := range ids {
		places = append(places, fmt.Sprintf("(%d,%d)", id, i))
	}
	db.Exec(t, "ALTER TABLE t ADD COLUMN pos int", "UPDATE t SET pos = p FROM (VALUES "+strings.Join(places, ",")+") v(i, p) WHERE id = i")
	return a
}

// server is the rows of a SELECT whose columns are exprs; code is the SQLSTATE when it is refused.
func (a *algebra) server(t *testing.T, exprs []string, rest string) (rows [][]string, code string) {
	t.Helper()
	for i, e := range exprs {
		exprs[i] = fmt.Sprintf("CASE WHEN %s IS NOT NULL THEN format('%%s', %s) END", e, e) // by the output function, which a cast to text is not always
	}
	for _, row := range a.db.Query(t, "SELECT asks("+postgres.Literal("SELECT ARRAY["+strings.Join(exprs, ", ")+"] "+rest)+")") {
		list, err := coltype.ParseArray(row[0], ',')
		if err != nil {
			t.Fatalf("%q: %v", row[0], err)
		}
		var out []string
		for _, e := range list.Elems {
			if e == nil {
				out = append(out, pgtest.Null)
			} else {
				out = append(out, *e)
			}
		}
		if out[0] == "ERROR" {
			return [][]string{{out[2]}}, out[1]
		}
		rows = append(rows, out)
	}
	return rows, ""
}

// texts is the rows of a result as PostgreSQL prints them.
func texts(tb testing.TB, cols []coltype.Column, batches []arrow.RecordBatch) [][]string {
	tb.Helper()
	rows := [][]string{}
	for _, b := range batches {
		exact := make([]map[string]string, b.NumRows())
		if int(b.NumCols()) > len(cols) {
			m := b.Column(len(cols)).(*array.Map)
			keys, items := m.Keys().(*array.String), m.Items().(*array.String)
			for i := range m.Len() {
				if m.IsValid(i) {
					exact[i] = map[string]string{}
					from, to := m.ValueOffsets(i)
					for j := int(from); j < int(to); j++ {
						exact[i][keys.Value(j)] = items.Value(j)
					}
				}
			}
		}
		for i := range int(b.NumRows()) {
			var row []string
			for c, col := range cols {
				text, isExact := exact[i][col.Name]
				switch {
				case isExact:
				case b.Column(c).IsNull(i):
					text = pgtest.Null
				default:
					text = textAt(tb, col.Type, b.Column(c), i)
				}
				row = append(row, text)
			}
			rows = append(rows, row)
		}
	}
	return rows
}

func textAt(tb testing.TB, t coltype.Type, arr arrow.Array, i int) string {
	switch t.Kind {
	case coltype.List:
		l := arr.(*array.List)
		from, to := l.ValueOffsets(i)
		a := coltype.Array{}
		if to > from {
			a.Dims, a.Lower = []int{int(to - from)}, []int{1}
		}
		for j := int(from); j < int(to); j++ {
			if l.ListValues().IsNull(j) {
				a.Elems = append(a.Elems, nil)
				continue
			}
			s := textAt(tb, *t.Elem, l.ListValues(), j)
			a.Elems = append(a.Elems, &s)
		}
		return string(coltype.AppendArray(nil, a, t.Delim[0]))
	case coltype.String:
		return arr.(*array.String).Value(i)
	}
	v, err := coltype.ValueAt(t, arr, i)
	if err != nil {
		tb.Fatal(err)
	}
	return string(coltype.AppendText(nil, t, v))
}

// alike compares two texts of a column: values that PostgreSQL holds for equal may print in several ways, and the order of addition
// shows in a float.
func alike(base, a, b string, float bool) bool {
	if a == b {
		return true
	}
	if a == pgtest.Null || b == pgtest.Null {
		return false
	}
	switch base {
	case "numeric", "float4", "float8", "amount", "small":
		x, err1 := strconv.ParseFloat(a, 64)
		y, err2 := strconv.ParseFloat(b, 64)
		if float {
			near := 1e-5
			if base == "float4" { // PostgreSQL adds them in float4
				near = 1e-3
			}
			return err1 == nil && err2 == nil && (x == y || math.IsNaN(x) && math.IsNaN(y) || math.Abs(x-y) <= near*max(1, math.Abs(x)))
		}
		return trimmed(a) == trimmed(b)
	case "bpchar":
		return strings.TrimRight(a, " ") == strings.TrimRight(b, " ")
	case "interval":
		return interval(a) == interval(b)
	case "numrange", "jsonb":
		return strings.NewReplacer(".00", "", ".0", "", "1.10", "1.1", "2.50", "2.5").Replace(a) == strings.NewReplacer(".00", "", ".0", "", "1.10", "1.1", "2.50", "2.5").Replace(b)
	}
	return false
}

// interval is what all intervals have in common that are equal, a month being 30 days.
func interval(s string) string {
	total := new(bigint.Int)
	fields := strings.Fields(s)
	for i, f := range fields {
		unit := map[string]int64{"year": 360, "mon": 30, "day": 1}[strings.TrimSuffix(f, "s")]
		if unit > 0 {
			n, _ := strconv.ParseInt(fields[i-1], 10, 64)
			total.Add(total, new(bigint.Int).Mul(bigint.NewInt(n*unit), bigint.NewInt(86_400_000_000)))
		}
		if strings.Contains(f, ":") {
			var h, m int64
			var sec float64
			fmt.Sscanf(strings.TrimLeft(f, "+-"), "%d:%d:%f", &h, &m, &sec)
			us := h*3_600_000_000 + m*60_000_000 + int64(math.Round(sec*1e6))
			if f[0] == '-' {
				us = -us
			}
			total.Add(total, bigint.NewInt(us))
		}
	}
	return total.String()
}

func trimmed(s string) string {
	if s == "-0" {
		return "0"
	}
	if strings.Contains(s, ".") {
		return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
	return s
}

func sameRows(cols []coltype.Column, floats []bool, got, want [][]string) string {
	if len(got) != len(want) {
		return fmt.Sprintf("%d rows, want %d", len(got), len(want))
	}
	for i := range got {
		for c := range cols {
			if !alike(cols[c].Type.Base, got[i][c], want[i][c], floats[c]) {
				return fmt.Sprintf("row %d, column %q: %q, want %q", i, cols[c].Name, got[i][c], want[i][c])
			}
		}
	}
	return ""
}

// wish is a random request and the SQL of it.
type wish struct {
	req    query.Request
	exprs  []string
	rest   string
	floats []bool // results of float additions
	group  bool
}

func (w wish) String() string {
	return fmt.Sprintf("SELECT %s %s\n  groupBy %q aggregates %+v orderBy %+v columns %q", strings.Join(w.exprs, ", "), w.rest, w.req.GroupBy, w.req.Aggregates, w.req.OrderBy, w.req.Columns)
}

// unordered reports whether PostgreSQL orders the column's type, and this program knows equality only.
func unordered(c coltype.Column) bool {
	return slices.Contains([]string{"inet", "numrange", "int4range", "jsonb", "bit", "varbit"}, c.Type.Base)
}

func (g *wisher) unordered(name string) bool {
	return slices.ContainsFunc(g.cols, func(c coltype.Column) bool { return c.Name == name && unordered(c) })
}

type wisher struct {
	r     *rand.Rand
	cols  []coltype.Column
	preds *predtest.Gen
}

func (g *wisher) one(n int) bool { return g.r.IntN(n) == 0 }

func (g *wisher) column() coltype.Column { return g.cols[g.r.IntN(len(g.cols))] }

func (g *wisher) where() (expr, sql string) {
	switch g.r.IntN(6) {
	case 0, 1:
		return "", ""
	case 2:
		expr = pickOne(g.r, "c_bool", "NOT c_bool", "c_bool IS NULL", "few = 3", "id < 50", "id > 100000", "c_int4 >= 0", "label = 'red'", "c_date > '2024-01-10'", "few IN (1, 5) AND c_bool")
	default:
		expr = g.preds.Predicate()
	}
	return expr, " WHERE (" + expr + ")"
}

func pickOne[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func (g *wisher) order(w *wish, names []string, sql func(name string) string, ties ...string) string {
	var keys []string
	n := 1 + g.r.IntN(3)
	for len(keys) < n {
		name := names[g.r.IntN(len(names))]
		if slices.ContainsFunc(w.req.OrderBy, func(o query.Order) bool { return o.Column == name }) || g.unordered(name) {
			if n--; n < 1 && len(keys) == 0 {
				n = 1
				if len(w.req.OrderBy) == 0 && g.unordered(name) && len(names) == 1 {
					return ""
				}
			}
			continue
		}
		o := query.Order{Column: name, Desc: g.one(2)}
		key := sql(name)
		if o.Desc {
			key += " DESC"
		}
		if g.one(3) {
			first := g.one(2)
			o.NullsFirst = &first
			key += pickOne(g.r, " NULLS ") + map[bool]string{true: "FIRST", false: "LAST"}[first]
		}
		w.req.OrderBy = append(w.req.OrderBy, o)
		keys = append(keys, key)
	}
	return " ORDER BY " + strings.Join(append(keys, ties...), ", ")
}

func (g *wisher) page(w *wish) string {
	w.req.Limit = pickOne[int64](g.r, 1, 3, 10, 100, 1000)
	if g.one(3) {
		w.req.Offset = int64(g.r.IntN(30))
	}
	return fmt.Sprintf(" LIMIT %d OFFSET %d", w.req.Limit, w.req.Offset)
}

// rows is a query for sorted rows.
func (g *wisher) rows() wish {
	w := wish{}
	var where string
	w.req.Expression, where = g.where()
	w.req.Columns = []string{"id"}
	for g.one(2) {
		if c := g.column(); !slices.Contains(w.req.Columns, c.Name) {
			w.req.Columns = append(w.req.Columns, c.Name)
		}
	}
	for _, name := range w.req.Columns {
		w.exprs = append(w.exprs, predtest.Quote(name))
		w.floats = append(w.floats, false)
	}
	var names []string
	for _, c := range g.cols {
		names = append(names, c.Name)
	}
	order := g.order(&w, names, predtest.Quote, "pos")
	w.rest = "FROM t" + where + order + g.page(&w)
	return w
}

// groups is a query for groups.
func (g *wisher) groups() wish {
	w := wish{group: true}
	var where string
	w.req.Expression, where = g.where()
	sql := map[string]string{}
	var keys, names []string
	for n := g.r.IntN(4); n > 0; n-- {
		c := g.column()
		if g.one(2) { // few groups
			c = g.cols[slices.IndexFunc(g.cols, func(c coltype.Column) bool { return c.Name == pickOne(g.r, "few", "label") || c.Name == "c_bool" })]
		}
		if slices.Contains(w.req.GroupBy, c.Name) {
			continue
		}
		w.req.GroupBy = append(w.req.GroupBy, c.Name)
		names = append(names, c.Name)
		sql[c.Name] = predtest.Quote(c.Name)
		keys = append(keys, sql[c.Name])
		w.exprs = append(w.exprs, sql[c.Name])
		w.floats = append(w.floats, false)
	}
	for n := g.r.IntN(5); n > 0 || len(names) == 0; n-- {
		a := query.Aggregate{Func: pickOne(g.r, "count", "count", "sum", "min", "max", "avg")}
		call := "count(*)"
		float := false
		if a.Func != "count" || !g.one(3) {
			c := g.column()
			if a.Func == "sum" || a.Func == "avg" || g.one(3) {
				c = g.cols[slices.IndexFunc(g.cols, func(c coltype.Column) bool {
					return c.Name == pickOne(g.r, "c_int2", "c_int4", "c_int8", "c_num", "c_wide", "c_free", "amount", "small", "big", "s_real", "s_dbl", "s_num", "s_free") || c.Name == "few"
				})]
			}
			// PostgreSQL has a least bytea from version 18 on.
			if (a.Func == "min" || a.Func == "max") && (unordered(c) || c.Name == "c_bytea") || (a.Func == "sum" || a.Func == "avg") && c.Type.Base == "interval" {
				continue
			}
			a.Column = c.Name
			if c.Name != "at" || a.Func != "count" {
				a.Distinct = g.one(4)
			}
			distinct := ""
			if a.Distinct {
				distinct = "DISTINCT "
			}
			call = a.Func + "(" + distinct + predtest.Quote(c.Name) + ")"
			float = (a.Func == "sum" || a.Func == "avg") && (c.Type.Kind == coltype.Float32 || c.Type.Kind == coltype.Float64)
			// The dscale of a sum or a quotient over distinct values depends on which of the equal ones is taken.
			float = float || a.Distinct && c.Type.Base == "numeric" && c.Type.Kind == coltype.String
		}
		if g.one(3) {
			a.As = fmt.Sprintf(`a "%d"`, len(names))
		}
		name := a.As
		if name == "" {
			name = a.Func
			if a.Column != "" {
				name += "_" + a.Column
			}
		}
		if slices.Contains(names, name) {
			continue
		}
		w.req.Aggregates = append(w.req.Aggregates, a)
		names = append(names, name)
		sql[name] = call
		w.exprs = append(w.exprs, call)
		w.floats = append(w.floats, float)
	}
	// A float's last bits are not to decide the order.
	var sortable []string
	for i, name := range names {
		if !w.floats[i] {
			sortable = append(sortable, name)
		}
	}
	by := ""
	if len(keys) > 0 {
		by = " GROUP BY " + strings.Join(keys, ", ")
		if slices.ContainsFunc(w.req.GroupBy, g.unordered) {
			sortable = nil // the order of groups that tie is another
		}
	}
	w.rest = "FROM t" + where + by
	if len(sortable) > 0 && g.one(2) {
		w.rest += g.order(&w, sortable, func(n string) string { return sql[n] }, keys...)
		w.rest += g.page(&w)
	} else {
		w.req.Limit = 100_000
		if len(keys) > 0 {
			if slices.ContainsFunc(w.req.GroupBy, g.unordered) {
				w.rest += " ORDER BY 1" // compared as a set
			} else {
				w.rest += " ORDER BY " + strings.Join(keys, ", ")
			}
		}
	}
	return w
}

// TestAlgebra: random aggregates, groups and orders over every type, with NULL, NaN and infinities, give the rows that PostgreSQL
// gives, with pruning and without; what one refuses the other refuses. FROSTLINE_SEED repeats a run, FROSTLINE_QUERIES says how
// many are asked.
func TestAlgebra(t *testing.T) {
	wishes := 400
	if raced {
		wishes = 150
	}
	if s := os.Getenv("FROSTLINE_QUERIES"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		wishes = n
	}
	seed := rand.Uint64()
	if s := os.Getenv("FROSTLINE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("FROSTLINE_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, seed))
	a := newAlgebra(t, r, 800)
	a.db.Exec(t, fmt.Sprintf("SELECT setseed(%f)", r.Float64()))
	g := &wisher{r: r, cols: a.cols, preds: predtest.New(r, a.cols[:len(predtest.Cols)])}
	e := engine(a.w, query.Options{Workers: 4})

	refused, empty, rows := 0, 0, 0
	for n := 0; n < wishes && !t.Failed(); n++ {
		w := g.rows()
		if n%2 == 0 {
			w = g.groups()
		}
		w.req.Path = a.path
		want, code := a.server(t, slices.Clone(w.exprs), w.rest)
		for _, noPrune := range []bool{false, true} {
			w.req.NoPrune = noPrune
			res, err := e.Query(context.Background(), w.req)
			var qe *query.Error
			if err != nil && (!errors.As(err, &qe) || qe.Code != query.BadRequest) {
				t.Fatalf("%v\n  %v", w, err)
			}
			if code != "" || err != nil {
				refused++
				// An addition of floats that overflows in one order, and does not in another.
				if slices.Contains(w.floats, true) && (code == "22003" || qe != nil && qe.Reason == "out_of_range") {
					if err == nil {
						res.Release()
					}
					continue
				}
				if code == "" || err == nil {
					t.Errorf("%v\n  PostgreSQL: %s %v\n  here: %v", w, code, want, err)
				}
				if err == nil {
					res.Release()
				}
				continue
			}
			got := texts(t, res.Columns, res.Batches)
			if w.group && slices.ContainsFunc(w.req.GroupBy, g.unordered) {
				asSet(res.Columns, got)
				asSet(res.Columns, want)
			}
			if diff := sameRows(res.Columns, w.floats, got, want); diff != "" {
				t.Errorf("%v\n  pruning %v: %s", w, !noPrune, diff)
			}
			rows += len(got)
			if len(got) == 0 {
				empty++
			}
			res.Release()
		}
	}
	t.Logf("%d queries, %d refused by both, %d without rows, %d rows", 2*wishes, refused, empty, rows)
}

// asSet sorts rows by what equal values have in common.
func asSet(cols []coltype.Column, rows [][]string) {
	norm := strings.NewReplacer(".00", "", ".0", "", "1.10", "1.1", "2.50", "2.5")
	key := func(row []string) string {
		var b strings.Builder
		for c, s := range row {
			base := cols[c].Type.Base
			if s == pgtest.Null {
				base = ""
			}
			switch base {
			case "numrange", "jsonb":
				s = norm.Replace(s)
			case "numeric", "float4", "float8":
				s = trimmed(s)
			case "bpchar":
				s = strings.TrimRight(s, " ")
			case "interval":
				s = interval(s)
			}
			b.WriteString(s + "\x00")
		}
		return b.String()
	}
	slices.SortFunc(rows, func(a, b []string) int { return strings.Compare(key(a), key(b)) })
}
