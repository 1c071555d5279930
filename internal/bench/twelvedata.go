package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"frostline/iceberg"
	"frostline/internal/tpch"
	"frostline/objstore"
	"frostline/postgres"
)

// The two tables of the warehouse: our layout, and DuckDB's file of the same rows.
const (
	oursKey   = "public/lineitem"
	theirsKey = "public/lineitem_duckdb"
)

// twelveData is what stands in the folder once the warehouse is whole.
type twelveData struct {
	Rows       int64  `json:"rows"`
	PostgreSQL string `json:"postgresql"`
}

func (b *bench) dataFile() string { return filepath.Join(b.dir, "data.json") }

// startTwelve takes the folder of an earlier run, or makes the rows, archives them and lets DuckDB write them too.
func (b *bench) startTwelve() (err error) {
	if b.data == "" {
		if b.dir, err = os.MkdirTemp("", "frostline-bench-"); err != nil {
			return err
		}
	} else {
		if b.dir, err = filepath.Abs(b.data); err != nil {
			return err
		}
		if err := os.MkdirAll(b.dir, 0o755); err != nil {
			return err
		}
	}
	b.warehouse = b.location("warehouse")
	var d twelveData
	switch text, err := os.ReadFile(b.dataFile()); {
	case err == nil:
		if err := json.Unmarshal(text, &d); err != nil {
			return err
		}
		b.rows = d.Rows
		b.report.PostgreSQL = d.PostgreSQL
		if b.duck, err = b.startDuck(); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	default:
		if err := b.makeTwelve(); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) makeTwelve() (err error) {
	if err := removeAll(filepath.Join(b.dir, "warehouse")); err != nil {
		return err
	}
	if err := b.startServer(); err != nil {
		return err
	}
	note("making lineitem at scale %g", b.scale)
	for _, sql := range []string{
		createTwelve(), moreColumns,
		"CREATE TABLE public.lineitem_0 PARTITION OF public.lineitem FOR VALUES FROM (0) TO (1000000000)",
	} {
		if err := b.db.Exec(b.ctx, "create the table", sql); err != nil {
			return err
		}
	}
	pr, pw := io.Pipe()
	go func() {
		_, err := tpch.WriteText(&widened{to: pw}, tpch.Lineitem(b.scale))
		pw.CloseWithError(err)
	}()
	if b.rows, err = b.db.CopyIn(b.ctx, postgres.Name{Schema: "public", Table: "lineitem_0"}, "", "text", pr, ""); err != nil {
		return err
	}
	if err := b.db.Exec(b.ctx, "settle", "VACUUM (FREEZE, ANALYZE) public.lineitem_0"); err != nil {
		return err
	}
	note("archiving it")
	if _, err := b.command(b.warehouse, "archive", append(append([]string(nil), lineitem0...), "--bloom", "l_ticket")...); err != nil {
		return err
	}
	b.report.PostgreSQL = b.db.ServerVersion()
	if err := b.stopServer(); err != nil {
		return err
	}
	note("the same rows written by DuckDB")
	if b.duck, err = b.startDuck(); err != nil {
		return err
	}
	if err := b.adoptDuck(); err != nil {
		return err
	}
	text, err := json.Marshal(twelveData{Rows: b.rows, PostgreSQL: b.report.PostgreSQL})
	if err != nil {
		return err
	}
	return os.WriteFile(b.dataFile(), text, 0o644)
}

// adoptDuck lets DuckDB write the rows by COPY, and makes its file a table of the warehouse.
func (b *bench) adoptDuck() error {
	files, err := b.files()
	if err != nil {
		return err
	}
	const partition = "file=duckdb"
	path := filepath.Join(b.dir, "warehouse", theirsKey, partition, "data", "duckdb.parquet")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	for _, sql := range []string{
		viewOf("ours", files),
		"COPY (SELECT * FROM ours) TO " + quoted(path) + " (FORMAT parquet, COMPRESSION zstd)",
	} {
		if err := b.duck.exec(sql); err != nil {
			return err
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	store, err := objstore.Open(b.ctx, b.warehouse, objstore.Options{})
	if err != nil {
		return err
	}
	catalog := iceberg.NewCatalog(store)
	archived, err := catalog.Load(b.ctx, oursKey)
	if err != nil {
		return err
	}
	cols := archived.Schema().Columns
	for i := range cols {
		cols[i].FieldID = 0
	}
	t, err := catalog.Ensure(b.ctx, iceberg.TableSpec{Schema: "public", Table: "lineitem_duckdb", Columns: cols})
	if err != nil {
		return err
	}
	p := iceberg.Partition{Name: partition, RunID: "duckdb", Rows: b.rows, Bytes: info.Size(), ArchivedAt: time.Now().UTC(),
		Digest: "xxh3-128:00000000000000000000000000000000:0"}
	_, err = catalog.Commit(b.ctx, t.Key(), iceberg.Commit{
		Partition: p,
		Files:     []iceberg.DataFile{{Location: "file://" + path, Rows: b.rows, Bytes: info.Size()}},
		Record: func(ctx context.Context, snapshot int64, schema int) error {
			return catalog.WriteRecord(ctx, t.Key(), &iceberg.Record{RunID: p.RunID, Partition: partition, Rows: p.Rows, Digest: p.Digest,
				Schema: t.Schema(), SchemaID: schema, SnapshotID: snapshot, ArchivedAt: p.ArchivedAt})
		},
	})
	if err != nil {
		return fmt.Errorf("adopt DuckDB's file: %w", err)
	}
	return nil
}
