package predicate_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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
	"frostline/pgcopy"
	"frostline/predicate"
	"frostline/predicate/predtest"
)

// oracle is a table on a real server, and the same rows as Arrow batches.
type oracle struct {
	db       *pgtest.DB
	schema   coltype.Schema
	batches  []arrow.RecordBatch
	byMember map[predicate.Verdict]int // of chunks that bounds could not decide, and members could
}

// selects is a function of the server: the keys of the rows where the condition is TRUE, or the error.
const selects = `CREATE FUNCTION selects(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE found text;
BEGIN
	EXECUTE 'SELECT coalesce(string_agg(id::text, '','' ORDER BY id), '''') FROM t WHERE ' || condition INTO found;
	RETURN found;
EXCEPTION WHEN OTHERS THEN
	RETURN 'ERROR ' || SQLSTATE || ' ' || SQLERRM;
END $$`

func newOracle(t testing.TB, r *rand.Rand, rows int) *oracle {
	o := &oracle{db: pgtest.Start(t).Database(t), byMember: map[predicate.Verdict]int{}}
	o.db.Exec(t, predtest.Types, predtest.Create("t"), selects, "SET timezone = 'UTC'; SET datestyle = 'ISO'; SET extra_float_digits = 1")
	for at := 1; at <= rows; at += 200 {
		o.db.Exec(t, predtest.Insert(r, "t", at, min(200, rows-at+1)))
	}
	o.load(t)
	return o
}

// load reads the columns from the catalog and the rows by COPY.
func (o *oracle) load(t testing.TB) {
	labels := map[string][]string{}
	for _, row := range o.db.Query(t, "SELECT enumtypid, enumlabel FROM pg_enum ORDER BY enumsortorder") {
		labels[row[0]] = append(labels[row[0]], row[1])
	}
	pgType := func(oid, typmod string) coltype.PGType {
		row := o.db.Query(t, `SELECT t.oid, n.nspname, t.typname, t.typtype, format_type(t.oid, $2::int), s.proname, t.typdelim,
			CASE WHEN t.typsubscript = 'array_subscript_handler'::regproc AND t.typlen = -1 THEN t.typelem ELSE 0 END, t.typbasetype, t.typtypmod
			FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_proc s ON s.oid = t.typsend WHERE t.oid = $1::oid`, oid, typmod)[0]
		n, _ := strconv.Atoi(row[0])
		mod, _ := strconv.Atoi(typmod)
		p := coltype.PGType{OID: uint32(n), Schema: row[1], Name: row[2], TypType: row[3][0], Formatted: row[4], Send: row[5], Delim: row[6][0], Typmod: int32(mod), Labels: labels[row[0]]}
		return p
	}
	for i, row := range o.db.Query(t, `SELECT a.attname, a.atttypid, a.atttypmod, t.typelem, t.typsubscript = 'array_subscript_handler'::regproc AND t.typlen = -1, t.typtype, t.typbasetype, t.typtypmod
		FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = 't'::regclass AND a.attnum > 0 ORDER BY a.attnum`) {
		p := pgType(row[1], row[2])
		if row[4] == "t" {
			elem := pgType(row[3], "-1")
			p.Elem = &elem
		}
		if row[5] == "d" {
			base := pgType(row[6], row[7])
			p.Base = &base
		}
		typ, err := coltype.Map(p)
		if err != nil {
			t.Fatal(err)
		}
		o.schema.Columns = append(o.schema.Columns, coltype.Column{Name: row[0], AttNum: i + 1, Type: typ, FieldID: i + 1, ElemID: 100 + i})
	}
	o.schema.ExactID, o.schema.ExactKeyID, o.schema.ExactValueID = 200, 201, 202
	coltype.NameFields(o.schema.Columns)
	data := o.db.CopyOut(t, "SELECT "+pgcopy.SelectList(o.schema.Columns, "")+" FROM t ORDER BY id")
	d := pgcopy.NewDecoder(bytes.NewReader(data), o.schema, pgcopy.DecodeOptions{Rows: 333})
	for {
		b, err := d.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		o.batches = append(o.batches, b)
	}
}

func (o *oracle) server(t testing.TB, text string) (ids string, refused string) {
	got := o.db.One(t, "SELECT selects($1)", text)
	if strings.HasPrefix(got, "ERROR") {
		return "", got
	}
	return got, ""
}

// codes are those of a filter that cannot be bound.
var codes = map[string]bool{predicate.CodeTypeMismatch: true, predicate.CodeDivisionZero: true, predicate.CodeOutOfRange: true, predicate.CodeInvalidValue: true}

func (o *oracle) bind(text string) (*predicate.Predicate, error) {
	e, err := predicate.Parse(text)
	if err != nil {
		return nil, err
	}
	return predicate.Bind(e, o.schema.Columns)
}

// eval is the selection over rows [from, to) of batch b.
func (o *oracle) eval(t testing.TB, p *predicate.Predicate, b arrow.RecordBatch, from, to int) []bool {
	sel, err := o.tryEval(p, b, from, to)
	if err != nil {
		t.Fatal(err)
	}
	return sel
}

func (o *oracle) tryEval(p *predicate.Predicate, b arrow.RecordBatch, from, to int) ([]bool, error) {
	s := b.NewSlice(int64(from), int64(to))
	var arrs []arrow.Array
	for _, i := range p.Columns() {
		arrs = append(arrs, s.Column(i))
	}
	var exact arrow.Array
	if p.NeedsExact() {
		exact = s.Column(len(o.schema.Columns))
	}
	sel := make([]bool, to-from)
	return sel, p.Eval(arrs, exact, sel)
}

func (o *oracle) selected(t testing.TB, p *predicate.Predicate) string {
	ids, raised := o.run(t, p)
	if raised != nil {
		return raised.Error()
	}
	return ids
}

// run gives the ids that p selects, or the error that a row raises.
func (o *oracle) run(t testing.TB, p *predicate.Predicate) (string, *predicate.Error) {
	var ids []string
	for _, b := range o.batches {
		keys := b.Column(0).(*array.Int64)
		sel, err := o.tryEval(p, b, 0, int(b.NumRows()))
		var raised *predicate.Error
		if errors.As(err, &raised) {
			return "", raised
		}
		if err != nil {
			t.Fatal(err)
		}
		for i, ok := range sel {
			if ok {
				ids = append(ids, fmt.Sprint(keys.Value(i)))
			}
		}
	}
	return strings.Join(ids, ","), nil
}

func seed(t *testing.T) *rand.Rand {
	n := rand.Uint64()
	if s := os.Getenv("FROSTLINE_SEED"); s != "" {
		var err error
		if n, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("FROSTLINE_SEED=%d", n)
	return rand.New(rand.NewPCG(n, n))
}

// TestAgainstPostgreSQL: the same text selects the same rows here and in a real server, what one
// refuses the other refuses, and what the bounds of a chunk of rows say is true of its rows.
func TestAgainstPostgreSQL(t *testing.T) {
	r := seed(t)
	o := newOracle(t, r, 900)
	gen := predtest.NewComputing(r, o.schema.Columns)
	refused, raising, alone, rows, wrong := 0, 0, 0, 0, 0
	verdicts := map[predicate.Verdict]int{}
	n := 2000
	if s := os.Getenv("FROSTLINE_QUERIES"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	for range n {
		text := gen.Predicate()
		want, why := o.server(t, text)
		p, err := o.bind(text)
		if predtest.AtRunTime(why) && err == nil {
			if _, raised := o.run(t, p); raised == nil && !predtest.MayShorten(text) {
				t.Errorf("%s\n  server: %s\n  here: no error", text, why)
			}
			raising++
			continue
		}
		if (err != nil) != (why != "") {
			t.Errorf("%s\n  server: %q\n  here: %v", text, why, err)
			wrong++
		}
		if err != nil {
			var e *predicate.Error
			if !errors.As(err, &e) || !codes[e.Code] || e.Field != "filterExpression" || e.Pos == 0 {
				t.Errorf("%s\n  refused with %#v, want a type_mismatch with its place", text, err)
			}
			refused++
			continue
		}
		if why != "" {
			continue
		}
		got, raised := o.run(t, p)
		if raised != nil && (predtest.MayShorten(text) || raised.Code == predicate.CodeOutOfRange && predtest.MayWrap(text)) {
			alone++
			t.Logf("raised here alone: %s\n  %v", text, raised)
			continue
		}
		if raised != nil || got != want {
			t.Errorf("%s\n  raised: %v\n  server: %s\n  here:   %s", text, raised, want, got)
			if wrong++; wrong > 10 {
				t.Fatal("too many differences")
			}
		}
		if want != "" {
			rows++
		}
		e, _ := predicate.Parse(text)
		again, err := o.bind(e.String())
		if err != nil {
			t.Fatalf("%s\n  printed as %s: %v", text, e, err)
		}
		if again := o.selected(t, again); again != got {
			t.Errorf("%s\n  printed as %s selects %s, not %s", text, e, again, got)
		}
		for range 4 {
			verdicts[o.prune(t, r, text, p)]++
		}
	}
	t.Logf("%d predicates: %d select rows, %d refused, %d raise errors; verdicts of chunks: %v", n, rows, refused, raising, verdicts)
	if alone > n/100 {
		t.Errorf("%d raise an error here alone", alone)
	}
	if rows < n/3 || refused == 0 || refused > n/5 || verdicts[predicate.None] < n/10 || verdicts[predicate.All] < n/40 {
		t.Errorf("the predicates are not a fair mix: %d select rows, %d refused, %v", rows, refused, verdicts)
	}
	t.Logf("verdicts by membership alone: %v", o.byMember)
	if o.byMember[predicate.None] < n/50 || o.byMember[predicate.All] < n/400 {
		t.Errorf("membership decided too little: %v", o.byMember)
	}
}

// prune checks the verdict on a random chunk, whose bounds are loosened at random.
func (o *oracle) prune(t *testing.T, r *rand.Rand, text string, p *predicate.Predicate) predicate.Verdict {
	b := o.batches[r.IntN(len(o.batches))]
	from := r.IntN(int(b.NumRows()))
	to := min(int(b.NumRows()), from+1+r.IntN(4))
	chunk := b.NewSlice(int64(from), int64(to))
	loose := r.IntN(3) == 0
	bounds := map[int]coltype.Bounds{}
	for _, i := range p.Columns() {
		bounds[i] = o.bounds(t, r, chunk, i, loose)
	}
	v := p.Prune(func(i int) coltype.Bounds { return bounds[i] })
	sel := o.eval(t, p, b, from, to)
	if v == predicate.None && slices.Contains(sel, true) || v == predicate.All && slices.Contains(sel, false) {
		t.Errorf("%s\n  verdict %v, but rows %d to %d give %v; bounds %+v", text, v, from, to, sel, bounds)
	}
	known := predicate.Known{Bounds: func(i int) coltype.Bounds { return bounds[i] }, May: o.member(t, r, chunk)}
	w := p.PruneBy(known)
	if w == predicate.None && slices.Contains(sel, true) || w == predicate.All && slices.Contains(sel, false) || v != predicate.Some && w != v {
		t.Errorf("%s\n  verdict %v with members, %v without, but rows %d to %d give %v; bounds %+v", text, w, v, from, to, sel, bounds)
	}
	if v == predicate.Some && w != v {
		o.byMember[w]++
	}
	return v
}

// member tests for a stored cell of exactly the value's form, as a Bloom filter does; now and then it says yes
// without one.
func (o *oracle) member(t *testing.T, r *rand.Rand, chunk arrow.RecordBatch) func(int, coltype.Value) bool {
	return func(i int, v coltype.Value) bool {
		typ := o.schema.Columns[i].Type
		if v.Kind != typ.Kind {
			t.Errorf("column %q of kind %v was asked for a %v", o.schema.Columns[i].Name, typ.Kind, v.Kind)
			return true
		}
		if r.IntN(20) == 0 {
			return true
		}
		arr := chunk.Column(i)
		for row := range arr.Len() {
			if arr.IsNull(row) {
				continue
			}
			cell, err := coltype.ValueAt(typ, arr, row)
			if err != nil {
				t.Fatal(err)
			}
			if cell.I == v.I && cell.S == v.S && cell.Scale == v.Scale && (v.Big == nil || cell.Big.Cmp(v.Big) == 0) {
				return true
			}
		}
		return false
	}
}

func (o *oracle) bounds(t *testing.T, r *rand.Rand, chunk arrow.RecordBatch, i int, loose bool) coltype.Bounds {
	typ := o.schema.Columns[i].Type
	arr := chunk.Column(i)
	exact := chunk.Column(len(o.schema.Columns)).(*array.Map)
	b := coltype.Bounds{Rows: int64(arr.Len()), Nulls: int64(arr.NullN()), Exact: int64(exact.Len() - exact.NullN())}
	for row := range arr.Len() {
		if arr.IsNull(row) || typ.Kind == coltype.List {
			continue
		}
		v, err := coltype.ValueAt(typ, arr, row)
		if err != nil {
			t.Fatal(err)
		}
		if v.F != v.F {
			b.NaNs++
			continue
		}
		if b.Min == nil || coltype.Compare(v, *b.Min) < 0 {
			b.Min = &v
		}
		if b.Max == nil || coltype.Compare(v, *b.Max) > 0 {
			b.Max = &v
		}
	}
	if !loose {
		return b
	}
	switch r.IntN(6) {
	case 0:
		b.Min = nil
	case 1:
		b.Max = nil
	case 2:
		b.Nulls = -1
	case 3:
		b.NaNs = -1
	case 4:
		b.Exact = -1
	}
	if b.Min != nil && (b.Min.Kind == coltype.String || b.Min.Kind == coltype.Binary) && len(b.Min.S) > 1 {
		low := *b.Min
		low.S = low.S[:1]
		b.Min = &low
	}
	if b.Max != nil && (b.Max.Kind == coltype.String || b.Max.Kind == coltype.Binary) && len(b.Max.S) > 1 && b.Max.S[0] < 0x7f {
		high := *b.Max
		high.S = string([]byte{high.S[0] + 1})
		b.Max = &high
	}
	return b
}
