package rest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/internal/pgtest"
	"frostline/query"
	"frostline/query/querytest"
	"frostline/rest"
)

// example is a program of the page and what the page says that it prints.
var example = regexp.MustCompile("(?s)```(sh|python|js|r)\n(.*?)```\n```\n(.*?)```\n")

// TestClients runs the programs of docs/api.md and compares what they print.
func TestClients(t *testing.T) {
	page, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n## Clients\n")
	if !found {
		t.Fatal("docs/api.md has no section Clients")
	}
	section, _, _ = strings.Cut(section, "\n## ")

	w := querytest.New(t)
	amount := querytest.Col("amount", coltype.Decimal, coltype.WireNumeric, "numeric")
	amount.Type.Precision, amount.Type.Scale, amount.Type.Name = 12, 2, "numeric(12,2)"
	tab := w.Table(t, "public", "transactions", querytest.Columns(
		querytest.Col("id", coltype.Int64, coltype.WireInt8, "int8"), amount,
		querytest.Col("status", coltype.String, coltype.WireRaw, "text"),
	), iceberg.PartitionSpec{})
	var lines []string
	for i, status := range []string{"settled", "settled", "failed", "settled", "refunded", "settled", "settled", "failed"} {
		lines = append(lines, fmt.Sprintf(`{"id":%d,"amount":"%.2f","status":%q}`, i+1, float64(i+1)*25.05, status))
	}
	for p, rows := range map[string][]string{"transaction_date=2024-01": lines[:4], "transaction_date=2024-02": lines[4:]} {
		tab.Add(t, p, querytest.File{Batches: []arrow.RecordBatch{tab.Rows(t, strings.Join(rows, ","))}})
	}
	a := serve(t, w, query.Options{}, rest.Options{Long: rest.LongOptions{Folder: results(w)}})

	ran := map[string]bool{}
	for n, e := range example.FindAllStringSubmatch(section, -1) {
		language, program, want := e[1], e[2], e[3]
		t.Run(fmt.Sprintf("%d %s", n+1, language), func(t *testing.T) {
			command := map[string][]string{"sh": {"sh", "-e"}, "python": {"python3", "-"}, "js": {"node", "--input-type=module", "-"}, "r": {"Rscript", "--vanilla", "-"}}[language]
			if strings.Contains(program, "pyarrow") {
				if os.Getenv("FROSTLINE_PYTHON") == "" {
					t.Skip("FROSTLINE_PYTHON is not set: `make interop` makes a Python with pyarrow and sets it")
				}
				command[0] = os.Getenv("FROSTLINE_PYTHON")
			}
			if _, err := exec.LookPath(command[0]); err != nil {
				pgtest.Missing(t, command[0]+", for the example in "+language)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, command[0], command[1:]...)
			cmd.Env = append(os.Environ(), "QUERYD="+a.URL, "LC_ALL=C")
			cmd.Stdin = strings.NewReader(program)
			out, err := cmd.CombinedOutput()
			if got := strings.ReplaceAll(string(out), "\r\n", "\n"); err != nil || got != want {
				t.Errorf("%v\ngot\n%s\nwant\n%s", err, got, want)
			}
			ran[language] = true
		})
	}
	t.Logf("ran %v", ran)
	if n := strings.Count(section, "```\n```\n"); n != 5 || len(example.FindAllString(section, -1)) != n {
		t.Errorf("%d examples", n)
	}
}
