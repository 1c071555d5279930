// Command demo shows the whole story on this machine, with the real commands: a partition of a
// PostgreSQL table is archived and proven, queried over HTTP, dropped, restored, proven again and attached.
// Everything is private and temporary, and is removed at the end.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"frostline/archive"
	"frostline/internal/pgserver"
	"frostline/postgres"
	"frostline/restore"
)

type demo struct {
	ctx       context.Context
	bin, dir  string
	warehouse string
	pg        *pgserver.Server
	db        *postgres.DB
	queryd    *exec.Cmd
	url       string
	report    []line
}

// line is one line of the closing table.
type line struct {
	step  string
	took  time.Duration
	rows  int64
	bytes int64
}

func main() {
	bin := flag.String("bin", "bin", "folder of archive, restore and queryd")
	rows := flag.Int("rows", 1_000_000, "rows of the table")
	keep := flag.Bool("keep", false, "leave PostgreSQL and queryd running")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	signal.Ignore(syscall.SIGPIPE) // whoever stops reading, the demo goes on to its end and cleans up
	d := &demo{ctx: ctx, bin: *bin}
	err := d.run(*rows)
	if err == nil && *keep {
		d.leave()
		return
	}
	if err = errors.Join(err, d.close()); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run is the story.
func (d *demo) run(rows int) error {
	for _, step := range []func() error{
		d.start,
		func() error { return d.makeTable(rows) },
		d.archive,
		d.serve,
		d.ask,
		d.retire,
		d.restore,
		d.compare,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	d.table()
	return nil
}

func title(format string, args ...any) { fmt.Printf("\n== "+format+"\n", args...) }

func (d *demo) took(step string, start time.Time, rows, bytes int64) {
	d.report = append(d.report, line{step, time.Since(start), rows, bytes})
}

func (d *demo) start() (err error) {
	title("A private PostgreSQL server")
	if d.dir, err = os.MkdirTemp("", "frostline-demo-"); err != nil {
		return err
	}
	d.warehouse = "file://" + filepath.Join(d.dir, "warehouse")
	bin, err := pgserver.FindOrInstall(d.ctx, func(s string) { fmt.Println(s) })
	if err != nil {
		return err
	}
	begin := time.Now()
	if d.pg, err = pgserver.Start(d.ctx, pgserver.Options{BinDir: bin}); err != nil {
		return err
	}
	if d.db, err = postgres.Open(d.ctx, postgres.Config{DSN: d.pg.DSN("postgres"), Application: "frostline demo"}); err != nil {
		return err
	}
	fmt.Printf("PostgreSQL %s on 127.0.0.1:%d\n", d.db.ServerVersion(), d.pg.Port)
	d.took("start PostgreSQL", begin, 0, 0)
	return nil
}

func (d *demo) makeTable(rows int) error {
	title("A table transactions, partitioned by month, with %d rows", rows)
	begin := time.Now()
	if err := d.db.Exec(d.ctx, "create the table", createTable); err != nil {
		return err
	}
	if err := d.db.Exec(d.ctx, "fill the table", fmt.Sprintf(fillTable, rows)); err != nil {
		return err
	}
	got, err := d.show(`SELECT c.relname, pg_size_pretty(pg_relation_size(c.oid)) FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid
		WHERE inhparent = 'public.transactions'::regclass ORDER BY 1`)
	if err != nil {
		return err
	}
	fmt.Print(got)
	d.took("make the table", begin, int64(rows), 0)
	if _, err := d.db.QueryText(d.ctx, "keep what the table was", "CREATE TABLE public.as_it_was AS "+fingerprint); err != nil {
		return err
	}
	return d.db.Exec(d.ctx, "analyze", "ANALYZE public.transactions")
}

func (d *demo) archive() error {
	title("archive: copy, read back, compare, commit")
	begin := time.Now()
	var res archive.Result
	if err := d.command(&res, "archive", "--table", "transactions", "--partition-column", "transaction_date", "--partition-value", "2024-01"); err != nil {
		return err
	}
	fmt.Printf("the proof: %d rows, digest %s, the same in PostgreSQL's stream and in the files read back\n", res.Records, res.Digest)
	d.took("archive 2024-01, proven", begin, res.Records, res.Bytes)
	return nil
}

func (d *demo) retire() error {
	title("archive --retire drop: proven again, detached, digested under a lock, dropped")
	begin := time.Now()
	var res archive.Result
	if err := d.command(&res, "archive", "--table", "transactions", "--partition-column", "transaction_date", "--partition-value", "2024-01", "--retire", "drop"); err != nil {
		return err
	}
	got, err := d.show("SELECT count(*) AS rows_left FROM public.transactions")
	if err != nil {
		return err
	}
	fmt.Print(got)
	d.took("retire it (drop)", begin, res.Records, 0)
	return nil
}

func (d *demo) restore() error {
	title("restore --attach: load, digest, indexes, attach without a scan")
	begin := time.Now()
	var res restore.Result
	if err := d.command(&res, "restore", "--source-path", d.warehouse+"/public/transactions/transaction_date=2024-01", "--attach"); err != nil {
		return err
	}
	d.took("restore and attach", begin, res.Records, 0)
	return nil
}

// compare shows that the table is what it was.
func (d *demo) compare() error {
	title("Is the table what it was?")
	begin := time.Now()
	rows, err := d.db.QueryText(d.ctx, "compare", `SELECT a.partition, a.rows, a.sum, (a.rows, a.sum) IS NOT DISTINCT FROM (b.rows, b.sum)
		FROM public.as_it_was a FULL JOIN (`+fingerprint+`) b USING (partition) ORDER BY 1`)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if *r[3] != "t" {
			return fmt.Errorf("partition %s is not what it was", text(r[0]))
		}
		fmt.Printf("%s  %7s rows, hash %20s: equal\n", text(r[0]), text(r[1]), text(r[2]))
	}
	d.took("compare with the start", begin, 0, 0)
	return nil
}

// command runs one of ours as a user would, and reads its JSON.
func (d *demo) command(result any, name string, args ...string) error {
	fmt.Printf("$ %s %s\n", name, strings.Join(args, " "))
	cmd := exec.CommandContext(d.ctx, filepath.Join(d.bin, name), args...)
	cmd.Env = append(os.Environ(), "ARCHIVE_WAREHOUSE="+d.warehouse, "DATABASE_URL="+d.pg.DSN("postgres"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, out.Bytes(), "", "  "); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Println(strings.TrimSpace(pretty.String()))
	return json.Unmarshal(out.Bytes(), result)
}

func (d *demo) serve() error {
	title("queryd: the archive over HTTP, without a restore")
	d.queryd = exec.Command(filepath.Join(d.bin, "queryd"), "--listen", "127.0.0.1:0", "--warehouse", d.warehouse, "--quiet")
	d.queryd.Stderr = os.Stderr
	out, err := d.queryd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := d.queryd.Start(); err != nil {
		return err
	}
	var ready struct{ Listening string }
	if err := json.NewDecoder(out).Decode(&ready); err != nil {
		return fmt.Errorf("queryd: %w", err)
	}
	d.url = "http://" + ready.Listening
	return nil
}

// ask sends three questions, and shows rows and what was skipped.
func (d *demo) ask() error {
	path := d.warehouse + "/public/transactions/transaction_date=2024-01"
	for _, q := range []struct{ about, body string }{
		{"one customer's largest payments", `{"columns": ["id","transaction_date","amount","status","merchant"], "filterExpression": "customer_id = 4711 AND amount > 100", "limit": 3}`},
		{"one hour, by its time", `{"columns": ["id","transaction_date","amount"], "filterExpression": "transaction_date >= TIMESTAMP '2024-01-10 08:00:00' AND transaction_date < TIMESTAMP '2024-01-10 09:00:00' AND status IN ('failed','refunded')", "limit": 3}`},
		{"how many have no memo", `{"columns": ["id"], "filters": {"memo": null}, "limit": 1}`},
	} {
		body := strings.Replace(q.body, "{", fmt.Sprintf(`{"archivePath": %q, `, path), 1)
		fmt.Printf("\n-- %s\n%s\n", q.about, q.body)
		begin := time.Now()
		var res struct {
			Data            []json.RawMessage `json:"data"`
			TotalMatched    int64             `json:"totalMatched"`
			TotalScanned    int64             `json:"totalScanned"`
			ExecutionTimeMs float64           `json:"executionTimeMs"`
			Pruning         json.RawMessage   `json:"pruning"`
		}
		if err := d.post("/api/v1/archives/query", body, &res); err != nil {
			return err
		}
		for _, row := range res.Data {
			fmt.Println("  ", string(row))
		}
		fmt.Printf("   matched %d, rows looked at %d, %v ms; pruning %s\n", res.TotalMatched, res.TotalScanned, res.ExecutionTimeMs, res.Pruning)
		d.took("query: "+q.about, begin, res.TotalMatched, 0)
	}
	return nil
}

func (d *demo) post(path, body string, result any) error {
	resp, err := http.Post(d.url+path, "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("queryd: %s: %s", resp.Status, b)
	}
	return json.Unmarshal(b, result)
}

// leave tells how to reach what runs on.
func (d *demo) leave() {
	d.db.Close()
	stop := d.pg.Leave()
	title("Left running")
	fmt.Printf("PostgreSQL   psql '%s'\nqueryd       %s   (warehouse %s)\nstop both    kill %d; %s; rm -rf %s\n",
		d.pg.DSN("postgres"), d.url, d.warehouse, d.queryd.Process.Pid, stop, d.dir)
}

func (d *demo) close() error {
	if d.queryd != nil && d.queryd.Process != nil {
		d.queryd.Process.Signal(syscall.SIGTERM)
		d.queryd.Wait()
	}
	if d.db != nil {
		d.db.Close()
	}
	var err error
	if d.pg != nil {
		err = d.pg.Stop()
	}
	if d.dir != "" {
		err = errors.Join(err, os.RemoveAll(d.dir))
	}
	return err
}
