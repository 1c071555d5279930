package archive_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"frostline/archive"
	"frostline/postgres"
)

func (b *bench) estimate(req archive.EstimateRequest) *archive.Estimate {
	b.t.Helper()
	e, err := b.a.Estimate(b.t.Context(), req)
	if err != nil {
		b.t.Fatal(err)
	}
	return e
}

// near says whether got is within a share of want.
func near(t *testing.T, what string, got, want int64, share float64) {
	t.Helper()
	if math.Abs(float64(got)-float64(want)) > share*float64(want) {
		t.Errorf("%s: %d is not within %.0f %% of %d", what, got, 100*share, want)
	}
}

// What is estimated from a sample is what archiving then writes, nearly; a small partition is encoded whole.
func TestEstimate(t *testing.T) {
	b := newBench(t, monthly, `
		CREATE TABLE tx_2024_03 PARTITION OF tx FOR VALUES FROM ('2024-03-01') TO ('2024-04-01');
		INSERT INTO tx (at, note, amount) SELECT '2024-03-01'::timestamptz + i * interval '8 seconds', md5(i::text) || repeat('pad ', 20), i % 10000 FROM generate_series(1, 300000) i;
		CREATE TABLE tx_2024_04 PARTITION OF tx FOR VALUES FROM ('2024-04-01') TO ('2024-05-01')`)
	b.sql.Exec(t, `VACUUM tx_2024_03`) // autovacuum would add a visibility map between two looks at the sizes
	b.run(request("tx", "at", "2024-01"))
	calls := len(b.store.Calls())
	e := b.estimate(archive.EstimateRequest{Table: postgres.Name{Schema: "public", Table: "tx"}, Prices: archive.Prices{DB: 2, S3: 0.5, Put: 1000}})
	equal(t, "archived", e.Archived, 1)
	equal(t, "leaves", len(e.Leaves), 3)
	empty, big := e.Leaves[0], e.Leaves[1]
	equal(t, "leaf", empty.Leaf, `"public"."tx_2024_02"`)
	equal(t, "an empty partition", fmt.Sprint(empty.Rows, empty.Parquet, empty.Exact), "0 0 true")
	equal(t, "leaf", big.Leaf, `"public"."tx_2024_03"`)
	equal(t, "sampled", big.Exact, false)
	if big.Sampled < 50_000 || big.Sampled > 200_000 {
		t.Errorf("%d rows sampled", big.Sampled)
	}
	equal(t, "source bytes", fmt.Sprint(big.Source), b.sql.One(t, `SELECT pg_total_relation_size('tx_2024_03')`))
	equal(t, "index bytes", fmt.Sprint(big.Sizes.Indexes), b.sql.One(t, `SELECT pg_indexes_size('tx_2024_03')`))
	equal(t, "heap bytes", fmt.Sprint(big.Sizes.Heap), b.sql.One(t, `SELECT pg_table_size('tx_2024_03') - pg_total_relation_size((SELECT reltoastrelid FROM pg_class WHERE relname = 'tx_2024_03'))`))
	gib := float64(1 << 30)
	equal(t, "month before", big.Cost.Before, 2*float64(big.Source)/gib)
	equal(t, "month after", big.Cost.After, 0.5*float64(big.Parquet)/gib)
	equal(t, "upload", big.Cost.Once, math.Ceil(float64(big.Parquet)/(8<<20))+6)
	equal(t, "sum of bytes", e.Source, e.Leaves[0].Source+e.Leaves[1].Source+e.Leaves[2].Source)
	equal(t, "ratio", e.Ratio, float64(e.Source)/float64(e.Parquet))
	for _, c := range b.store.Calls()[calls:] {
		if c.Op == "put" || c.Op == "create" || c.Op == "delete" {
			t.Errorf("estimate did %s on %s", c.Op, c.Key)
		}
	}
	res := b.run(request("tx", "at", "2024-03"))
	near(t, "rows", big.Rows, res.Records, 0.1)
	near(t, "bytes", big.Parquet, res.Bytes, 0.25)
	t.Logf("estimated %d rows, %d bytes from %d rows; archived %d rows, %d bytes", big.Rows, big.Parquet, big.Sampled, res.Records, res.Bytes)
	e = b.estimate(archive.EstimateRequest{Table: postgres.Name{Schema: "public", Table: "tx"}})
	equal(t, "archived now", e.Archived, 2)
}

func TestEstimateOfOtherSources(t *testing.T) {
	b := newBench(t, `
		CREATE TABLE "pl.ain" (id int, "V" text[]);
		INSERT INTO "pl.ain" SELECT i, ARRAY['a', i::text] FROM generate_series(1, 5000) i;
		CREATE TABLE old (at date, v int) PARTITION BY RANGE (at);
		CREATE TABLE old_1 PARTITION OF old FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
		CREATE TABLE old_2 PARTITION OF old FOR VALUES FROM ('2099-01-01') TO ('2099-02-01');
		CREATE TABLE sparse (id int, v text);
		INSERT INTO sparse SELECT i, repeat('x', 1000) FROM generate_series(1, 30000) i;
		DELETE FROM sparse WHERE id <> 15000`)
	e := b.estimate(archive.EstimateRequest{Table: postgres.Name{Schema: "public", Table: "pl.ain"}})
	equal(t, "a plain table", fmt.Sprint(len(e.Leaves), e.Leaves[0].Rows, e.Leaves[0].Exact, e.Leaves[0].Parquet > 0), "1 5000 true true")
	e = b.estimate(archive.EstimateRequest{Table: postgres.Name{Schema: "public", Table: "old"}, OlderThan: "24 months"})
	equal(t, "old leaves", fmt.Sprintf("%d %s", len(e.Leaves), e.Leaves[0].Leaf), `1 "public"."old_1"`)
	// The first sample meets no row; a larger one does.
	e = b.estimate(archive.EstimateRequest{Table: postgres.Name{Schema: "public", Table: "sparse"}})
	equal(t, "one row in many blocks", e.Leaves[0].Sampled, int64(1))
	equal(t, "its rows", e.Leaves[0].Rows >= 1 && e.Leaves[0].Rows <= 2, true)
	for _, c := range []struct {
		req  archive.EstimateRequest
		want error
	}{
		{archive.EstimateRequest{}, archive.ErrBadInput},
		{archive.EstimateRequest{Table: postgres.Name{Schema: "public", Table: "nosuch"}}, postgres.ErrNoTable},
		{archive.EstimateRequest{Table: postgres.Name{Schema: "public", Table: "old"}, Prices: archive.Prices{DB: -1}}, archive.ErrBadInput},
		{archive.EstimateRequest{Table: postgres.Name{Schema: "public", Table: "old"}, OlderThan: "long ago"}, postgres.ErrBadValue},
	} {
		if _, err := b.a.Estimate(t.Context(), c.req); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v, want %v", c.req, err, c.want)
		}
	}
}
