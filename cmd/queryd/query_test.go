package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/ipc"

	"frostline/internal/restio"
	"frostline/query"
	"frostline/query/querytest"
	"frostline/rest"
)

// The same query from the warehouse and from a server gives the same.
func TestQuery(t *testing.T) {
	clearEnv(t)
	w := querytest.Events(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		served <- rest.New(query.New(w.Catalog, w.Store, query.Options{}), rest.Options{Parquet: restio.Parquet}).Serve(ctx, l)
	}()
	defer func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	here, there := []string{"--warehouse", w.Store.Root()}, []string{"--server", "http://" + l.Addr().String() + "/"}
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"lines", []string{"id > 2000 AND id < 2003", "--table", "public.events", "--columns", "id,even"}, "{\"id\":2001,\"even\":null}\n{\"id\":2002,\"even\":2002}\n"},
		{"a partition", []string{"--table", `"public".events`, "--partition", "2024-02", "--columns", "id", "--limit", "1"}, "{\"id\":2000}\n"},
		{"by path", []string{"--path", "public/events/month=2024-03", "--columns", "id", "--limit", "1", "--offset", "2"}, "{\"id\":4002}\n"},
		{"csv", []string{"id = 7", "--table", "public.events", "--format", "csv"}, "id,grp,even,name,day,ts\r\n7,0,,n0007,2024-01-01,infinity\r\n"},
		{"order", []string{"--table", "public.events", "--columns", "id", "--order-by", "even desc,id", "--limit", "2", "id < 10"}, "{\"id\":1}\n{\"id\":3}\n"},
		{"aggregates", []string{"id < 250", "--table", "public.events", "--group-by", "grp", "--aggregate", "count(*)", "--aggregate", "MAX( even )",
			"--aggregate", "count(distinct day)", "--order-by", "grp desc"},
			`{"grp":2,"count":50,"max_even":248,"count_day":1}` + "\n" + `{"grp":1,"count":100,"max_even":198,"count_day":1}` + "\n" + `{"grp":0,"count":100,"max_even":98,"count_day":1}` + "\n"},
		{"no rows", []string{"id < 0", "--table", "public.events"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, where := range [][]string{here, there} {
				var stdout, stderr output
				if code := run(context.Background(), append(append([]string{"query"}, tt.args...), where...), &stdout, &stderr); code != 0 || stdout.String() != tt.want || stderr.String() != "" {
					t.Errorf("%s: exit code %d\ngot\n%s%s\nwant\n%s", where[0], code, stdout.String(), stderr.String(), tt.want)
				}
			}
		})
	}
	ask := func(args ...string) (string, string, int) {
		var stdout, stderr output
		code := run(context.Background(), append(append([]string{"query", "--table", "public.events"}, args...), here...), &stdout, &stderr)
		return stdout.String(), stderr.String(), code
	}
	if out, _, code := ask("id IN (5, 6, 507)", "--columns", "id,even,name,ts", "--format", "table"); code != 0 || !strings.HasPrefix(out,
		"id  | even | name  | ts\n----+------+-------+--------------------\n  5 |      | n0005 | 2024-01-01T00:00:00\n  6 |    6 | n0006 | 2024-01-01T00:00:00\n507 |      | n0507 | infinity\n(3 rows; ") {
		t.Errorf("table:\n%s", out)
	}
	if out, _, _ := ask("--format", "table"); !strings.Contains(out, "\n(100 rows of 6000; ") {
		t.Errorf("a table's limit:\n%s", out[max(0, len(out)-200):])
	}
	if out, _, code := ask("--format", "arrow", "--columns", "id"); code != 0 {
		t.Errorf("arrow: %d", code)
	} else if r, err := ipc.NewReader(strings.NewReader(out)); err != nil || r.Schema().NumFields() != 1 {
		t.Errorf("arrow: %v", err)
	}
	if out, _, _ := ask("--format", "parquet"); !strings.HasPrefix(out, "PAR1") || !strings.HasSuffix(out, "PAR1") {
		t.Errorf("parquet: %d bytes", len(out))
	}
	out, _, code := ask("id = 4711", "--explain")
	var e struct{ Rows int64 }
	if err := json.Unmarshal([]byte(out), &e); err != nil || code != 0 || e.Rows != 100 {
		t.Errorf("explain: %d %s", code, out)
	}
	for _, tt := range []struct {
		name string
		args []string
		code int
		text string
	}{
		{"mistake", []string{"nmae = 'x'"}, 2, `there is no column "nmae" (at character 1); did you mean name?`},
		{"syntax", []string{"id = = 1"}, 2, "(at character 6)"},
		{"no partition", []string{"--partition", "2023-01"}, 3, "month=2024-0"},
		{"no server", []string{"--server", "http://127.0.0.1:1"}, 5, "the server cannot be reached"},
		{"aggregate", []string{"--aggregate", "median(id)"}, 2, "median(id)"},
		{"format", []string{"--format", "xml"}, 2, "xml"},
		{"two places", []string{"--path", "x"}, 2, "--path"},
		{"flag", []string{"--colums", "id"}, 2, "--columns"},
	} {
		_, text, code := ask(tt.args...)
		if code != tt.code || !strings.Contains(text, tt.text) || strings.Count(text, "\n") != 1 {
			t.Errorf("%s: exit code %d: %s", tt.name, code, text)
		}
	}
	var stdout, stderr output
	if code := run(context.Background(), []string{"query", "--table", "events", "--warehouse", w.Store.Root()}, &stdout, &stderr); code != 2 || !strings.Contains(stderr.String(), "schema.table") {
		t.Errorf("a table without a schema: %d %s", code, stderr.String())
	}
}

// An answer that is cut off is an error, also when something was printed.
func TestQueryCutOff(t *testing.T) {
	clearEnv(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(bytes.Repeat([]byte("{\"id\":1}\n"), 10_000))
		panic(http.ErrAbortHandler)
	})}
	go func() { _ = s.Serve(l) }()
	defer s.Close()
	for _, format := range []string{"jsonl", "table"} {
		var stdout, stderr output
		code := run(context.Background(), []string{"query", "--table", "a.b", "--server", "http://" + l.Addr().String(), "--format", format}, &stdout, &stderr)
		if code != 1 || !strings.Contains(stderr.String(), "did not come to its end") {
			t.Errorf("%s: exit code %d: %s", format, code, stderr.String())
		}
	}
}

// Text for the terminal holds nothing that moves its cursor.
func TestVisible(t *testing.T) {
	for in, want := range map[string]string{"plain é 日本": "plain é 日本", "a\x1b[31mb\a": `a\x1b[31mb\x07`, "x\ny\tz": `x\ny\tz`, "\u202eabc": `\u202eabc`} {
		if got := visible(in); got != want {
			t.Errorf("%q: %s", in, got)
		}
	}
}

// The scripts are valid for the shells that are here; bash and fish complete with them.
func TestCompletion(t *testing.T) {
	clearEnv(t)
	for _, shell := range []string{"bash", "zsh", "fish"} {
		var stdout, stderr output
		if code := run(context.Background(), []string{"completion", shell}, &stdout, &stderr); code != 0 {
			t.Fatalf("%s: %d %s", shell, code, stderr.String())
		}
		script := stdout.String()
		for _, want := range []string{"completion", "query", "serve", "aggregate", "listen", "log-format"} {
			if !strings.Contains(script, want) {
				t.Errorf("%s: no %s", shell, want)
			}
		}
		if _, err := exec.LookPath(shell); err != nil {
			t.Logf("%s is not here: its script was not read by it", shell)
			continue
		}
		check := exec.Command(shell, "-n")
		check.Stdin = strings.NewReader(script)
		if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s -n: %v %s", shell, err, out)
		}
		if shell == "fish" {
			out, err := exec.Command("fish", "--no-config", "-c", script+"\ncomplete -C 'queryd query --format pa'; complete -C 'queryd que'; complete -C 'queryd query --expl'").CombinedOutput()
			if want := "parquet\ttable, json, jsonl, csv, arrow or parquet; the default is table on a terminal, else jsonl.\nquery\tAnswer one query, from the warehouse or from a server.\n--explain\tTell what the query would read, as JSON.\n"; err != nil || string(out) != want {
				t.Errorf("fish: %v %s", err, out)
			}
		}
		if shell != "bash" {
			continue
		}
		for line, want := range map[string]string{
			"queryd que":                      "query",
			"queryd query --form":             "--format",
			"queryd query --format pa":        "parquet",
			"queryd --lis":                    "--listen",
			"queryd completion z":             "zsh",
			"queryd query --table a.b --expl": "--explain",
			"queryd --log-format j":           "json",
		} {
			words := strings.Fields(line)
			complete := exec.Command("bash", "-c", script+"\nCOMP_WORDS=("+line+"); COMP_CWORD="+string(rune('0'+len(words)-1))+"; _queryd; echo \"${COMPREPLY[*]}\"")
			out, err := complete.CombinedOutput()
			if err != nil || strings.TrimSpace(string(out)) != want {
				t.Errorf("%s: %v %s", line, err, out)
			}
		}
	}
	var stdout, stderr output
	if code := run(context.Background(), []string{"completion", "tcsh"}, &stdout, &stderr); code != 2 {
		t.Errorf("tcsh: %d %s", code, stderr.String())
	}
}
