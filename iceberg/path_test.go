package iceberg

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"frostline/coltype"
	"frostline/objstore"
)

func TestSplitPath(t *testing.T) {
	ctx := context.Background()
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			store := s.open(t)
			c := NewCatalog(store)
			for _, name := range []string{"payment", "a=b", "my table"} {
				spec := payment()
				spec.Table = name
				tbl := mustEnsure(t, c, spec)
				m := monthCommit(t, tbl, "run-1", 2024, 1, 0)
				mustCommit(t, c, tbl, m)
				m.Partition.Name, m.Partition.RunID = "at=2024-01-01 00:00:00+00 é=%", "run-2"
				mustCommit(t, c, tbl, m)
			}
			root := store.Root()
			for _, tt := range []struct {
				location, table, partition string
			}{
				{root + "/public/payment", "public/payment", ""},
				{root + "/public/payment/", "public/payment", ""},
				{"public/payment", "public/payment", ""},
				{"public/payment//", "public/payment", ""},
				{root + "/public/payment/at=2024-01", "public/payment", "at=2024-01"},
				{"public/payment/at=2024-01/", "public/payment", "at=2024-01"},
				{"public/payment/at=2024-09", "public/payment", "at=2024-09"},
				{"public/payment/" + objstore.Segment("at=2024-01-01 00:00:00+00 é=%"), "public/payment", "at=2024-01-01 00:00:00+00 é=%"},
				{root + "/public/payment/at=2024-01-01 00:00:00+00 é=%", "public/payment", "at=2024-01-01 00:00:00+00 é=%"},
				{"public/a=b", "public/a=b", ""},
				{root + "/public/a=b/at=2024-01", "public/a=b", "at=2024-01"},
				{"public/my.20table/at=2024-01", "public/my.20table", "at=2024-01"},
				{root + "/public/my table", "public/my.20table", ""},
				{"public/nothing/at=1", "public/nothing", "at=1"},
			} {
				table, partition, err := c.SplitPath(ctx, tt.location)
				if err != nil || table != tt.table || partition != tt.partition {
					t.Errorf("%s: got %q, %q, %v; want %q, %q", tt.location, table, partition, err, tt.table, tt.partition)
				}
			}
			for _, tt := range []struct {
				location string
				want     error
			}{
				{"s3://other-bucket/public/payment", objstore.ErrOutside},
				{"file:///etc/passwd", objstore.ErrOutside},
				{root + "x/public/payment", objstore.ErrOutside},
				{root + "/../payment", objstore.ErrOutside},
				{"public/../payment", objstore.ErrOutside},
				{"../public/payment", objstore.ErrOutside},
				{"/etc/passwd", objstore.ErrOutside},
				{"", objstore.ErrOutside},
				{root, objstore.ErrOutside},
				{"public", ErrNoTable},
				{"public/payment/metadata", ErrNoTable},
				{"public/payment/at=2024-01/data", ErrNoTable},
				{"public//payment", ErrNoTable},
			} {
				if table, partition, err := c.SplitPath(ctx, tt.location); !errors.Is(err, tt.want) {
					t.Errorf("%q: got %q, %q, %v; want %v", tt.location, table, partition, err, tt.want)
				}
			}
		})
	}
}

func TestSplitPathLocal(t *testing.T) {
	store := fileStore(t)
	c := NewCatalog(store)
	mustEnsure(t, c, payment())
	dir := strings.TrimPrefix(store.Root(), "file://")
	table, partition, err := c.SplitPath(context.Background(), dir+"/public/payment/at=2024-01")
	if err != nil || table != "public/payment" || partition != "at=2024-01" {
		t.Errorf("a plain file path: %q, %q, %v", table, partition, err)
	}
}

func TestKeys(t *testing.T) {
	wantEqual(t, "table", TableKey("my schema", `we"ird/täble`), "my.20schema/we.22ird.2Ft.C3.A4ble")
	wantEqual(t, "partition", PartitionKey("public", "tx", "at=2024-01-01 00:00"), "public/tx/at=2024-01-01.2000.3A00")
	wantEqual(t, "record", RecordKey("at=2024-01", "run/1"), "at=2024-01/schema_snapshot-run.2F1.json")
	for _, name := range []string{"", "a", "a.b", ".20", "%41", "ü=ß", "\x00\xff", ".empty", "a/b"} {
		if got := decodedSegment(objstore.Segment(name)); got != name {
			t.Errorf("segment of %q decodes to %q", name, got)
		}
	}
}

// Names that break paths, JSON, SQL, Avro or URLs go through a whole round.
func TestHostileNames(t *testing.T) {
	names := []string{"two words", `quo"te`, "it's", "ünïcödé 数据", "dot.ted", "ha#sh", "per%41cent", "a/b", `back\slash`,
		"_pg_exact", "id", "ID", "1digit", "at_month", "new\nline", "semi;colon", "🙂", "tags.element"}
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			store := s.open(t)
			c := NewCatalog(store)
			for i, name := range names {
				spec := payment()
				spec.Schema, spec.Table = name, "t "+name
				for j, n := range names {
					spec.Columns = append(spec.Columns, coltype.Column{Name: n, AttNum: 10 + j, Type: typ(coltype.String, "text")})
				}
				spec.Columns = append(spec.Columns[:0:0], spec.Columns[1:]...) // "id" comes from names
				spec.Columns[0].Name = name + "at"
				spec.Partition.Column = name + "at"
				tbl := mustEnsure(t, c, spec)
				m := Commit{Partition: Partition{Name: PartitionName(name+"at", "2024-01 "+name), RunID: fmt.Sprintf("run %d/%s", i, name), Rows: 5}}
				key := PartitionKey(spec.Schema, spec.Table, m.Partition.Name)
				tuple, err := tbl.Spec().Tuple(&coltype.Value{Kind: coltype.TimestampTZ})
				if err != nil {
					t.Fatal(err)
				}
				m.Files = []DataFile{{Location: objstore.Location(store, key+"/data/f.parquet"), Rows: 5, Bytes: 10, Tuple: tuple}}
				m.Record = func(ctx context.Context, snapshot int64, schema int) error {
					return c.WriteRecord(ctx, tbl.Key(), &Record{RunID: m.Partition.RunID, Partition: m.Partition.Name, Rows: 5})
				}
				tbl = mustCommit(t, c, tbl, m)
				p, err := tbl.Partition(m.Partition.Name)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := c.ReadRecord(context.Background(), tbl, p); err != nil {
					t.Error(err)
				}
				plan := mustPlan(t, c, tbl, 0)
				if len(plan) != 1 || plan[0].Name != m.Partition.Name || plan[0].Files[0].Location != m.Files[0].Location {
					t.Errorf("%q: plan %+v", name, plan)
				}
				again, err := NewCatalog(store).Load(context.Background(), TableKey(spec.Schema, spec.Table))
				if err != nil {
					t.Fatal(err)
				}
				cols := again.Schema().Columns
				for j, want := range spec.Columns {
					if cols[j].Name != want.Name || cols[j].FieldID == 0 {
						t.Errorf("column %q came back as %+v", want.Name, cols[j])
					}
				}
				wantEqual(t, "files that iceberg-go plans", oracleFiles(t, oracle(t, store, again)), []string{m.Files[0].Location})
				table, partition, err := c.SplitPath(context.Background(), objstore.Location(store, key))
				if err != nil || table != tbl.Key() || partition != m.Partition.Name {
					t.Errorf("split of %s: %q, %q, %v", key, table, partition, err)
				}
			}
		})
	}
}

// A local warehouse in a folder with characters that a URL escapes.
func TestWarehouseWithSpaces(t *testing.T) {
	store := openStore(t, "file://"+t.TempDir()+"/my ware#house %41 ü")
	c := NewCatalog(store)
	tbl := mustEnsure(t, c, payment())
	tbl = mustCommit(t, c, tbl, monthCommit(t, tbl, "run-1", 2024, 1, 2))
	c = NewCatalog(store)
	wantEqual(t, "plan", planned(mustPlan(t, c, tbl, 0)), []string{"at=2024-01: 2"})
	wantEqual(t, "files that iceberg-go plans", oracleFiles(t, oracle(t, store, tbl)), planFiles(mustPlan(t, c, tbl, 0)))
	m := monthCommit(t, tbl, "run-2", 2024, 1, 1)
	m.Replace = true
	tbl = mustCommit(t, c, tbl, m)
	wantEqual(t, "files after a replace", oracleFiles(t, oracle(t, store, tbl)), []string{m.Files[0].Location})
}
