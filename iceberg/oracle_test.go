package iceberg

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	icego "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"frostline/coltype"
)

// What our bounds leave of a table whose columns were promoted half way is what iceberg-go's planner leaves of a twin that has had
// the wide types from the start. Its own planner fails on the first (it wants 8 bytes of a bound that has 4).
func TestPromotedBoundsAgainstIcebergGo(t *testing.T) {
	const files = 24
	rng := rand.New(rand.NewPCG(21, 22))
	store := fileStore(t)
	c := NewCatalog(store)
	types := func(wide bool) []coltype.Column {
		if wide {
			return columns("a", typ(coltype.Int64, "int8"), "f", typ(coltype.Float64, "float8"), "n", decimalType(30, 2), "d", typ(coltype.Date, "date"), "s", typ(coltype.String, "text"))
		}
		return columns("a", typ(coltype.Int32, "int4"), "f", typ(coltype.Float32, "float4"), "n", decimalType(5, 2), "d", typ(coltype.Date, "date"), "s", typ(coltype.String, "text"))
	}
	grown, twin := TableSpec{Schema: "public", Table: "grown", Columns: types(false)}, TableSpec{Schema: "public", Table: "twin", Columns: types(true)}
	// value is a random one of column i, narrow enough for the old type; x is the same as iceberg-go has it.
	value := func(i int, wide bool) (coltype.Value, icego.Literal) {
		n := rng.Int64N(2000) - 1000
		switch i {
		case 0:
			if wide {
				return coltype.Value{Kind: coltype.Int64, I: n}, icego.Int64Literal(n)
			}
			return coltype.Value{Kind: coltype.Int32, I: n}, icego.Int64Literal(n)
		case 1:
			if wide {
				return coltype.Value{Kind: coltype.Float64, F: float64(n) / 4}, icego.Float64Literal(float64(n) / 4)
			}
			return coltype.Value{Kind: coltype.Float32, F: float64(n) / 4}, icego.Float64Literal(float64(n) / 4)
		case 2:
			return dec(n, 2), icego.DecimalLiteral{Val: decimal128.FromI64(n), Scale: 2}
		case 3:
			return coltype.Value{Kind: coltype.Date, I: n}, icego.DateLiteral(n + epochDays)
		}
		return text(fmt.Sprintf("t%04d", n+1000)), icego.StringLiteral(fmt.Sprintf("t%04d", n+1000))
	}
	stats := func(wide bool, seed uint64) []ColumnStats {
		rng = rand.New(rand.NewPCG(seed, 5)) // the same bounds for both tables
		var out []ColumnStats
		for i := range 5 {
			lo, _ := value(i, wide)
			hi, _ := value(i, wide)
			if coltype.Compare(lo, hi) > 0 {
				lo, hi = hi, lo
			}
			b := coltype.Bounds{Rows: 10, Min: &lo, Max: &hi}
			switch rng.IntN(8) {
			case 0:
				b = coltype.Bounds{Rows: 10, Nulls: 10} // nothing but NULL
			case 1:
				b.Nulls = 3
			}
			out = append(out, ColumnStats{FieldID: i + 1, Values: 10, Bounds: b})
		}
		return out
	}
	commit := func(spec TableSpec, from, to int, wide bool) {
		tbl := mustEnsure(t, c, spec)
		m := Commit{Partition: Partition{Name: fmt.Sprintf("p=%02d", from), RunID: fmt.Sprint("run-", from), Rows: 10 * int64(to-from)}}
		for at := from; at < to; at++ {
			m.Files = append(m.Files, DataFile{Location: fmt.Sprintf("%s/p=%02d/data/f%02d.parquet", tbl.Location(), from, at), Rows: 10, Bytes: 100, Columns: stats(wide, uint64(at))})
		}
		mustCommit(t, c, tbl, m)
	}
	commit(grown, 0, files/2, false)
	commit(twin, 0, files/2, true)
	grown.Columns = types(true)
	commit(grown, files/2, files, true)
	commit(twin, files/2, files, true)
	load := func(key string) *Table {
		tbl, err := c.Load(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		return tbl
	}
	tbl, wide := load("public/grown"), load("public/twin")
	plan, theirs := mustPlan(t, c, tbl, 0), oracle(t, store, wide)
	if _, err := oracle(t, store, tbl).Scan(table.WithRowFilter(icego.EqualTo(icego.Reference("a"), int64(5)))).PlanFiles(context.Background()); err == nil {
		t.Log("iceberg-go plans a promoted column now: the twin could go")
	}

	ops := []icego.Operation{icego.OpEQ, icego.OpLT, icego.OpLTEQ, icego.OpGT, icego.OpGTEQ, icego.OpIsNull, icego.OpNotNull}
	rng = rand.New(rand.NewPCG(31, 32))
	kept := 0
	for range 400 {
		i, op := rng.IntN(5), ops[rng.IntN(len(ops))]
		col := tbl.Schema().Columns[i]
		v, lit := value(i, true)
		var filter icego.BooleanExpression
		if op == icego.OpIsNull || op == icego.OpNotNull {
			filter = icego.UnaryPredicate(op, icego.Reference(col.Name))
		} else {
			filter = icego.LiteralPredicate(op, icego.Reference(col.Name), lit)
		}
		var want, got []string
		for _, location := range oracleFiles(t, theirs, table.WithRowFilter(filter)) {
			want = append(want, path.Base(location))
		}
		for _, p := range plan {
			for _, f := range p.Files {
				b, ok := f.Bounds(col)
				if !ok {
					t.Fatalf("%s has no bounds of %s", f.Location, col.Name)
				}
				if maybe(b, op, v) {
					got = append(got, path.Base(f.Location))
				}
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: files\n got %q\nwant %q", filter, got, want)
		}
		kept += len(got)
	}
	if kept < 1000 || kept > 400*files*3/4 {
		t.Errorf("%d files of %d are kept in all: the filters say too little", kept, 400*files)
	}
}

// maybe reports whether a row of a file with bounds b may satisfy op v.
func maybe(b coltype.Bounds, op icego.Operation, v coltype.Value) bool {
	switch op {
	case icego.OpIsNull:
		return b.Nulls != 0
	case icego.OpNotNull:
		return b.Nulls != b.Rows
	}
	if b.Nulls == b.Rows {
		return false
	}
	lo, hi := coltype.Compare(*b.Min, v), coltype.Compare(*b.Max, v)
	switch op {
	case icego.OpEQ:
		return lo <= 0 && hi >= 0
	case icego.OpLT:
		return lo < 0
	case icego.OpLTEQ:
		return lo <= 0
	case icego.OpGT:
		return hi > 0
	}
	return hi >= 0
}
