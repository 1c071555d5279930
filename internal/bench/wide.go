package main

import "fmt"

// wideKinds are values of 100 MB that become very little, half of themselves, and nothing less when they are compressed.
var wideKinds = []struct{ name, what, fill string }{
	{"wide_zip", "10 values of 100 MB that compress", `INSERT INTO public.wide SELECT 'wide_zip', decode(repeat(md5(i::text), 6250000), 'hex') FROM generate_series(1, 10) i`},
	{"wide_half", "10 of hex digits", `INSERT INTO public.wide SELECT 'wide_half', convert_to(repeat(hex, 20), 'UTF8') FROM public.block`},
	{"wide_noise", "10 that do not compress", `INSERT INTO public.wide SELECT 'wide_noise', decode(repeat(hex, 40), 'hex') FROM public.block`},
}

// wideValues archives values of 100 MB to a folder and to S3, and restores them.
func (b *bench) wideValues() error {
	for _, sql := range []string{
		"CREATE TABLE public.wide (kind text NOT NULL, data bytea) PARTITION BY LIST (kind)",
		`CREATE TABLE public.block AS SELECT i, string_agg(md5((i * 1000000 + n)::text), '') AS hex
			FROM generate_series(1, 10) i, generate_series(1, 156250) n GROUP BY i`, // 5 MB: beyond the reach of a compressor
	} {
		if err := b.db.Exec(b.ctx, "make wide values", sql); err != nil {
			return err
		}
	}
	s3, stop, err := b.s3server()
	if err != nil {
		return err
	}
	defer stop()
	rows := b.rows
	b.rows = 10
	defer func() { b.rows = rows }()
	for _, k := range wideKinds {
		note(k.what)
		for _, sql := range []string{
			fmt.Sprintf("CREATE TABLE public.%s PARTITION OF public.wide FOR VALUES IN ('%[1]s')", k.name),
			fmt.Sprintf("ALTER TABLE public.%s ALTER data SET STORAGE EXTERNAL", k.name), k.fill,
		} {
			if err := b.db.Exec(b.ctx, "make wide values", sql); err != nil {
				return err
			}
		}
		folder := b.location(k.name)
		archive := []string{"--table", "wide", "--partition-column", "kind", "--partition-value", k.name}
		for _, run := range []struct {
			name, what, warehouse, command string
			args                           []string
		}{
			{"archive_" + k.name, "archive", folder, "archive", archive},
			{"archive_s3_" + k.name, "archive to S3", s3 + "/" + k.name, "archive", archive},
			{"restore_" + k.name, "restore", folder, "restore", []string{"--source-path", folder + "/public/wide/kind=" + k.name, "--target-table", "back_" + k.name, "--unlogged"}},
		} {
			p, err := b.command(run.warehouse, run.command, run.args...)
			if err != nil {
				return err
			}
			b.report.add(run.name+"_rss", "peak memory: "+run.what+", "+k.what, "256 MiB", "bytes", float64(p.rss), 256<<20)
			b.report.add(run.name, "  its time", "", "s", p.seconds, 0)
		}
	}
	return nil
}
