package iceberg

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	icego "github.com/apache/iceberg-go"

	"frostline/coltype"
)

// Every kind becomes its Iceberg type, and comes back with its PostgreSQL type.
func TestSchemaOfEveryKind(t *testing.T) {
	mood := typ(coltype.String, "mood")
	mood.Name, mood.Labels = "public.mood", []string{"sad", "ok"}
	cols := columns(
		"b", typ(coltype.Bool, "bool"), "i2", typ(coltype.Int32, "int2"), "i8", typ(coltype.Int64, "int8"),
		"f4", typ(coltype.Float32, "float4"), "f8", typ(coltype.Float64, "float8"), "n", decimalType(38, 10),
		"s", typ(coltype.String, "text"), "by", typ(coltype.Binary, "bytea"), "u", typ(coltype.UUID, "uuid"),
		"d", typ(coltype.Date, "date"), "t", typ(coltype.Time, "time"), "ts", typ(coltype.Timestamp, "timestamp"),
		"tz", typ(coltype.TimestampTZ, "timestamptz"), "ai", listType(typ(coltype.Int32, "int4")), "mood", mood,
		"an", listType(decimalType(5, 2)), "iv", typ(coltype.String, "interval"),
	)
	cols[2].NotNull, cols[3].Generated = true, true
	store := fileStore(t)
	c := NewCatalog(store)
	tbl := mustEnsure(t, c, TableSpec{Schema: "public", Table: "kinds", Columns: cols})
	var got []string
	for _, f := range oracle(t, store, tbl).Schema().Fields() {
		got = append(got, fmt.Sprintf("%d %s %s %v %q", f.ID, f.Name, f.Type, f.Required, f.Doc))
	}
	wantEqual(t, "Iceberg fields", strings.Join(got, "\n"), strings.Join([]string{
		`1 b boolean false "bool"`, `2 i2 int false "int2"`, `3 i8 long false "int8"`, `4 f4 float false "float4"`,
		`5 f8 double false "float8"`, `6 n decimal(38, 10) false "numeric(38,10)"`, `7 s string false "text"`,
		`8 by binary false "bytea"`, `9 u uuid false "uuid"`, `10 d date false "date"`, `11 t time false "time"`,
		`12 ts timestamp false "timestamp"`, `13 tz timestamptz false "timestamptz"`, `14 ai list<int> false "int4[]"`,
		`16 mood string false "public.mood"`, `17 an list<decimal(5, 2)> false "numeric(5,2)[]"`, `19 iv string false "interval"`,
		`20 _pg_exact map<string, string> false "exact text of cells that their column cannot hold"`,
	}, "\n"))
	s := tbl.Schema()
	for i, want := range cols {
		want.FieldName, want.FieldID = want.Name, i+1
		// iceberg-go numbers the element of a list right after the list.
		if id := map[string]int{"mood": 16, "an": 17, "iv": 19}[want.Name]; id != 0 {
			want.FieldID = id
		}
		want.ElemID = map[string]int{"ai": 15, "an": 18}[want.Name]
		wantEqual(t, "column "+want.Name, s.Columns[i].Type.Name, want.Type.Name)
		s.Columns[i].Type, want.Type = coltype.Type{}, coltype.Type{}
		wantEqual(t, "column "+want.Name, s.Columns[i], want)
	}
	wantEqual(t, "ids of the side column", []int{s.ExactID, s.ExactKeyID, s.ExactValueID}, []int{20, 21, 22})
	wantEqual(t, "spec", tbl.Spec(), PartitionSpec{})
	// The ids that Arrow, and so Parquet, gets are the table's own.
	for i, f := range oracle(t, store, tbl).Schema().Fields() {
		if l, ok := f.Type.(*icego.ListType); ok && l.ElementID != tbl.Schema().Columns[i].ElemID {
			t.Errorf("%s: element id %d, want %d", f.Name, tbl.Schema().Columns[i].ElemID, l.ElementID)
		}
	}
}

func TestEnsureRefusals(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*TableSpec)
		want   string
	}{
		{"partition column missing", func(s *TableSpec) { s.Partition.Column = "nope" }, `no such column`},
		{"transform unknown", func(s *TableSpec) { s.Partition.Transform = "hash" }, `transform "hash" is not one of`},
		{"transform of zero width", func(s *TableSpec) { s.Partition = PartitionSpec{"id", "truncate[0]"} }, `is not one of`},
		{"month of a number", func(s *TableSpec) { s.Partition.Column = "id" }, `does not take a column of kind`},
		{"identity of a list", func(s *TableSpec) { s.Partition = PartitionSpec{"tags", "identity"} }, `does not take a column of kind`},
		{"decimal too wide", func(s *TableSpec) { s.Columns[2].Type = decimalType(39, 0) }, `decimal(39,0) is not an Iceberg type`},
		{"list of lists", func(s *TableSpec) { s.Columns[4].Type = listType(listType(typ(coltype.Int32, "int4"))) }, `element type that is not a list`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := NewCatalog(fileStore(t))
			spec := payment()
			tt.change(&spec)
			if _, err := c.Ensure(context.Background(), spec); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if keys := keysOf(t, c.store, ""); len(keys) != 0 {
				t.Errorf("left behind: %v", keys)
			}
		})
	}
}

// What becomes of the fields when the source changes. The table starts as a(1) int4, b(2) text, c(3) numeric(10,2).
func TestEvolution(t *testing.T) {
	int4, int8, float4, float8 := typ(coltype.Int32, "int4"), typ(coltype.Int64, "int8"), typ(coltype.Float32, "float4"), typ(coltype.Float64, "float8")
	txt, varchar, interval := typ(coltype.String, "text"), typ(coltype.String, "varchar"), typ(coltype.String, "interval")
	num := func(name string, n int, ty coltype.Type) coltype.Column {
		return coltype.Column{Name: name, AttNum: n, Type: ty}
	}
	base := []coltype.Column{num("a", 1, int4), num("b", 2, txt), num("c", 3, decimalType(10, 2))}
	for _, tt := range []struct {
		name     string
		from, to []coltype.Column
		want     string // FieldName#FieldID:type@AttNum
		same     bool   // no new version
	}{
		{"nothing", base, base, "a#1:int4@1 b#2:text@2 c#3:numeric(10,2)@3", true},
		{"a new column", base, append(slices.Clone(base), num("d", 4, float8)), "a#1:int4@1 b#2:text@2 c#3:numeric(10,2)@3 d#7:float8@4", false},
		{"a dropped column", base, []coltype.Column{base[0], base[2]}, "a#1:int4@1 c#3:numeric(10,2)@3 b#2:text@0", false},
		{"a rename", base, []coltype.Column{base[0], num("bb", 2, txt), base[2]}, "a#1:int4@1 bb#2:text@2 c#3:numeric(10,2)@3", false},
		{"names swapped", []coltype.Column{num("a", 1, int4), num("b", 2, int4)}, []coltype.Column{num("b", 1, int4), num("a", 2, int4)}, "b#1:int4@1 a#2:int4@2", false},
		{"renamed away and added anew", base, []coltype.Column{base[0], num("b_old", 2, txt), base[2], num("b", 4, txt)},
			"a#1:int4@1 b_old#2:text@2 c#3:numeric(10,2)@3 b#7:text@4", false},
		{"int to long", base, []coltype.Column{num("a", 1, int8), base[1], base[2]}, "a#1:int8@1 b#2:text@2 c#3:numeric(10,2)@3", false},
		{"a wider decimal", base, []coltype.Column{base[0], base[1], num("c", 3, decimalType(12, 2))}, "a#1:int4@1 b#2:text@2 c#3:numeric(12,2)@3", false},
		{"float to double", []coltype.Column{num("f", 1, float4)}, []coltype.Column{num("f", 1, float8)}, "f#1:float8@1", false},
		{"elements of a list promoted", []coltype.Column{num("f", 1, listType(int4))}, []coltype.Column{num("f", 1, listType(int8))}, "f#1:int8[]@1", false},
		{"text to varchar", base, []coltype.Column{base[0], num("b", 2, varchar), base[2]}, "a#1:int4@1 b#2:varchar@2 c#3:numeric(10,2)@3", false},
		{"renamed and promoted", base, []coltype.Column{num("aa", 1, int8), base[1], base[2]}, "aa#1:int8@1 b#2:text@2 c#3:numeric(10,2)@3", false},
		{"int to text", base, []coltype.Column{num("a", 1, txt), base[1], base[2]}, "a#7:text@1 b#2:text@2 c#3:numeric(10,2)@3", false},
		{"long to int", []coltype.Column{num("a", 1, int8)}, []coltype.Column{num("a", 1, int4)}, "a#5:int4@1", false},
		{"another scale", base, []coltype.Column{base[0], base[1], num("c", 3, decimalType(12, 3))}, "a#1:int4@1 b#2:text@2 c#7:numeric(12,3)@3", false},
		{"text to interval", base, []coltype.Column{base[0], num("b", 2, interval), base[2]}, "a#1:int4@1 b#7:interval@2 c#3:numeric(10,2)@3", false},
		{"dropped, then another of the name and type", base, []coltype.Column{base[0], base[2], num("b", 4, txt)}, "a#1:int4@1 c#3:numeric(10,2)@3 b#2:text@4", false},
		{"dropped, then another of the name", base, []coltype.Column{base[0], base[2], num("b", 4, int4)}, "a#1:int4@1 c#3:numeric(10,2)@3 b#7:int4@4", false},
		{"dumped and restored after a drop", []coltype.Column{num("a", 1, int4), num("x", 2, int4), num("b", 3, int4)},
			[]coltype.Column{num("a", 1, int4), num("b", 2, int4)}, "a#1:int4@1 b#3:int4@2 x#2:int4@0", false},
		{"a name that differs in case from a dropped one", base, []coltype.Column{base[0], base[2], num("B", 4, txt)}, "a#1:int4@1 c#3:numeric(10,2)@3 B#7:text@4", false},
		{"everything replaced", base, []coltype.Column{num("z", 9, txt)}, "z#7:text@9 a#1:int4@0 b#2:text@0 c#3:numeric(10,2)@0", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := fileStore(t)
			c := NewCatalog(store)
			first := mustEnsure(t, c, TableSpec{Schema: "public", Table: "t", Columns: tt.from})
			spec := TableSpec{Schema: "public", Table: "t", Columns: tt.to}
			second := mustEnsure(t, c, spec)
			var got []string
			for _, col := range second.Schema().Columns {
				got = append(got, fmt.Sprintf("%s#%d:%s@%d", col.FieldName, col.FieldID, col.Type.Name, col.AttNum))
			}
			wantEqual(t, "columns", strings.Join(got, " "), tt.want)
			if (second.Version() == first.Version()) != tt.same {
				t.Errorf("version %d after %d", second.Version(), first.Version())
			}
			if third := mustEnsure(t, c, spec); third.Version() != second.Version() {
				t.Errorf("ensuring the same again made version %d", third.Version())
			}
			o := oracle(t, store, second)
			for _, col := range second.Schema().Columns {
				if f, ok := o.Schema().FindFieldByID(col.FieldID); !ok || f.Name != col.FieldName {
					t.Errorf("iceberg-go reads field %d as %q, want %q", col.FieldID, f.Name, col.FieldName)
				}
			}
			// The schema before is still there, by its id, with all its fields.
			for _, sc := range o.Metadata().Schemas() {
				if sc.ID == first.SchemaID() && sc.NumFields() != len(tt.from)+1 {
					t.Errorf("the first schema has %d fields now", sc.NumFields())
				}
			}
		})
	}
}

func TestEvolutionOfThePartitionColumn(t *testing.T) {
	c := NewCatalog(fileStore(t))
	spec := payment()
	mustEnsure(t, c, spec)
	spec.Columns[1].Name = "happened_at"
	spec.Partition.Column = "happened_at"
	tbl := mustEnsure(t, c, spec)
	wantEqual(t, "spec after a rename", tbl.Spec(), PartitionSpec{Column: "happened_at", Transform: "month"})
	spec.Columns[1].Type = typ(coltype.String, "text")
	_, err := c.Ensure(context.Background(), spec)
	if err == nil || !strings.Contains(err.Error(), `column "happened_at", which the table is partitioned by, was timestamptz and is text`) {
		t.Errorf("another type of the partition column: %v", err)
	}
}

func TestProperties(t *testing.T) {
	c := NewCatalog(fileStore(t))
	spec := payment()
	tbl := mustEnsure(t, c, spec)
	if p := tbl.Properties(); p["source.schema"] != "public" || p["source.table"] != "payment" || p["schema.name-mapping.default"] == "" {
		t.Errorf("properties %v", p)
	}
	spec.Properties = map[string]string{"source.partition_column": "at", propColumns: "forged"}
	tbl = mustEnsure(t, c, spec)
	p := tbl.Properties()
	if tbl.Version() != 2 || p["source.partition_column"] != "at" || p["source.table"] != "payment" || p[propColumns] == "forged" {
		t.Errorf("version %d, properties %v", tbl.Version(), p)
	}
}

// Promotion with files on both sides: bounds written as int are read as long, and iceberg-go's own planner, which cannot
// filter such a column, is not needed for it.
func TestPlanAfterPromotion(t *testing.T) {
	c := NewCatalog(fileStore(t))
	spec := TableSpec{Schema: "public", Table: "t", Columns: columns("a", typ(coltype.Int32, "int4"), "f", typ(coltype.Float32, "float4"), "n", decimalType(5, 2)),
		Partition: PartitionSpec{Column: "a", Transform: "truncate[10]"}}
	commit := func(tbl *Table, run string, a coltype.Value, f coltype.Value, n coltype.Value) *Table {
		tuple, err := tbl.Spec().Tuple(&a)
		if err != nil {
			t.Fatal(err)
		}
		return mustCommit(t, c, tbl, Commit{Partition: Partition{Name: "a=" + run, RunID: run, Rows: 1}, Files: []DataFile{{
			Location: tbl.Location() + "/a=" + run + "/data/f.parquet", Rows: 1, Bytes: 1, Tuple: tuple,
			Columns: []ColumnStats{{FieldID: 1, Values: 1, Bounds: bounds(1, a, a)}, {FieldID: 2, Values: 1, Bounds: bounds(1, f, f)}, {FieldID: 3, Values: 1, Bounds: bounds(1, n, n)}},
		}}})
	}
	commit(mustEnsure(t, c, spec), "old", coltype.Value{Kind: coltype.Int32, I: -7}, coltype.Value{Kind: coltype.Float32, F: 1.5}, dec(-1234, 2))
	spec.Columns = columns("a", typ(coltype.Int64, "int8"), "f", typ(coltype.Float64, "float8"), "n", decimalType(30, 2))
	tbl := commit(mustEnsure(t, c, spec), "new", long(1<<40), coltype.Value{Kind: coltype.Float64, F: 2.5}, dec(1234, 2))
	plan := mustPlan(t, c, tbl, 0)
	wantEqual(t, "plan", planned(plan), []string{"a=new: 1", "a=old: 1"})
	for i, want := range []struct {
		a, lo, hi int64
		f         float64
		n         int64
	}{{1 << 40, 1<<40 - 6, 1<<40 + 3, 2.5, 1234}, {-7, -10, -1, 1.5, -1234}} {
		b := fileBounds(tbl, plan[i].Files[0])
		if b[1].Min.I != want.a || b[1].Min.Kind != coltype.Int64 || b[2].Max.F != want.f || b[2].Max.Kind != coltype.Float64 || b[3].Min.Big.Int64() != want.n {
			t.Errorf("%s: bounds %+v %+v %+v", plan[i].Name, *b[1].Min, *b[2].Max, *b[3].Min)
		}
		if p := plan[i].Bounds[1]; p.Min.I != want.lo || p.Max.I != want.hi || p.Max.Kind != coltype.Int64 {
			t.Errorf("%s: implied %d to %d, want %d to %d", plan[i].Name, p.Min.I, p.Max.I, want.lo, want.hi)
		}
	}
}
