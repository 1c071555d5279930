package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"frostline/internal/cli"
	"frostline/internal/s3test"
)

// statement is one of a policy.
type statement map[string]any

// iamPolicy is the policy of docs/operations/iam.md under that name, for bucket and for one user of it.
func iamPolicy(t *testing.T, name, bucket, user string) []statement {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations/iam.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "```json "+name+"\n")
	if !ok {
		t.Fatalf("the page has no policy %q", name)
	}
	block, _, _ := strings.Cut(rest, "```")
	var policy struct{ Statement []statement }
	if err := json.Unmarshal([]byte(strings.ReplaceAll(block, "company-archive", bucket)), &policy); err != nil {
		t.Fatalf("policy %q: %v", name, err)
	}
	for _, s := range policy.Statement {
		s["Principal"] = map[string]any{"AWS": []string{user}}
	}
	return policy.Statement
}

// without are the statements less one action.
func without(statements []statement, action string) []statement {
	var left []statement
	for _, s := range statements {
		switch a := s["Action"].(type) {
		case string:
			if a == action {
				continue
			}
		case []any:
			s["Action"] = slices.DeleteFunc(slices.Clone(a), func(x any) bool { return x == action })
		}
		left = append(left, s)
	}
	return left
}

// The policies of docs/operations/iam.md let each program do its work, and no more.
func TestIAM(t *testing.T) {
	dir := t.TempDir()
	flags := []string{"-iam-dir", filepath.Join(dir, "iam")}
	for _, user := range []string{"archiver", "reader", "clerk"} {
		flags = append(flags, "-user", user+":"+user+"-secret")
	}
	buckets := []string{"least"}
	one := iamPolicy(t, "read", "least", "clerk") // of the schema public alone
	one[0]["Resource"] = "arn:aws:s3:::least/aurora/public/*"
	one[1]["Condition"] = map[string]any{"StringLike": map[string]any{"s3:prefix": []string{"aurora/public/*", "aurora/ready/*"}}}
	keep := statement{"Effect": "Deny", "Principal": map[string]any{"AWS": []string{"archiver"}}, "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::least/aurora/_audit/*"}
	policies := map[string][]statement{
		"least": slices.Concat(iamPolicy(t, "archive", "least", "archiver"), iamPolicy(t, "read", "least", "reader"), one, []statement{keep}),
	}
	needed := []string{"s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:ListBucket"}
	for i, action := range needed {
		bucket := fmt.Sprintf("lacks-%d", i)
		buckets = append(buckets, bucket)
		policies[bucket] = without(iamPolicy(t, "archive", bucket, "archiver"), action)
	}
	for bucket, statements := range policies {
		text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, bucket+".json")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		flags = append(flags, "-policy", bucket+"="+path)
	}
	server := s3test.StartOwn(t, append(flags, "-buckets", strings.Join(buckets, ","))...)
	server.Setenv(t)
	root := newWorld(t, "s3://least/aurora")
	root.db.Exec(t, `CREATE TABLE tx (id int NOT NULL, at date NOT NULL, note text) PARTITION BY RANGE (at);
		CREATE TABLE tx_1 PARTITION OF tx FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
		CREATE TABLE tx_2 PARTITION OF tx FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
		INSERT INTO tx SELECT i, '2024-01-01'::date + i % 60, md5(i::text) FROM generate_series(0, 599) i;
		CREATE TABLE big (at date NOT NULL, note text) PARTITION BY LIST (at); CREATE TABLE big_1 PARTITION OF big FOR VALUES IN ('2024-01-01');
		INSERT INTO big SELECT '2024-01-01', (SELECT string_agg(md5(i || '-' || j), '') FROM generate_series(1, 50) j) FROM generate_series(1, 20000) i`)
	as := func(user, warehouse string) *world {
		v := *root
		v.warehouse = warehouse
		v.env = append(slices.Clone(root.env), "ARCHIVE_WAREHOUSE="+warehouse, "AWS_ACCESS_KEY_ID="+user, "AWS_SECRET_ACCESS_KEY="+user+"-secret")
		return &v
	}
	archiver, reader := as("archiver", root.warehouse), as("reader", root.warehouse)
	partition := func(value string, more ...string) []string {
		return append([]string{"--quiet", "--table", "tx", "--partition-column", "at", "--partition-value", value}, more...)
	}
	denied := func(w *world, names string, name string, args ...string) {
		t.Helper()
		stdout, stderr, code := w.exec(name, args...)
		if code != cli.NoStore || !strings.Contains(stderr, "access denied") || !strings.Contains(stderr, names) {
			t.Errorf("%s %v: exit code %d, want %d, access denied and %q: %s%s", name, args, code, cli.NoStore, names, stdout, stderr)
		}
	}

	// The archiver archives, replaces, lists, verifies and collects.
	if res := archiver.run("archive", partition("2024-01")...); res["total_records"] != 310.0 || res["action"] != "archived" {
		t.Errorf("archived %v", res)
	}
	root.db.Exec(t, `UPDATE tx_1 SET note = 'changed' WHERE id = 0`)
	if res := archiver.run("archive", partition("2024-01", "--replace")...); res["action"] != "replaced" {
		t.Errorf("replaced %v", res)
	}
	archiver.run("archive", "gc", "--delete")
	// An upload of several parts.
	if res := archiver.run("archive", "--quiet", "--workers", "1", "--table", "big", "--partition-column", "at", "--partition-value", "2024-01-01"); res["total_files"] != 1.0 || res["total_bytes"].(float64) < 9<<20 {
		t.Errorf("archived %v, want one file of more than a part", res)
	}

	// The reader plans, lists, shows, verifies, restores and queries.
	reader.run("archive", append([]string{"plan"}, partition("2024-02")...)...)
	reader.run("archive", "gc")
	if res := reader.run("archive", "list", "--table", "tx"); res["total_records"] != 310.0 {
		t.Errorf("listed %v", res)
	}
	reader.run("archive", "show", "--table", "tx", "--partition", "at=2024-01")
	if res := reader.run("archive", "verify", "--quiet"); res["proven_partitions"] != 2.0 {
		t.Errorf("verified %v", res)
	}
	reader.run("archive", "verify", "--quick", "--quiet")
	reader.run("archive", "estimate", "--table", "tx", "--quiet")
	location := root.warehouse + "/public/tx/at=2024-01"
	if res := reader.run("restore", "--quiet", "--source-path", location, "--target-table", "january"); res["total_records"] != 310.0 {
		t.Errorf("restored %v", res)
	}
	url := reader.serve()
	if a := ask(t, url, map[string]any{"archivePath": location, "filters": map[string]any{"note": "changed"}}); a.TotalMatched != 1 {
		t.Errorf("queried %v", a)
	}
	if resp, err := http.Get(url + "/readyz"); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("/readyz: %v, %v", resp, err)
	}

	// It writes nothing, and nothing of the database is touched when it tries.
	denied(reader, "s3://least/aurora", "archive", partition("2024-02")...)
	denied(reader, "s3://least/aurora", "archive", partition("2024-01", "--retire", "drop")...)
	if got := root.db.One(t, `SELECT count(*) FROM tx`); got != "600" {
		t.Errorf("the table has %s rows, want 600", got)
	}
	if res := root.run("archive", "list"); res["total_partitions"] != 2.0 {
		t.Errorf("after the denied runs: %v", res)
	}

	// The clerk reads one schema.
	clerk := as("clerk", root.warehouse)
	clerk.run("archive", "list", "--table", "tx")
	clerk.run("restore", "--quiet", "--source-path", location, "--target-table", "january_too")
	if a := ask(t, clerk.serve(), map[string]any{"archivePath": location, "filters": map[string]any{"id": 0}}); a.TotalMatched != 1 {
		t.Errorf("the clerk queried %v", a)
	}
	denied(clerk, root.warehouse, "archive", "list")
	denied(clerk, root.warehouse+"/sales", "archive", "list", "--schema", "sales", "--table", "orders")

	// Another prefix of the bucket is out of reach of both.
	root2 := as("archiver", "s3://least/other")
	denied(root2, "s3://least/other", "archive", partition("2024-01")...)
	denied(as("reader", "s3://least/other"), "s3://least/other", "archive", "list")
	denied(as("reader", "s3://least/aurora2"), "s3://least/aurora2", "archive", "list")

	// Each action of the archiver's policy is needed. (AbortMultipartUpload only when an upload fails.)
	for i, action := range needed {
		lacks := as("archiver", fmt.Sprintf("s3://lacks-%d/aurora", i))
		args := partition("2024-01")
		if action == "s3:ListBucket" { // for gc and list; versitygw does not hide missing keys without it
			args = []string{"gc"}
		}
		t.Run(action, func(t *testing.T) { denied(lacks, lacks.warehouse, "archive", args...) })
	}
	// A wrong secret is told apart.
	wrong := *reader
	wrong.env = append(slices.Clone(reader.env), "AWS_SECRET_ACCESS_KEY=wrong")
	if _, stderr, code := wrong.exec("archive", "list"); code != cli.NoStore || !strings.Contains(stderr, "refused the credentials") {
		t.Errorf("a wrong secret: exit code %d: %s", code, stderr)
	}
}
