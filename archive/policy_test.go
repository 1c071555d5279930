package archive_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"frostline/archive"
	"frostline/iceberg"
	"frostline/objstore/faultstore"
	"frostline/postgres"
)

func TestPolicyIsStrict(t *testing.T) {
	const entry = "tables:\n  - table: public.t\n    older_than: 90d\n"
	for _, c := range []struct{ name, file, want string }{
		{"empty", "", "the file is empty"},
		{"no tables", "jobs: 2\n", "line 1: tables is missing"},
		{"tables is no list", "tables: {}\n", "tables is missing, or no list"},
		{"not YAML", "tables: [", "line 1"},
		{"a list", "- a\n", "line 1: the file is not a mapping"},
		{"two documents", entry + "---\na: 1\n", "more than one YAML document"},
		{"misspelt at the top", "warehose: file:///x\n" + entry, `line 1: the file has no key "warehose"; did you mean warehouse?`},
		{"misspelt in an entry", entry + "    older-then: 90d\n", `line 4: the entry of a table has no key "older-then"; did you mean older_than?`},
		{"misspelt in defaults", "defaults:\n  retain: drop\n" + entry, `line 2: defaults has no key "retain"; did you mean retire?`},
		{"misspelt in object_lock", entry + "    object_lock: {mode: governance, day: 3}\n", `line 4: object_lock has no key "day"; did you mean days?`},
		{"nothing near", "x: 1\n" + entry, `line 1: the file has no key "x"; the keys are warehouse, jobs, defaults, tables`},
		{"table in defaults", "defaults:\n  table: public.t\n" + entry, `line 2: defaults has no key "table"; the keys are`},
		{"twice", entry + "    retire: keep\n    retire: drop\n", "line 5: retire stands in line 4 already"},
		{"two entries", entry + "  - table: public.t\n    mode: full\n", "line 4: table public.t has an entry in line 2 already"},
		{"no table", "tables:\n  - older_than: 90d\n", "line 2: table is missing"},
		{"no schema", "tables:\n  - table: t\n    mode: full\n", `line 2: "t" is not schema.table`},
		{"three parts", "tables:\n  - table: a.b.c\n    mode: full\n", `line 2: "a.b.c" is not schema.table`},
		{"open quote", "tables:\n  - table: 'a.\"b'\n    mode: full\n", "is not schema.table"},
		{"nothing cold", "tables:\n  - table: public.t\n", "line 2: it does not say what is cold"},
		{"both cold", entry + "    mode: full\n", "line 2: older_than and mode exclude each other"},
		{"unknown mode", "tables:\n  - table: public.t\n    mode: daily\n", `line 3: "daily" is none of incremental, full`},
		{"a day of no column", "tables:\n  - table: public.t\n    mode: incremental\n", "line 2: mode incremental needs column"},
		{"a column of a full export", "tables:\n  - table: public.t\n    mode: full\n    column: at\n", "line 2: mode full takes no column"},
		{"retired export", "tables:\n  - table: public.t\n    mode: full\n    retire: drop\n", "line 2: retire drop: a date export copies rows"},
		{"unknown retire", entry + "    retire: delete\n", `line 4: "delete" is none of keep, detach, drop`},
		{"yes is no boolean", entry + "    verify: 'yes'\n", `line 4: "yes" is neither true nor false`},
		{"null", entry + "    column:\n", "line 4: a text is needed here"},
		{"a list for a text", entry + "    column: [a, b]\n", "line 4: a text is needed here"},
		{"a size without a unit", entry + "    file_size: 200\n", `line 4: "200" is not a size with a unit`},
		{"a size beyond", entry + "    file_size: 900 GiB\n", "is not a size"},
		{"jobs", "jobs: 99\n" + entry, `line 1: "99" is not a number from 1 to 12`},
		{"storage class", entry + "    storage_class: DEEP_ARCHIVE\n", "line 2: storage class DEEP_ARCHIVE: its objects cannot be read back"},
		{"encryption", entry + "    encryption: AES\n", `encryption "AES" is none of SSE-S3, SSE-KMS`},
		{"key without KMS", entry + "    kms_key: k\n", "a KMS key needs the encryption SSE-KMS"},
		{"lock without days", entry + "    object_lock: {mode: governance}\n", "object lock: 0 days"},
		{"anchor", "defaults: &d\n  retire: drop\n" + entry, "line 1: defaults: anchors and aliases are not supported"},
		{"merge", "defaults:\n  retire: drop\ntables:\n  - table: a.b\n    <<: {retire: keep}\n    mode: full\n", `has no key "<<"`},
	} {
		path := filepath.Join(t.TempDir(), "policy.yaml")
		if err := os.WriteFile(path, []byte(c.file), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := archive.ReadPolicy(path)
		if !errors.Is(err, archive.ErrBadInput) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "nothing was archived") {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := archive.ReadPolicy(filepath.Join(t.TempDir(), "none.yaml")); !errors.Is(err, archive.ErrBadInput) {
		t.Errorf("no file: %v", err)
	}
}

func TestPolicyValues(t *testing.T) {
	p, err := archive.ParsePolicy([]byte(`
warehouse: s3://bucket/prefix
jobs: 3
defaults:
  older_than: 24 months
  retire: drop
  file_size: 128 MiB
  encryption: SSE-KMS
  kms_key: alias/archive
  object_lock: {mode: compliance, days: 365}
tables:
  - table: public.events
    sort_by: [account, at]
    bloom: trace_id
    storage_class: GLACIER_IR
    max_rate: 50 MB
    workers: 2
  - table: '"My Schema"."a.b"'
    older_than: 1y
    retire: detach
    object_lock: {mode: governance, days: 7}
  - table: audit.log_*
    mode: incremental
    column: created_at
    retire: keep
`))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "warehouse", p.Warehouse, "s3://bucket/prefix")
	equal(t, "jobs", p.Jobs, 3)
	var got []string
	for _, e := range p.Tables {
		got = append(got, fmt.Sprintf("%d %s %v %q %q %q %q %v %v %d %d %d %+v", e.Line, e.Pattern, e.Pattern.Wild(), e.OlderThan, e.Mode, e.Column, e.Retire,
			e.SortBy, e.Bloom, e.FileBytes, e.Workers, e.MaxRate, e.Storage))
	}
	equal(t, "tables", "\n"+strings.Join(got, "\n"), `
12 public.events false "24 months" "" "" "drop" [account at] [trace_id] 134217728 2 50000000 {Class:GLACIER_IR Encryption:SSE-KMS KMSKey:alias/archive LockMode:compliance LockDays:365}
18 My Schema.a.b false "1y" "" "" "detach" [] [] 134217728 0 0 {Class: Encryption:SSE-KMS KMSKey:alias/archive LockMode:governance LockDays:7}
22 audit.log_* true "" "incremental" "created_at" "" [] [] 134217728 0 0 {Class: Encryption:SSE-KMS KMSKey:alias/archive LockMode:compliance LockDays:365}`)
}

// Every policy that docs/operations/policy.md shows is valid.
func TestPolicyInTheDocs(t *testing.T) {
	data, err := os.ReadFile("../docs/operations/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, block := range strings.Split(string(data), "```yaml\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		if !strings.Contains(block, "\ntables:") {
			continue
		}
		n++
		if _, err := archive.ParsePolicy([]byte(block)); err != nil {
			t.Errorf("%v\n%s", err, block)
		}
	}
	if n == 0 {
		t.Error("no policy is shown")
	}
}

func (b *bench) policy(file string, run archive.PolicyRun) (string, archive.PolicyResult) {
	b.t.Helper()
	p, err := archive.ParsePolicy([]byte(file))
	if err != nil {
		b.t.Fatal(err)
	}
	run.Policy = p
	if run.Now.IsZero() {
		run.Now = time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)
	}
	res, err := b.a.RunPolicy(b.t.Context(), run)
	if err != nil {
		b.t.Fatal(err)
	}
	out := []string{res.Status}
	for _, t := range res.Tables {
		out = append(out, t.Table+": "+told(*t))
	}
	return strings.Join(out, "\n"), res
}

func TestPolicyRun(t *testing.T) {
	b := newBench(t, months, `
		CREATE SCHEMA audit;
		CREATE TABLE audit.log_a (at timestamptz, n int); INSERT INTO audit.log_a SELECT '2024-02-29'::timestamptz + i * interval '1 hour', i FROM generate_series(-5, 30) i;
		CREATE TABLE audit.log_b (at date, n int); INSERT INTO audit.log_b VALUES ('2024-02-28', 1);
		CREATE TABLE audit.log_c (n int);
		CREATE TABLE audit.other (n int); INSERT INTO audit.other VALUES (1)`)
	const file = `
jobs: 2
tables:
  - table: public.tx
    older_than: 3 months
    retire: drop
  - table: audit.log_*
    mode: incremental
    column: at
  - table: audit.other
    mode: full
  - table: audit.*
    older_than: 1 day
  - table: none.*
    mode: full
`
	got, res := b.policy(file, archive.PolicyRun{Jobs: 1})
	equal(t, "first", got, `success
public.tx: success, archived at=tx_old dropped, archived at=2023-11 dropped
audit.log_a: success, archived at=2024-02-29
audit.log_b: success, empty at=2024-02-29
audit.log_c: success, skipped 
audit.other: success, archived export_date=2024-03-01
none.*: success, skipped `)
	equal(t, "log_c", strings.Contains(res.Tables[3].Skipped[0].Reason, `the entry does not fit this table`), true)
	equal(t, "none", res.Tables[5].Skipped[0].Reason, "no table matches the pattern of line 14")
	got, _ = b.policy(file, archive.PolicyRun{Only: []string{"public.*", "audit.other"}})
	equal(t, "again, two tables", got, `success
public.tx: success
audit.other: success, unchanged export_date=2024-03-01`)
	got, _ = b.policy(file, archive.PolicyRun{Only: []string{"audit.log_b"}, Date: time.Date(2024, 2, 28, 0, 0, 0, 0, time.UTC)})
	equal(t, "another day", got, "success\naudit.log_b: success, archived at=2024-02-28")

	p, err := archive.ParsePolicy([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.a.RunPolicy(t.Context(), archive.PolicyRun{Policy: p, Only: []string{"public.ty"}}); !errors.Is(err, archive.ErrBadInput) || !strings.Contains(err.Error(), "the policy has no such table") {
		t.Errorf("--only of another table: %v", err)
	}
}

// A table that fails does not stop the others, and the dry run changes nothing.
func TestPolicyFailures(t *testing.T) {
	b := newBench(t, months)
	const file = `
tables:
  - table: public.gone
    mode: full
  - table: public.tx
    older_than: 90 dayz
`
	got, res := b.policy(file, archive.PolicyRun{})
	equal(t, "all fail", got, "failed\npublic.gone: failed, failed \npublic.tx: failed, failed ")
	equal(t, "errors", errors.Is(res.Failures()[0], postgres.ErrNoTable) && errors.Is(res.Failures()[1], postgres.ErrBadValue), true)
	const good = "tables:\n  - table: public.gone\n    mode: full\n  - table: public.tx\n    older_than: 3 months\n    retire: drop\n"
	got, _ = b.policy(good, archive.PolicyRun{DryRun: true})
	equal(t, "dry run", got, "partial\npublic.gone: failed, failed \npublic.tx: success, planned at=tx_old, planned at=2023-11")
	equal(t, "puts", b.store.Count(faultstore.Put)+b.store.Count(faultstore.Create), 0)
	got, _ = b.policy(good, archive.PolicyRun{})
	equal(t, "run", got, "partial\npublic.gone: failed, failed \npublic.tx: success, archived at=tx_old dropped, archived at=2023-11 dropped")
	// A store that has no storage classes says so before anything is done.
	p, err := archive.ParsePolicy([]byte("tables:\n  - table: public.tx\n    older_than: 1 month\n    storage_class: GLACIER_IR\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.a.RunPolicy(t.Context(), archive.PolicyRun{Policy: p}); !errors.Is(err, archive.ErrBadInput) || !strings.Contains(err.Error(), "nothing was archived") {
		t.Errorf("storage class of a folder: %v", err)
	}
}

// Two workers run one policy at the same time: each partition is archived once, by either of them.
func TestWorkersShareAPolicy(t *testing.T) {
	b := newBench(t, `CREATE TABLE d (day date NOT NULL, n int) PARTITION BY RANGE (day)`)
	for i := range 8 {
		b.sql.Exec(t, fmt.Sprintf(`CREATE TABLE d_%d PARTITION OF d FOR VALUES FROM ('2024-01-0%d') TO ('2024-01-%02d')`, i+1, i+1, i+2))
	}
	b.sql.Exec(t, `INSERT INTO d SELECT '2024-01-01'::date + i % 8, i FROM generate_series(1, 800) i`)
	p, err := archive.ParsePolicy([]byte("tables:\n  - table: public.d\n    older_than: 1 day\n    retire: drop\n"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan archive.PolicyResult)
	for range 2 {
		worker := *b.a
		worker.Catalog = iceberg.NewCatalog(b.store)
		go func() {
			res, err := worker.RunPolicy(t.Context(), archive.PolicyRun{Policy: p, Jobs: 2})
			if err != nil {
				t.Error(err)
			}
			done <- res
		}()
	}
	archived := map[string]int{}
	for range 2 {
		res := <-done
		equal(t, "status", res.Status, "success")
		for _, r := range res.Tables[0].Results {
			archived[r.Partition+" "+r.Action+" "+r.Retired]++
		}
	}
	for i := range 8 {
		equal(t, "times", archived[fmt.Sprintf("day=2024-01-0%d archived dropped", i+1)], 1)
	}
	equal(t, "results", len(archived), 8)
	equal(t, "partitions left", b.sql.One(t, `SELECT count(*) FROM pg_inherits WHERE inhparent = 'd'::regclass`), "0")
}
