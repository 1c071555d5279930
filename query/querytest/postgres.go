package querytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/internal/pgtest"
	"frostline/parquetio"
	"frostline/pgcopy"
	"frostline/postgres"
)

// Copy puts the table public.name of db into w: partitions by its boolean column by (NULL among them), each of three
// files, in row groups of 60 rows and pages of 20, with Bloom filters. order sorts the rows of each file, by partition and
// file. It returns the table's columns.
func (w *Warehouse) Copy(tb testing.TB, db *pgtest.DB, name, by string, order [3][3]string) []coltype.Column {
	tb.Helper()
	ctx := context.Background()
	pg, err := postgres.Open(ctx, postgres.Config{DSN: db.DSN})
	if err != nil {
		tb.Fatal(err)
	}
	defer pg.Close()
	info, err := pg.Table(ctx, postgres.Name{Schema: "public", Table: name})
	if err != nil {
		tb.Fatal(err)
	}
	spec := iceberg.PartitionSpec{Column: by, Transform: "identity"}
	tab := w.Table(tb, "public", name, info.Columns, spec)
	schema := tab.T.Schema()
	var blooms []string // on every column that can have one
	for _, c := range schema.Columns {
		if parquetio.CanBloom(c.Type) {
			blooms = append(blooms, c.Name)
		}
	}
	for p, part := range []struct {
		value, where string
		of           *coltype.Value
	}{
		{"t", by, &coltype.Value{Kind: coltype.Bool, I: 1}},
		{"f", "NOT " + by, &coltype.Value{Kind: coltype.Bool}},
		{"none", by + " IS NULL", nil},
	} {
		tuple, err := spec.Tuple(part.of)
		if err != nil {
			tb.Fatal(err)
		}
		var files []File
		for k := range 3 {
			data := db.CopyOut(tb, fmt.Sprintf("SELECT %s FROM %s WHERE %s AND id %% 3 = %d ORDER BY %s, id",
				pgcopy.SelectList(schema.Columns, ""), name, part.where, k, order[p][k]))
			f := File{Tuple: tuple, Options: parquetio.WriteOptions{RowGroupRows: 60, PageRows: 20, Bloom: blooms}}
			d := pgcopy.NewDecoder(bytes.NewReader(data), schema, pgcopy.DecodeOptions{})
			for {
				b, err := d.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					tb.Fatal(err)
				}
				tb.Cleanup(b.Release)
				f.Batches = append(f.Batches, b)
			}
			files = append(files, f)
		}
		tab.Add(tb, by+"="+part.value, files...)
	}
	return schema.Columns
}
