package iceberg

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	icegoio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"

	"frostline/coltype"
	"frostline/internal/s3test"
	"frostline/objstore"
)

// stores are the two real stores, each with a warehouse of its own.
var stores = []struct {
	name string
	open func(*testing.T) objstore.Store
}{
	{"file", fileStore},
	{"s3", func(t *testing.T) objstore.Store { return openStore(t, s3test.Start(t).Warehouse(t)) }},
}

func fileStore(t *testing.T) objstore.Store {
	t.Helper()
	return openStore(t, "file://"+t.TempDir())
}

func openStore(t *testing.T, location string) objstore.Store {
	t.Helper()
	if strings.HasPrefix(location, "s3://") {
		s3test.Start(t).Setenv(t)
	}
	s, err := objstore.Open(context.Background(), location, objstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func typ(kind coltype.Kind, base string) coltype.Type {
	return coltype.Type{Kind: kind, Wire: coltype.WireRaw, Name: base, Base: base}
}

func decimalType(p, s int) coltype.Type {
	t := typ(coltype.Decimal, "numeric")
	t.Name = fmt.Sprintf("numeric(%d,%d)", p, s)
	t.Precision, t.Scale = p, s
	return t
}

func listType(elem coltype.Type) coltype.Type {
	t := typ(coltype.List, "_"+elem.Base)
	t.Name = elem.Name + "[]"
	t.Elem, t.Delim = &elem, ","
	return t
}

// columns gives types the attribute numbers 1, 2, …
func columns(pairs ...any) []coltype.Column {
	var cols []coltype.Column
	for i := 0; i < len(pairs); i += 2 {
		cols = append(cols, coltype.Column{Name: pairs[i].(string), AttNum: 1 + i/2, Type: pairs[i+1].(coltype.Type)})
	}
	return cols
}

// payment is a table of months.
func payment() TableSpec {
	return TableSpec{
		Schema: "public", Table: "payment",
		Columns: columns(
			"id", typ(coltype.Int64, "int8"),
			"at", typ(coltype.TimestampTZ, "timestamptz"),
			"amount", decimalType(12, 2),
			"note", typ(coltype.String, "text"),
			"tags", listType(typ(coltype.String, "text")),
			"rate", typ(coltype.Float64, "float8"),
		),
		Partition:  PartitionSpec{Column: "at", Transform: "month"},
		Properties: map[string]string{"source.schema": "public", "source.table": "payment"},
	}
}

// instant is a timestamptz in PostgreSQL's count.
func instant(text string) coltype.Value {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return coltype.Value{Kind: coltype.TimestampTZ, I: at.UnixMicro() - epochMicros}
}

func long(n int64) coltype.Value { return coltype.Value{Kind: coltype.Int64, I: n} }

func text(s string) coltype.Value { return coltype.Value{Kind: coltype.String, S: s} }

func dec(unscaled int64, scale int) coltype.Value {
	return coltype.Value{Kind: coltype.Decimal, Big: big.NewInt(unscaled), Scale: scale}
}

func bounds(rows int64, lo, hi coltype.Value) coltype.Bounds {
	return coltype.Bounds{Rows: rows, Min: &lo, Max: &hi}
}

// monthCommit is a commit of files of 10 rows each for a month of payment, ids counting from 1000 × the month.
func monthCommit(t *testing.T, tbl *Table, run string, year, month, files int) Commit {
	t.Helper()
	name := PartitionName("at", fmt.Sprintf("%04d-%02d", year, month))
	first := fmt.Sprintf("%04d-%02d-01T00:00:00Z", year, month)
	lo, hi := instant(first), instant(fmt.Sprintf("%04d-%02d-27T23:59:59.999999Z", year, month))
	tuple, err := tbl.Spec().Tuple(&lo)
	if err != nil {
		t.Fatal(err)
	}
	m := Commit{Partition: Partition{Name: name, RunID: run, Rows: int64(10 * files), Digest: "d-" + run, Leaf: "public.payment_" + first[:7],
		Bounds: "FOR VALUES FROM ('" + first[:10] + "')", ArchivedAt: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)}}
	id := map[string]int{}
	for _, c := range tbl.Schema().Columns {
		id[c.Name] = c.FieldID
	}
	for i := range files {
		from := int64(1000*month + 10*i)
		m.Files = append(m.Files, DataFile{
			Location: tbl.Location() + "/" + objstore.Segment(name) + "/data/" + fmt.Sprintf("%s-%04d.parquet", objstore.Segment(run), i),
			Rows:     10, Bytes: 4096 + int64(i), Tuple: tuple, SplitOffsets: []int64{4, 2000},
			Columns: []ColumnStats{
				{FieldID: id["id"], Bytes: 80, Values: 10, Bounds: bounds(10, long(from), long(from+9))},
				{FieldID: id["at"], Bytes: 81, Values: 10, Bounds: bounds(10, lo, hi)},
				{FieldID: id["amount"], Bytes: 82, Values: 10, Bounds: bounds(10, dec(-100*from, 2), dec(100*from, 2))},
				{FieldID: id["note"], Bytes: 83, Values: 10, Bounds: coltype.Bounds{Rows: 10, Nulls: 3}},
			},
		})
	}
	return m
}

func mustEnsure(t *testing.T, c *Catalog, spec TableSpec) *Table {
	t.Helper()
	tbl, err := c.Ensure(context.Background(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return tbl
}

func mustCommit(t *testing.T, c *Catalog, tbl *Table, m Commit) *Table {
	t.Helper()
	out, err := c.Commit(context.Background(), tbl.Key(), m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func mustPlan(t *testing.T, c *Catalog, tbl *Table, snapshot int64) []PlanPartition {
	t.Helper()
	plan, err := c.Plan(context.Background(), tbl, snapshot)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// planned are the names and file counts of a plan.
func planned(plan []PlanPartition) []string {
	var out []string
	for _, p := range plan {
		out = append(out, fmt.Sprintf("%s: %d", p.Name, len(p.Files)))
	}
	return out
}

// oracle opens the table with iceberg-go alone, from its metadata file.
func oracle(t *testing.T, store objstore.Store, tbl *Table) *table.Table {
	t.Helper()
	files := &storeIO{ctx: context.Background(), store: store}
	out, err := table.NewFromLocation(context.Background(), table.Identifier{"oracle"}, tbl.MetadataLocation(),
		func(context.Context) (icegoio.IO, error) { return files, nil }, nil)
	if err != nil {
		t.Fatalf("iceberg-go does not open %s: %v", tbl.MetadataLocation(), err)
	}
	return out
}

// oracleFiles are the locations that iceberg-go plans, sorted.
func oracleFiles(t *testing.T, tbl *table.Table, opts ...table.ScanOption) []string {
	t.Helper()
	tasks, err := tbl.Scan(opts...).PlanFiles(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, task := range tasks {
		out = append(out, task.File.FilePath())
	}
	slices.Sort(out)
	return out
}

func planFiles(plan []PlanPartition) []string {
	var out []string
	for _, p := range plan {
		for _, f := range p.Files {
			out = append(out, f.Location)
		}
	}
	slices.Sort(out)
	return out
}

// fileBounds are the statistics of a file for the columns of the current schema that it has some of, by field id.
func fileBounds(t *Table, f PlanFile) map[int]coltype.Bounds {
	out := map[int]coltype.Bounds{}
	for _, c := range t.Schema().Columns {
		if b, ok := f.Bounds(c); ok {
			out[c.FieldID] = b
		}
	}
	return out
}

func wantEqual[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}
