package page_test

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/internal/browser"
	"frostline/objstore"
	"frostline/query"
	"frostline/query/querytest"
	"frostline/rest"
)

// expressions: what the builder writes is what the filter language takes.
func (s *site) expressions(t *testing.T) {
	v := s.visit(t, browser.Options{}, "#table="+s.path(t))
	for _, c := range []struct{ column, operator, values, want string }{
		{"id", "=", `["12"]`, `id = 12`},
		{"id", "=", `[" -1.5e3 "]`, `id = -1.5e3`},
		{"big", "=", `["9007199254740995"]`, `big = 9007199254740995`},
		{"amount", "between", `["1","NaN"]`, `amount BETWEEN 1 AND 'NaN'`},
		{"status", "<>", `["it's"]`, `status <> 'it''s'`},
		{"status", "=", `[""]`, `status = ''`},
		{"status", "in", `["a, \"b, c\" ,\"say \"\"so\"\"\",,d"]`, `status IN ('a', 'b, c', 'say "so"', 'd')`},
		{"status", "notin", `["a,"]`, `status NOT IN ('a')`},
		{"status", "in", `["a,\"\""]`, `status IN ('a', '')`},
		{"status", "in", `[]`, `status IN ('')`},
		{"id", "in", `["1, 2 ,3"]`, `id IN (1, 2, 3)`},
		{"memo", "like", `["%_\\"]`, `memo LIKE '%_\'`},
		{"memo", "notlike", `["x%"]`, `memo NOT LIKE 'x%'`},
		{"memo", "ilike", `["x%"]`, `memo ILIKE 'x%'`},
		{"due", ">=", `["2024-01-31"]`, `due >= '2024-01-31'`},
		{"paid_at", "<", `["2024-01-31 13:00+01"]`, `paid_at < '2024-01-31 13:00+01'`},
		{"paid", "true", `[]`, `paid IS TRUE`},
		{"paid", "false", `[]`, `paid IS FALSE`},
		{"tags", "null", `[]`, `tags IS NULL`},
		{"tags", "notnull", `[]`, `tags IS NOT NULL`},
		{"receipt", "=", `["\\x00ff"]`, `receipt = '\x00ff'`},
	} {
		t.Run(c.want, func(t *testing.T) {
			got := v.Text(`(async () => {
				const {condition} = await import("./page/expression.js"), {get} = await import("./page/api.js")
				const {columns} = await get("metadata", {archivePath: "public/payments"})
				return condition({column: ` + js(c.column) + `, operator: ` + js(c.operator) + `, values: ` + c.values + `}, columns)
			})()`)
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if c.operator == "like" {
				return // an escape at the end is refused when it is evaluated
			}
			answer := v.Text(`import("./page/api.js").then(({post}) => post("query", {archivePath: "public/payments", limit: 0, filterExpression: ` + js(got) + `})).then(a => "counted " + typeof a.totalMatched, e => e.message)`)
			if answer != "counted number" {
				t.Errorf("%s: %s", got, answer)
			}
		})
	}
	// What each type of column offers, and names that need quotes.
	if got := v.Text(`import("./page/expression.js").then(({operatorsOf, name}) => [
		operatorsOf({type: "boolean", sourceType: "boolean"}).join(" "), operatorsOf({type: "string", sourceType: "jsonb"}).join(" "), operatorsOf({type: "list<string>", sourceType: "text[]"}).join(" "),
		operatorsOf({type: "uuid", sourceType: "uuid"}).length, operatorsOf({type: "string", sourceType: "text"}).length, name("plain_1"), name("Odd"), name("and"), name('a"b'), name("")].join("; "))`); got !=
		`true false null notnull; null notnull; null notnull; 11; 14; plain_1; "Odd"; "and"; "a""b"; ""` {
		t.Errorf("operators and names: %s", got)
	}
	// Whole numbers beyond a double keep their digits, inside of texts nothing changes.
	if got := v.Text(`import("./page/api.js").then(({parse}) => JSON.stringify(parse('{"a":9007199254740993,"b":"9007199254740993, \\"9007199254740993","c":[1,-12345678901234567890],"d":0.1234567890123456}')))`); got !=
		`{"a":"9007199254740993","b":"9007199254740993, \"9007199254740993","c":[1,"-12345678901234567890"],"d":0.1234567890123456}` {
		t.Errorf("parsed: %s", got)
	}
}

// empty: an archive without tables says so, and offers nothing to run; without a folder for background queries there are none.
func (s *site) empty(t *testing.T) {
	store, err := objstore.Open(t.Context(), "file://"+t.TempDir(), objstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(rest.New(query.New(iceberg.NewCatalog(store), store, query.Options{}), rest.Options{Log: slog.New(slog.DiscardHandler)}).Handler())
	defer server.Close()
	v := visit{s.browser.Page(t, browser.Options{}), t, s}
	v.Goto(server.URL + "/#table=x&expression=y")
	v.Wait(`document.querySelector("#table-note").innerText === "Nothing is archived here yet, or nothing that you may see."`)
	v.Wait(`!document.querySelector("#form").checkVisibility() && document.querySelector("#submit-long").hidden`)
	if got := v.Text(`document.querySelector("#error").innerText`); got != "" {
		t.Errorf("the page says %q", got)
	}
	v.calm()
}

// cut: of a download that breaks off no file is left, and the reader is told.
func (s *site) cut(t *testing.T) {
	folder := t.TempDir()
	v := s.visit(t, browser.Options{Downloads: folder}, "#table="+s.path(t))
	s.failing.Store(true)
	defer s.failing.Store(false)
	v.Click("#download")
	v.Wait(`!document.querySelector("#error").hidden`)
	if got := v.Text(`document.querySelector("#error").innerText`); !strings.Contains(got, "broke off") {
		t.Errorf("the page says %q", got)
	}
	if files, err := os.ReadDir(folder); err != nil || len(files) > 0 {
		t.Errorf("left: %v %v", files, err)
	}
	v.calm()
}

// many: partitions are found by name, and a plan of many files shows the first ones first.
func (s *site) many(t *testing.T) {
	w := querytest.New(t)
	table := w.Table(t, "public", "days", querytest.Columns(querytest.Col("id", coltype.Int64, coltype.WireInt8, "int8")), iceberg.PartitionSpec{})
	for day := range 14 {
		var files []querytest.File
		for k := range 3 {
			files = append(files, querytest.File{Batches: []arrow.RecordBatch{table.Rows(t, fmt.Sprintf(`{"id":%d}`, 3*day+k))}})
		}
		table.Add(t, fmt.Sprintf("day=2024-01-%02d", day+1), files...)
	}
	server := httptest.NewServer(rest.New(query.New(w.Catalog, w.Store, query.Options{}), rest.Options{Log: slog.New(slog.DiscardHandler)}).Handler())
	defer server.Close()
	v := visit{s.browser.Page(t, browser.Options{}), t, s}
	v.Goto(server.URL + "/")
	v.Wait(`document.querySelectorAll("#partitions tbody tr").length === 15 && !document.querySelector("#partition-search").hidden`)
	v.Eval(`document.querySelector("#search").focus()`, nil)
	v.Type("2024-01-1")
	v.Wait(`document.querySelectorAll("#partitions tbody tr").length === 5`)
	v.Click("#partitions tbody tr:nth-child(5) input")
	v.Wait(`new URLSearchParams(location.hash.slice(1)).get("partition") === "day=2024-01-14"`)
	v.run()
	v.says("#rows tbody", "1 39 2 40 3 41")
	v.Eval(`document.querySelector("#search").select()`, nil)
	v.set("#search", "")
	v.Click("#partitions tbody tr:nth-child(1) input")
	v.Wait(`!location.hash.includes("partition")`)
	v.Click("#explain")
	v.Wait(`document.querySelectorAll("#plan .files svg").length === 40`)
	v.Click("#plan-body > button")
	v.Wait(`document.querySelectorAll("#plan .files svg").length === 42 && !document.querySelector("#plan-body > button")`)
	v.shot("10-many")
	v.calm()
}
