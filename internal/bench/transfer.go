package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"frostline/postgres"
)

// archive measures archive against COPY TO STDOUT of the same partition to nowhere.
func (b *bench) archive() error {
	copyOut := func() error {
		n, err := b.db.CopyOut(b.ctx, b.leaf, io.Discard)
		if err == nil && n != b.rows {
			err = fmt.Errorf("COPY gave %d rows, not %d", n, b.rows)
		}
		return err
	}
	if err := b.dump(); err != nil { // warms the cache too
		return err
	}
	psql := b.psql()
	var ours []process
	var peer, viaPsql []float64
	for i := range b.runs {
		note("archive, run %d of %d", i+1, b.runs)
		t, err := timed(copyOut)
		if err != nil {
			return err
		}
		peer = append(peer, t)
		if psql != "" {
			if t, err = timed(func() error { return b.runPsql(psql) }); err != nil {
				return err
			}
			viaPsql = append(viaPsql, t)
		}
		if b.warehouse != "" {
			if err := os.RemoveAll(filepath.Join(b.dir, fmt.Sprint("warehouse", i-1))); err != nil {
				return err
			}
		}
		b.warehouse = b.location(fmt.Sprint("warehouse", i))
		p, err := b.command(b.warehouse, "archive", "--table", "lineitem", "--partition-column", "l_shipdate", "--partition-value", "2024-01")
		if err != nil {
			return err
		}
		ours = append(ours, p)
	}
	const against = "COPY TO STDOUT (FORMAT binary)"
	whole := func(p process) float64 { return p.seconds }
	r := &b.report
	r.Files = ours[0].result.Files
	r.add("archive", "archive, whole process", against, "s", of(ours, whole), median(peer))
	if psql != "" {
		r.add("archive_psql", "archive, whole process", against+", psql", "s", of(ours, whole), median(viaPsql))
	}
	r.add("archive_without_readback", "  plan, copy and commit", against, "s",
		of(ours, func(p process) float64 { return p.step("plan", "copy", "commit") }), median(peer))
	r.add("archive_copy", "  copy alone", against, "s", of(ours, func(p process) float64 { return p.step("copy") }), median(peer))
	r.add("archive_verify", "  verify alone", against, "s", of(ours, func(p process) float64 { return p.step("verify") }), median(peer))
	r.add("archive_cpu", "  CPU time of the process", "", "s", of(ours, func(p process) float64 { return p.cpu }), 0)
	r.add("archive_rss", "  peak memory", "", "bytes", of(ours, func(p process) float64 { return float64(p.rss) }), 0)
	r.add("archive_bytes", "archived bytes", "COPY binary stream", "bytes", float64(ours[0].result.Bytes), float64(b.stream))
	return nil
}

func (b *bench) dumpFile() string { return filepath.Join(b.dir, "partition.copy") }

// dump writes the partition's COPY binary stream to a file, for COPY FROM.
func (b *bench) dump() error {
	f, err := os.Create(b.dumpFile())
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	if _, err := b.db.CopyOut(b.ctx, b.leaf, w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	b.stream, b.report.Stream = info.Size(), info.Size()
	return f.Close()
}

// psql is the path of the client program, "" without one.
func (b *bench) psql() string {
	if path := filepath.Join(b.pg.BinDir, "psql"); exec.Command(path, "--version").Run() == nil {
		return path
	}
	path, _ := exec.LookPath("psql")
	return path
}

func (b *bench) runPsql(psql string) error {
	cmd := exec.CommandContext(b.ctx, psql, "-X", "-q", "-c", "COPY ("+b.leaf+") TO STDOUT (FORMAT binary)", b.pg.DSN("postgres"))
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil { // its stdout is the null device
		return fmt.Errorf("psql: %w", err)
	}
	return nil
}

// restore measures restore into an unlogged table against COPY FROM of the partition's binary stream into one.
func (b *bench) restore() error {
	copyIn := func() error {
		f, err := os.Open(b.dumpFile())
		if err != nil {
			return err
		}
		defer f.Close()
		n, err := b.db.CopyIn(b.ctx, postgres.Name{Schema: "public", Table: "loaded"}, "", "binary", bufio.NewReaderSize(f, 1<<20), "")
		if err == nil && n != b.rows {
			err = fmt.Errorf("COPY loaded %d rows, not %d", n, b.rows)
		}
		return err
	}
	var ours []process
	var peer []float64
	for i := range b.runs {
		note("restore, run %d of %d", i+1, b.runs)
		t, err := timed(copyIn)
		if err != nil {
			return err
		}
		peer = append(peer, t)
		if err := b.db.Exec(b.ctx, "empty the table", "TRUNCATE public.loaded"); err != nil {
			return err
		}
		p, err := b.command(b.warehouse, "restore", "--source-path", b.warehouse+"/public/lineitem/l_shipdate=2024-01", "--target-table", "staging", "--unlogged")
		if err != nil {
			return err
		}
		ours = append(ours, p)
		if err := b.db.Exec(b.ctx, "drop the staging table", "DROP TABLE public.staging"); err != nil {
			return err
		}
	}
	const against = "COPY FROM binary, unlogged"
	r := &b.report
	r.add("restore", "restore --unlogged, whole process", against, "s", of(ours, func(p process) float64 { return p.seconds }), median(peer))
	r.add("restore_load", "  load alone", against, "s", of(ours, func(p process) float64 { return p.step("load") }), median(peer))
	r.add("restore_verify", "  verify alone", against, "s", of(ours, func(p process) float64 { return p.step("verify") }), median(peer))
	r.add("restore_cpu", "  CPU time of the process", "", "s", of(ours, func(p process) float64 { return p.cpu }), 0)
	r.add("restore_rss", "  peak memory", "", "bytes", of(ours, func(p process) float64 { return float64(p.rss) }), 0)
	return os.Remove(b.dumpFile())
}
