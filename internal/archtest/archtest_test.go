// Package archtest enforces the import rules of docs/architecture.md.
package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "frostline/"

type pkg struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func load(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

// top is the first path element of a project package, "" for any other.
func top(importPath string) string {
	rest, ok := strings.CutPrefix(importPath, module)
	if !ok {
		return ""
	}
	return strings.Split(rest, "/")[0]
}

// A rule gives the reason when package from (a path below the module) may not import to.
type rule func(from, to string) (reason string)

var (
	stories = []string{"archive", "restore", "query", "load"}
	doors   = []string{"rest", "pgwire", "cmd"}
)

// only says that packages below module path prefix are for the packages of owners.
func only(prefix, reason string, owners ...string) rule {
	return func(from, to string) string {
		if to != prefix && !strings.HasPrefix(to, prefix+"/") {
			return ""
		}
		for _, o := range owners {
			if from == o || strings.HasPrefix(from, o+"/") {
				return ""
			}
		}
		return reason
	}
}

var rules = []rule{
	func(from, to string) string {
		if slices.Contains(stories, top(module+from)) && slices.Contains(append(doors, stories...), top(to)) && top(to) != top(module+from) {
			return "a story imports nouns, never another story or a door"
		}
		return ""
	},
	func(from, to string) string {
		if f := top(module + from); (f == "rest" || f == "pgwire") && top(to) != "" && !slices.Contains([]string{f, "query", "predicate", "coltype"}, top(to)) {
			return "a door imports query, predicate and coltype, never storage or PostgreSQL"
		}
		return ""
	},
	func(from, to string) string {
		f, t := top(module+from), top(to)
		if f == "parquetio" && t == "iceberg" || f == "iceberg" && t == "parquetio" {
			return "parquetio and iceberg never import each other: data and metadata meet only in a story"
		}
		return ""
	},
	func(from, to string) string {
		f, t := top(module+from), top(to)
		if slices.Contains([]string{"predicate", "coltype", "digest", "objstore", "sql"}, f) && t != "" && t != f && t != "coltype" {
			return "predicate, coltype, digest, objstore and sql import no project package but coltype"
		}
		return ""
	},
	func(from, to string) string {
		f, t := top(module+from), top(to)
		nouns := []string{"postgres", "pgcopy", "coltype", "parquetio", "iceberg", "predicate", "digest", "objstore", "sql"}
		if slices.Contains(nouns, f) && (slices.Contains(stories, t) || slices.Contains(doors, t)) {
			return "a noun imports neither a story nor a door"
		}
		return ""
	},
	only("github.com/jackc/pgx/v5", "pgx is imported in postgres/ alone", "postgres", "internal/pgserver", "internal/pgtest"),
	only("github.com/aws/aws-sdk-go-v2", "the AWS SDK is imported in objstore/ and internal/rdsauth", "objstore", "internal/rdsauth"),
	only("github.com/aws/smithy-go", "the AWS SDK is imported in objstore/ and internal/rdsauth", "objstore"),
	only("github.com/labstack/echo/v4", "echo is imported in rest/ alone", "rest"),
	only("github.com/apache/iceberg-go", "Apache iceberg-go is imported in iceberg/ alone", "iceberg"),
	only("go.opentelemetry.io/otel/sdk", "OpenTelemetry's SDK is imported in internal/telemetry alone", "internal/telemetry"),
	only("go.opentelemetry.io/otel/exporters", "OpenTelemetry's exporters are imported in internal/telemetry alone", "internal/telemetry"),
	only("go.opentelemetry.io/contrib", "OpenTelemetry's bridges are imported in internal/telemetry alone", "internal/telemetry"),
	only("zombiezen.com/go/sqlite", "SQLite is imported in load/ alone (ADR 2)", "load", "internal/e2e"),
	only("database/sql", "database/sql is banned, so that the package sql never collides"),
	only("github.com/apache/arrow/go", "the one Arrow is arrow-go v18 (ADR 1)"),
}

// broken lists the rules that one import breaks.
func broken(from, to string) []string {
	var reasons []string
	for _, r := range rules {
		if reason := r(from, to); reason != "" {
			reasons = append(reasons, reason)
		}
	}
	return reasons
}

func TestImportRules(t *testing.T) {
	for _, p := range load(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		for _, to := range p.Imports {
			for _, reason := range broken(from, to) {
				t.Errorf("%s imports %s: %s", from, to, reason)
			}
		}
		// Tests may put parts together; the libraries stay where they belong.
		for _, to := range slices.Concat(p.TestImports, p.XTestImports) {
			if top(to) == "" {
				for _, reason := range broken(from, to) {
					t.Errorf("a test of %s imports %s: %s", from, to, reason)
				}
			}
		}
	}
}

// The rules themselves: each names its reason for an import that breaks it, and lets its neighbour pass.
func TestRulesCatch(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"archive", "frostline/restore", "a story imports nouns"},
		{"query", "frostline/rest", "a story imports nouns"},
		{"archive", "frostline/iceberg", ""},
		{"rest", "frostline/objstore", "a door imports query"},
		{"rest", "frostline/predicate", ""},
		{"parquetio", "frostline/iceberg", "never import each other"},
		{"iceberg", "frostline/parquetio", "never import each other"},
		{"predicate", "frostline/parquetio", "import no project package but coltype"},
		{"digest", "frostline/coltype", ""},
		{"iceberg", "frostline/query", "a noun imports neither"},
		{"query", "github.com/jackc/pgx/v5", "pgx is imported in postgres/ alone"},
		{"postgres", "github.com/jackc/pgx/v5/pgconn", ""},
		{"iceberg", "github.com/aws/aws-sdk-go-v2/service/s3", "the AWS SDK"},
		{"query", "github.com/labstack/echo/v4/middleware", "echo is imported in rest/ alone"},
		{"parquetio", "github.com/apache/iceberg-go/table", "in iceberg/ alone"},
		{"restore", "zombiezen.com/go/sqlite/sqlitex", "in load/ alone"},
		{"postgres", "database/sql", "database/sql is banned"},
		{"coltype", "github.com/apache/arrow/go/v17/arrow", "ADR 1"},
	} {
		got := strings.Join(broken(c.from, c.to), "; ")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s → %s: %q, want %q", c.from, c.to, got, c.want)
		}
	}
}
