package archive_test

import (
	"strings"
	"testing"

	"frostline/archive"
	"frostline/iceberg"
	"frostline/objstore"
	"frostline/parquetio"
)

// TestBloom: the columns asked for, and only these, have filters in every row group of the files.
func TestBloom(t *testing.T) {
	b := newBench(t, `
		CREATE TABLE b (day date, id int, "Key, é" text, f float8, ok bool, tags text[]) PARTITION BY LIST (day);
		CREATE TABLE b_1 PARTITION OF b FOR VALUES IN ('2024-01-01');
		INSERT INTO b SELECT '2024-01-01', n, 'k' || n, n, true, '{}' FROM generate_series(1, 500) n`)
	req := request("b", "day", "2024-01-01")
	for _, c := range []struct {
		column string
		says   string
	}{
		{"nothing", `--bloom: there is no column "nothing"; nothing was done`},
		{"f", `--bloom: column "f" is of type double precision, which has no Bloom filter; nothing was done`},
		{"ok", `--bloom: column "ok" is of type boolean, which has no Bloom filter; nothing was done`},
		{"tags", `--bloom: column "tags" is of type text[], which has no Bloom filter; nothing was done`},
	} {
		b.a.Layout.Bloom = []string{"id", c.column}
		b.fail(req, archive.ErrBadInput, c.says)
	}
	equal(t, "archived after refusals", b.rows("b"), "")

	b.a.Layout.Bloom = []string{"id", "Key, é"}
	b.run(req)
	table, err := b.a.Catalog.Load(t.Context(), iceberg.TableKey("public", "b"))
	if err != nil {
		t.Fatal(err)
	}
	parts, err := b.a.Catalog.Plan(t.Context(), table, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range parts[0].Files {
		key, err := objstore.Key(b.store, file.Location)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parquetio.Open(t.Context(), parquetio.StoreSource(b.store, key, file.Bytes), parquetio.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for rg := range f.RowGroups() {
			var have []string
			for _, c := range table.Schema().Columns {
				if f.HasBloom(rg, c) {
					have = append(have, c.Name)
				}
			}
			equal(t, "columns with filters", strings.Join(have, "|"), "id|Key, é")
		}
	}
}
