package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"

	"frostline/archive"
	"frostline/iceberg"
	"frostline/internal/tpch"
	"frostline/objstore"
	"frostline/postgres"
)

const copyBinary = "COPY TO STDOUT (FORMAT binary)"

// fillTPCH makes one partition, in the order of dbgen.
func (b *bench) fillTPCH() error {
	note("making lineitem at scale %g", b.scale)
	for _, sql := range []string{
		fmt.Sprintf(tpch.CreateLineitem, "public.lineitem") + " PARTITION BY RANGE (l_orderkey)",
		"CREATE TABLE public.lineitem_0 PARTITION OF public.lineitem FOR VALUES FROM (0) TO (1000000000)",
	} {
		if err := b.db.Exec(b.ctx, "create the table", sql); err != nil {
			return err
		}
	}
	pr, pw := io.Pipe()
	go func() {
		_, err := tpch.WriteText(pw, tpch.Lineitem(b.scale))
		pw.CloseWithError(err)
	}()
	n, err := b.db.CopyIn(b.ctx, postgres.Name{Schema: "public", Table: "lineitem_0"}, "", "text", pr, "")
	if err != nil {
		return err
	}
	b.rows, b.report.Rows = n, n
	b.leaf = "SELECT * FROM public.lineitem_0"
	for _, sql := range []string{"VACUUM (FREEZE, ANALYZE) public.lineitem_0", "CHECKPOINT"} {
		if err := b.db.Exec(b.ctx, "settle", sql); err != nil {
			return err
		}
	}
	var stream counter
	if _, err := b.db.CopyOut(b.ctx, b.leaf, &stream); err != nil { // warms the cache too
		return err
	}
	b.stream, b.report.Stream = int64(stream), int64(stream)
	return nil
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

var lineitem0 = []string{"--table", "lineitem", "--partition-column", "l_orderkey", "--partition-value", "lineitem_0"}

// archiveRounds lets COPY and the kinds of archiving take turns.
func (b *bench) archiveRounds() error {
	s3, stop, err := b.s3server()
	if err != nil {
		return err
	}
	defer stop()
	binary := func(name string, args ...string) func(int) (process, error) {
		return func(round int) (process, error) {
			return b.archiveOnce(b.location(fmt.Sprintf("%s-%d", name, round)), args...)
		}
	}
	copied := func(n int) func(int) (process, error) {
		return func(int) (p process, err error) {
			p.seconds, err = timed(func() error { return b.copyOut(n) })
			return p, err
		}
	}
	cores := runtime.GOMAXPROCS(0)
	sides := []*side{
		{name: "copy", run: copied(1)},
		{name: "copy_parallel", what: fmt.Sprintf("COPY, %d backends on ctid ranges", cores), run: copied(cores)},
		{name: "archive_without_readback", what: "archive without read-back and commit, in process", run: b.unproven},
		{name: "archive", what: "archive, whole process", run: binary("default")},
		{name: "archive_compatible", what: "archive --compatible", run: binary("compatible", "--compatible")},
		{name: "archive_sorted", what: "archive --sort-by l_shipdate,l_partkey", run: binary("sorted", "--sort-by", "l_shipdate,l_partkey")},
		{name: "archive_s3", what: "archive to S3 (versitygw on this machine)", run: func(round int) (process, error) {
			return b.archiveOnce(fmt.Sprintf("%s/round-%d", s3, round))
		}},
	}
	chosen, err := b.rounds(sides)
	if err != nil {
		return err
	}
	peer := sides[0].seconds()
	b.copySeconds = peer
	r := &b.report
	for _, s := range chosen {
		if s != sides[0] {
			r.add(s.name, s.what, copyBinary, "s", s.seconds(), peer)
		}
	}
	if ours := sides[3].runs; len(ours) > 0 {
		r.Files = ours[0].result.Files
		r.add("archive_copy", "  of archive: copy", copyBinary, "s", of(ours, func(p process) float64 { return p.step("copy") }), peer)
		r.add("archive_verify", "  of archive: verify, behind the copy", copyBinary, "s", of(ours, func(p process) float64 { return p.step("verify") }), peer)
		r.add("archive_cpu", "  of archive: CPU time", "", "s", of(ours, func(p process) float64 { return p.cpu }), 0)
	}
	r.addMemory(chosen)
	if b.only != "" {
		return nil
	}
	return b.archivedBytes(sides[3:6])
}

// archivedBytes compares the files with DuckDB's of the same rows.
func (b *bench) archivedBytes(sides []*side) error {
	b.warehouse = b.location("default-0")
	files, err := b.files()
	if err != nil {
		return err
	}
	duck, err := b.duckdb(duckJob{Threads: runtime.GOMAXPROCS(0), Files: files, CopyTo: filepath.Join(b.dir, "duckdb.parquet")})
	if err != nil {
		return err
	}
	b.report.DuckDB = duck.Version
	for _, s := range sides {
		b.report.add(s.name+"_bytes", "bytes: "+s.what, "DuckDB, zstd 3, as read from ours", "bytes", float64(s.runs[0].result.Bytes), float64(duck.CopyBytes))
	}
	return nil
}

// archiveOnce runs the command on the partition.
func (b *bench) archiveOnce(warehouse string, args ...string) (process, error) {
	return b.command(warehouse, "archive", append(append([]string(nil), lineitem0...), args...)...)
}

// copyOut reads the partition to nowhere, over n backends.
func (b *bench) copyOut(n int) error {
	if n == 1 {
		got, err := b.db.CopyOut(b.ctx, b.leaf, io.Discard)
		if err == nil && got != b.rows {
			err = fmt.Errorf("COPY gave %d rows, not %d", got, b.rows)
		}
		return err
	}
	snap, err := b.db.Snapshot(b.ctx)
	if err != nil {
		return err
	}
	defer snap.Close()
	leaf, err := b.db.Table(b.ctx, postgres.Name{Schema: "public", Table: "lineitem_0"})
	if err != nil {
		return err
	}
	conds, err := snap.CtidRanges(b.ctx, leaf.OID, n)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(b.ctx)
	for _, cond := range conds {
		g.Go(func() error {
			_, err := snap.CopyOut(ctx, b.leaf+" WHERE "+cond, io.Discard)
			return err
		})
	}
	return g.Wait()
}

// unproven archives in this process, and stops before the proof.
func (b *bench) unproven(round int) (p process, err error) {
	dir := filepath.Join(b.dir, fmt.Sprint("unproven-", round))
	defer os.RemoveAll(dir)
	store, err := objstore.Open(b.ctx, "file://"+dir, objstore.Options{})
	if err != nil {
		return p, err
	}
	a := &archive.Archiver{DB: b.db, Store: store, Catalog: iceberg.NewCatalog(store), SkipProof: true}
	p.seconds, err = timed(func() error {
		res, err := a.Run(b.ctx, archive.Request{Table: postgres.Name{Schema: "public", Table: "lineitem"}, Column: "l_orderkey", Value: "lineitem_0"})
		if err == nil && res.Records != b.rows {
			err = fmt.Errorf("%d rows, not %d", res.Records, b.rows)
		}
		return err
	})
	return p, err
}

// archiveRate sees whether --max-rate is kept: at a third of the speed of COPY.
func (b *bench) archiveRate() error {
	rate := float64(b.stream) / (3 * b.copySeconds)
	note("--max-rate")
	p, err := b.archiveOnce(b.location("rate"), "--max-rate", fmt.Sprintf("%.3f", rate/(1<<20)))
	if err != nil {
		return err
	}
	b.report.add("archive_max_rate", "archive --max-rate, bytes a second of the copy", "the limit", "bytes", float64(b.stream)/p.step("copy"), rate)
	return nil
}
