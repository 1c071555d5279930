package rest_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"frostline/query"
	"frostline/query/querytest"
	"frostline/rest"
)

// unstable are the parts of an answer that differ from run to run.
var unstable = regexp.MustCompile(`file://[^"]*/public|"snapshotId":"\d+"|"parentId":"\d+"|"committedAt":"[^"]+"|"totalBytes":\d+|"bytes":\d+|"bytesRead":\d+|"executionTimeMs":[0-9.]+|"costUsd":[0-9.e-]+|data/[^"]+`)

func settle(body string) string {
	return unstable.ReplaceAllStringFunc(strings.TrimSpace(body), func(s string) string {
		if strings.HasPrefix(s, "file://") {
			return "W/public"
		}
		if strings.HasPrefix(s, "data/") {
			return "data/…"
		}
		name, _, _ := strings.Cut(s, ":")
		return name + ":…"
	})
}

func TestWhatIsArchived(t *testing.T) {
	a := serve(t, querytest.Events(t), query.Options{}, rest.Options{})
	part := func(month, second string) string {
		return `{"name":"month=2024-` + month + `","archivePath":"W/public/events/month=2024-` + month + `","totalRecords":2000,"totalFiles":2,"totalBytes":…,` +
			`"archivedAt":"2024-03-01T12:00:` + second + `Z","digest":"xxh3-128:00000000000000000000000000000000:0"}`
	}
	for _, tt := range []struct{ path, want string }{
		{"tables", `{"tables":[{"schema":"public","table":"events","archivePath":"W/public/events","partitions":3,"totalRecords":6000,"totalFiles":6,"totalBytes":…,` +
			`"archivedAt":"2024-03-01T12:00:03Z","snapshotId":…}]}`},
		{"partitions?archivePath=public/events", `{"archivePath":"W/public/events","snapshotId":…,"partitions":[` + part("01", "01") + "," + part("02", "02") + "," + part("03", "03") + `]}`},
		{"partitions?archivePath=public/events/month=2024-02", `{"archivePath":"W/public/events/month=2024-02","snapshotId":…,"partitions":[` + part("02", "02") + `]}`},
	} {
		status, body, _ := a.do(t, "GET", "/api/v1/archives/"+tt.path, "")
		if got := settle(body); status != 200 || got != tt.want {
			t.Errorf("%s: %d\ngot  %s\nwant %s", tt.path, status, got, tt.want)
		}
	}

	_, body, _ := a.do(t, "GET", "/api/v1/archives/snapshots?archivePath=public/events", "")
	var s struct {
		ArchivePath string
		Snapshots   []struct {
			SnapshotID, ParentID, Partition, Operation, RunID string
			Current                                           bool
			TotalRecords                                      int64
		}
	}
	if err := json.Unmarshal([]byte(body), &s); err != nil || len(s.Snapshots) != 3 {
		t.Fatalf("%v %s", err, body)
	}
	newest, first := s.Snapshots[0], s.Snapshots[2]
	if !newest.Current || newest.TotalRecords != 6000 || newest.ParentID != s.Snapshots[1].SnapshotID || newest.Partition != "month=2024-03" || first.TotalRecords != 2000 || first.Current ||
		first.ParentID != "" || first.RunID != "run1-month=2024-01" || first.Operation != "append" {
		t.Errorf("snapshots: %s", body)
	}

	status, body, _ := a.do(t, "GET", "/api/v1/archives/record?archivePath=public/events/month=2024-02", "")
	var rec map[string]any
	if err := json.Unmarshal([]byte(body), &rec); err != nil || status != 200 || rec["run_id"] != "run2-month=2024-02" || rec["partition"] != "month=2024-02" {
		t.Errorf("record: %d %.300s", status, body)
	}
	if status, body, _ := a.do(t, "GET", "/api/v1/archives/record?archivePath=public/events", ""); status != 400 || !strings.Contains(body, `"code":"not_a_partition"`) {
		t.Errorf("record of a table: %d %s", status, body)
	}
	empty := serve(t, querytest.New(t), query.Options{}, rest.Options{})
	if _, body, _ := empty.do(t, "GET", "/api/v1/archives/tables", ""); body != `{"tables":[]}`+"\n" {
		t.Errorf("no tables: %s", body)
	}
}

func TestExplain(t *testing.T) {
	a := serve(t, querytest.Events(t), query.Options{}, rest.Options{})
	status, body, _ := a.do(t, "POST", "/api/v1/archives/explain", `{"archivePath":"public/events","columns":["name"],"filterExpression":"day = '2024-02-01' AND id = 3210"}`)
	var e struct {
		Rows, Bytes, Requests int64
		CostUsd               float64
		Files                 []struct {
			Partition, Verdict, By string
			RowGroups              []struct {
				Verdict, By string
				Left        int64
			}
		}
		Pruning query.Pruning
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil || status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	if e.Rows != 100 || e.Bytes <= 0 || e.Bytes > 50_000 || e.CostUsd != float64(e.Bytes)*5/1e12 || e.Pruning.Partitions != (query.Level{Total: 3, Skipped: 2}) {
		t.Errorf("%s", body)
	}
	some := 0
	for _, f := range e.Files {
		if f.Verdict == "some" {
			some++
			for _, g := range f.RowGroups {
				if want := map[bool]string{true: "some", false: "none"}[g.Left > 0]; g.Verdict != want {
					t.Errorf("a row group with %d rows left: %s by %s", g.Left, g.Verdict, g.By)
				}
			}
		}
	}
	if some != 1 {
		t.Errorf("%d files may match: %s", some, body)
	}
	if status, body, _ := a.do(t, "POST", "/api/v1/archives/explain", `{"archivePath":"public/events","filterExpression":"nmae = 1"}`); status != 400 || !strings.Contains(body, "did you mean name?") {
		t.Errorf("explain of a mistake: %d %s", status, body)
	}
}

// Nested fields are as strict as the others.
func TestStrictFields(t *testing.T) {
	a := serve(t, querytest.Events(t), query.Options{}, rest.Options{})
	for _, tt := range []struct{ fields, code, field, hint string }{
		{`"aggregates":[{"function":"count"},{"functoin":"sum"}]`, "unknown_field", "functoin", `"function"`},
		{`"aggregates":[{"column":"id"}]`, "missing_field", "aggregates[0].function", ""},
		{`"aggregates":[{"function":"summ","column":"id"}]`, "field_type", "aggregates[0].function", `"sum"`},
		{`"aggregates":[{"function":"sum","column":1}]`, "field_type", "aggregates[0].column", ""},
		{`"aggregates":["count"]`, "field_type", "aggregates", ""},
		{`"aggregates":{"function":"sum"}`, "field_type", "aggregates", ""},
		{`"aggregates":[{"function":"count","function":"sum"}]`, "duplicate", "function", ""},
		{`"orderBy":[{"column":"id","direction":"down"}]`, "field_type", "orderBy[0].direction", `"desc"`},
		{`"orderBy":[{"column":"id","direktion":"desc"}]`, "unknown_field", "direktion", `"direction"`},
		{`"orderBy":["id"]`, "field_type", "orderBy", ""},
		{`"groupBy":"id"`, "field_type", "groupBy", ""},
		{`"snapshotId":12`, "field_type", "snapshotId", ""},
		{`"snapshotId":"twelve"`, "field_type", "snapshotId", ""},
		{`"snapshotId":"9999999999999999999"`, "bad_snapshot", "snapshotId", "snapshots"},
		{`"format":"jsonlines"`, "field_type", "format", `"jsonl"`},
		{`"numbers":"text"`, "field_type", "numbers", `"string"`},
		{`"limit":1.0`, "bad_limit", "limit", ""},
		{`"limit":1e2`, "bad_limit", "limit", ""},
		{`"limit":"1"`, "field_type", "limit", ""},
		{`"limit":9223372036854775808`, "bad_limit", "limit", ""},
	} {
		status, body, _ := a.do(t, "POST", "/api/v1/archives/query", `{"archivePath":"public/events",`+tt.fields+`}`)
		var p struct{ Code, Field, Hint string }
		if err := json.Unmarshal([]byte(body), &p); err != nil || status != 400 || p.Code != tt.code || p.Field != tt.field || !strings.Contains(p.Hint, tt.hint) {
			t.Errorf("%s: %d %s", tt.fields, status, body)
		}
	}
	// A number of a filter keeps its digits: beyond 2^53 neighbours are not equal.
	if _, body, _ := a.do(t, "POST", "/api/v1/archives/query", `{"archivePath":"public/events","filters":{"id":9007199254740993},"columns":["id"]}`); rows(t, body) != "[]" {
		t.Errorf("a large number: %s", body)
	}
	for _, q := range []string{"/api/v1/archives/tables?x=1", "/healthz?x=1", "/api/v1/archives/queries?stat=RUNNING"} {
		if status, body, _ := a.do(t, "GET", q, ""); status != 400 || !strings.Contains(body, `"code":"unknown_parameter"`) {
			t.Errorf("%s: %d %s", q, status, body)
		}
	}
}

// The document is served as it is, and the page at /docs holds every operation and needs nothing from elsewhere.
func TestDocumentIsServed(t *testing.T) {
	a := serve(t, querytest.New(t), query.Options{}, rest.Options{})
	status, body, h := a.do(t, "GET", "/openapi.json", "")
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct{ OperationID string }
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil || status != 200 || doc.OpenAPI != "3.0.3" || h.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v", status, err)
	}
	status, page, h := a.do(t, "GET", "/docs", "")
	if status != 200 || !strings.HasPrefix(h.Get("Content-Type"), "text/html") || !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("docs: %d %v", status, h)
	}
	operations := 0
	for path, methods := range doc.Paths {
		for method, op := range methods {
			operations++
			if !strings.Contains(page, `<article id="op-`+op.OperationID+`">`) || !strings.Contains(page, "<code>"+strings.ToUpper(method)+" "+path+"</code>") {
				t.Errorf("the page lacks %s %s", method, path)
			}
		}
	}
	if operations != 22 {
		t.Errorf("%d operations", operations)
	}
	ids := map[string]bool{}
	for _, id := range regexp.MustCompile(`id="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if ids[id[1]] {
			t.Errorf("id %s stands twice", id[1])
		}
		ids[id[1]] = true
	}
	for _, link := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if target := link[1]; target != "openapi.json" && !ids[strings.TrimPrefix(target, "#")] {
			t.Errorf("a link to %s", target)
		}
	}
}
