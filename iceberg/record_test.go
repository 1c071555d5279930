package iceberg

import (
	"context"
	"errors"
	"strings"
	"testing"

	"frostline/objstore"
)

func TestRecords(t *testing.T) {
	ctx := context.Background()
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			store := s.open(t)
			c := NewCatalog(store)
			tbl := mustEnsure(t, c, payment())
			archive := func(run string, replace bool) {
				m := monthCommit(t, tbl, run, 2024, 1, 2)
				m.Replace = replace
				m.Record = func(ctx context.Context, snapshot int64, schema int) error {
					return c.WriteRecord(ctx, tbl.Key(), &Record{RunID: run, Partition: "at=2024-01", Rows: 20, Digest: "d-" + run, SnapshotID: snapshot,
						SchemaID: schema, PrimaryKey: []string{"id"}, Schema: tbl.Schema(), Definition: []byte(`{"a": 1}`)})
				}
				tbl = mustCommit(t, c, tbl, m)
			}
			archive("run-1", false)
			p, err := tbl.Partition("at=2024-01")
			if err != nil {
				t.Fatal(err)
			}
			r, err := c.ReadRecord(ctx, tbl, p)
			if err != nil {
				t.Fatal(err)
			}
			if r.Version != 1 || r.SnapshotID != p.SnapshotID || r.SchemaID != p.SchemaID || r.Schema.ExactID != tbl.Schema().ExactID || r.PrimaryKey[0] != "id" {
				t.Errorf("record %+v", r)
			}
			wantEqual(t, "columns of the record", r.Schema.Columns[2].Type.Name, "numeric(12,2)")
			published := "public/payment/at=2024-01/schema_snapshot.json"
			for range 2 {
				if err := c.PublishRecord(ctx, tbl.Key(), p); err != nil {
					t.Fatal(err)
				}
			}
			archive("run-2", true)
			if err := c.PublishRecord(ctx, tbl.Key(), p); err != nil { // late, with what it knew
				t.Fatal(err)
			}
			data, _, err := readObject(ctx, store, published)
			if err != nil || !strings.Contains(string(data), `"run_id": "run-2"`) {
				t.Errorf("published %v: %s", err, data)
			}
			if err := c.PublishRecord(ctx, tbl.Key(), Partition{Name: "at=1999-01"}); !errors.Is(err, ErrNoPartition) {
				t.Errorf("publishing what is not archived: %v", err)
			}

			for _, tt := range []struct {
				name   string
				change func(*Partition)
			}{
				{"another run", func(p *Partition) { p.RunID = "run-2" }},
				{"another row count", func(p *Partition) { p.Rows = 21 }},
				{"another digest", func(p *Partition) { p.Digest = "d" }},
				{"another partition", func(p *Partition) { p.Name = "at=2024-02" }},
				{"a record that is not there", func(p *Partition) { p.Record = "at=2024-01/nothing.json" }},
			} {
				q := p
				tt.change(&q)
				if _, err := c.ReadRecord(ctx, tbl, q); !errors.Is(err, ErrCorrupt) {
					t.Errorf("%s: %v", tt.name, err)
				}
			}
			if _, err := store.Put(ctx, tbl.Key()+"/"+p.Record, strings.NewReader("{")); err != nil {
				t.Fatal(err)
			}
			if _, err := c.ReadRecord(ctx, tbl, p); !errors.Is(err, ErrCorrupt) || errors.Is(err, objstore.ErrNotExist) {
				t.Errorf("not JSON: %v", err)
			}
		})
	}
}
