package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	fsql "frostline/sql"
)

const (
	copyUnlogged = "psql \\copy FROM binary, unlogged"
	copyLogged   = "psql \\copy FROM binary, logged"
	bothWays     = "two psql, \\copy in, then out"
)

// archiveForRestore archives the partition to a folder and to S3, keeps its COPY stream in a file, and drops it.
func (b *bench) archiveForRestore(psql string) (s3 string, stop func(), err error) {
	if err := b.sql("prepare the table",
		"ALTER TABLE public.lineitem ADD PRIMARY KEY (l_orderkey, l_linenumber)",
		"CREATE INDEX ON public.lineitem (l_shipdate)",
		"CREATE UNLOGGED TABLE public.loaded (LIKE public.lineitem)",
		"CREATE UNLOGGED TABLE public.both_ways (LIKE public.lineitem)",
		"CREATE TABLE public.loaded_logged (LIKE public.lineitem)",
		"CREATE TABLE public.live (LIKE public.lineitem, PRIMARY KEY (l_orderkey, l_linenumber))",
		fsql.Install("public"),
	); err != nil {
		return "", nil, err
	}
	if err := b.dump(); err != nil {
		return "", nil, err
	}
	if err := b.dumpHalves(psql); err != nil {
		return "", nil, err
	}
	b.warehouse = b.location("warehouse")
	p, err := b.archiveOnce(b.warehouse)
	if err != nil {
		return "", nil, err
	}
	b.report.Files = p.result.Files
	if s3, stop, err = b.s3server(); err != nil {
		return "", nil, err
	}
	if _, err = b.archiveOnce(s3); err == nil {
		err = b.sql("drop the partition", "DROP TABLE public.lineitem_0")
	}
	if err != nil {
		stop()
	}
	return s3, stop, err
}

func (b *bench) sql(op string, statements ...string) error {
	for _, s := range statements {
		if err := b.db.Exec(b.ctx, op, s); err != nil {
			return err
		}
	}
	return nil
}

// archivePath is that of the partition in a warehouse.
func archivePath(warehouse string) string {
	return warehouse + "/public/lineitem/l_orderkey=lineitem_0"
}

// restoreRounds lets psql's COPY of the binary file and the ways to bring the partition back take turns.
func (b *bench) restoreRounds() error {
	psql := b.psql()
	if psql == "" {
		return errors.New("psql is not installed: it is the peer of a restore")
	}
	s3, stop, err := b.archiveForRestore(psql)
	if err != nil {
		return err
	}
	defer stop()
	drop := func(table string) func() error {
		return func() error { return b.sql("drop "+table, "DROP TABLE public."+table) }
	}
	empty := func(table string) func() error {
		return func() error { return b.sql("empty "+table, "TRUNCATE public."+table) }
	}
	copied := func(table string) func(int) (process, error) {
		return func(int) (process, error) {
			return b.inPsql(psql, fmt.Sprintf("\\copy public.%s FROM '%s' (FORMAT binary)", table, b.dumpFile()))
		}
	}
	restored := func(warehouse string, args ...string) func(int) (process, error) {
		return func(int) (process, error) {
			return b.command(warehouse, "restore", append([]string{"--source-path", archivePath(warehouse)}, args...)...)
		}
	}
	plain := filepath.Join(strings.TrimPrefix(archivePath(b.warehouse), "file://"), "data")
	loaded := func(args ...string) func(int) (process, error) {
		return func(int) (process, error) {
			return b.command(b.warehouse, "restore", append([]string{"load", plain, "--target-table", "staging", "--create", "--unlogged"}, args...)...)
		}
	}
	// A procedure is timed alone, behind a restore to a logged staging table.
	called := func(calls ...string) func(int) (process, error) {
		return func(round int) (process, error) {
			if _, err := restored(b.warehouse, "--target-table", "staging")(round); err != nil {
				return process{}, err
			}
			return b.inPsql(psql, calls...)
		}
	}
	var years []string
	for year := 1992; year <= 1998; year++ {
		years = append(years, fmt.Sprintf("CALL public.migrate_partition_data('public', 'staging', 'public', 'live', 'l_shipdate', '%d')", year))
	}
	unlogged := &side{name: "copy", what: copyUnlogged, run: copied("loaded"), after: empty("loaded")}
	logged := &side{name: "copy_logged", what: copyLogged, run: copied("loaded_logged"), after: empty("loaded_logged")}
	sides := []*side{
		unlogged,
		{name: "both_ways", what: bothWays, peer: unlogged, run: func(int) (process, error) { return b.bothWays(psql) }, after: empty("both_ways")},
		{name: "restore", what: "restore --unlogged", peer: unlogged, run: restored(b.warehouse, "--target-table", "staging", "--unlogged"), after: drop("staging")},
		{name: "restore_s3", what: "restore --unlogged from S3 (versitygw on this machine)", peer: unlogged, run: restored(s3, "--target-table", "staging", "--unlogged"), after: drop("staging")},
		{name: "load", what: "restore load --unlogged, the same Parquet files", peer: unlogged, run: loaded("--method", "copy"), after: drop("staging")},
		{name: "load_insert", what: "restore load --unlogged --method insert", peer: unlogged, run: loaded("--method", "insert"), after: drop("staging")},
		logged,
		{name: "restore_logged", what: "restore", peer: logged, run: restored(b.warehouse, "--target-table", "staging"), after: drop("staging")},
		{name: "restore_attach", what: "restore --attach, two indexes", peer: logged, run: restored(b.warehouse, "--attach"), after: drop("lineitem_0")},
		{name: "restore_migrate", what: "restore --to migrate, a table with a primary key", peer: logged,
			run: restored(b.warehouse, "--to", "migrate", "--target-table", "staging", "--into-schema", "public", "--into-table", "live"), after: empty("live")},
		{name: "call_attach", what: "  CALL attach_restored_partition alone", peer: logged,
			run: called("CALL public.attach_restored_partition('public', 'staging', 'public', 'lineitem', 'l_orderkey', '0', '1000000000')"), after: drop("staging")},
		{name: "call_migrate", what: "  CALL migrate_partition_data alone, for each of seven years", peer: logged, run: called(years...),
			after: func() error { return errors.Join(empty("live")(), drop("staging")()) }},
	}
	chosen, err := b.rounds(sides)
	if err != nil {
		return err
	}
	b.reportRestore(chosen)
	return nil
}

func (b *bench) reportRestore(sides []*side) {
	r := &b.report
	whole := func(p process) float64 { return p.cpu + p.server }
	for _, s := range sides {
		if s.peer == nil {
			continue
		}
		r.add(s.name, s.what, s.peer.what, "s", s.seconds(), s.peer.seconds())
		if s.name != "restore" {
			continue
		}
		if i := slices.IndexFunc(sides, func(s *side) bool { return s.name == "both_ways" }); i >= 0 {
			r.add("restore_both_ways", s.what, bothWays, "s", s.seconds(), sides[i].seconds())
		}
		r.add("restore_load", "  of restore: load", s.peer.what, "s", s.of(func(p process) float64 { return p.step("load") }), s.peer.seconds())
		r.add("restore_verify", "  of restore: verify", s.peer.what, "s", s.of(func(p process) float64 { return p.step("verify") }), s.peer.seconds())
		r.add("restore_cpu", "  CPU time, the server's included", s.peer.what, "s", s.of(whole), s.peer.of(whole))
		r.add("restore_cpu_own", "  CPU time of the process", "", "s", s.of(func(p process) float64 { return p.cpu }), 0)
	}
	r.addMemory(sides)
}

// dumpHalves writes each half of the partition's pages to a file, for COPY FROM.
func (b *bench) dumpHalves(psql string) error {
	conds, err := b.halves("lineitem_0")
	if err != nil {
		return err
	}
	for i, cond := range conds {
		if _, err := b.inPsql(psql, fmt.Sprintf("\\copy (SELECT * FROM public.lineitem_0 WHERE %s) TO '%s%d' (FORMAT binary)", cond, b.dumpFile(), i)); err != nil {
			return err
		}
	}
	return nil
}

// halves are conditions on ctid for the first and the second half of a table's pages.
func (b *bench) halves(table string) ([2]string, error) {
	rows, err := b.db.QueryText(b.ctx, "measure "+table, "SELECT pg_relation_size('public."+table+"') / current_setting('block_size')::int8 / 2")
	if err != nil {
		return [2]string{}, err
	}
	return [2]string{"ctid < '(" + *rows[0][0] + ",0)'", "ctid >= '(" + *rows[0][0] + ",0)'"}, nil
}

// bothWays is what the server alone takes to load the rows and to send them back: two psql at once, which do nothing with them.
func (b *bench) bothWays(psql string) (p process, err error) {
	both := func(command func(i int) string) error {
		g := errgroup.Group{}
		var half [2]process
		for i := range half {
			g.Go(func() (err error) {
				half[i], err = b.inPsql(psql, command(i))
				return err
			})
		}
		err := g.Wait()
		p.cpu += half[0].cpu + half[1].cpu
		return err
	}
	p.seconds, err = timed(func() error {
		if err := both(func(i int) string {
			return fmt.Sprintf("\\copy public.both_ways FROM '%s%d' (FORMAT binary)", b.dumpFile(), i)
		}); err != nil {
			return err
		}
		conds, err := b.halves("both_ways")
		if err != nil {
			return err
		}
		return both(func(i int) string {
			return "\\copy (SELECT * FROM ONLY public.both_ways WHERE " + conds[i] + ") TO '/dev/null' (FORMAT binary)"
		})
	})
	return p, err
}

// inPsql runs commands of psql.
func (b *bench) inPsql(psql string, commands ...string) (p process, err error) {
	args := []string{"-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", b.pg.DSN("postgres")}
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	cmd := exec.CommandContext(b.ctx, psql, args...)
	cmd.Env = append(os.Environ(), "PGOPTIONS=-c client_min_messages=warning")
	p.seconds, err = timed(func() error {
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("psql: %w: %s", err, strings.TrimSpace(string(out)))
		}
		return nil
	})
	if err == nil {
		p.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	}
	return p, err
}
