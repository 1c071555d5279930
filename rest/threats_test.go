package rest_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"frostline/query"
	"frostline/query/querytest"
	"frostline/rest"
)

const q = "/api/v1/archives/query"

// docs/security.md names a test for each threat: they exist.
func TestThreatsHaveTests(t *testing.T) {
	doc, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, dir := range []string{"../rest", "../rest/page", "../query", "../predicate", "../cmd/queryd", "../objstore/cachestore"} {
		files, err := filepath.Glob(dir + "/*_test.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(text, -1) {
				have[filepath.Base(dir)+"."+string(m[1])] = true
			}
		}
	}
	threats := 0
	for line := range strings.Lines(string(doc)) {
		if !regexp.MustCompile(`^\| T\d+ `).MatchString(line) {
			continue
		}
		threats++
		names := regexp.MustCompile("`(\\w+\\.Test\\w+)`").FindAllStringSubmatch(line, -1)
		if len(names) == 0 {
			t.Errorf("no test: %s", line)
		}
		for _, m := range names {
			if !have[m[1]] {
				t.Errorf("there is no test %s: %s", m[1], line)
			}
		}
	}
	if threats < 20 {
		t.Errorf("%d threats found in the document", threats)
	}
}

// The file of principals that docs/security.md shows is one.
func TestDocumentedPrincipals(t *testing.T) {
	doc, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(doc)
	if m == nil {
		t.Fatal("there is none")
	}
	file := filepath.Join(t.TempDir(), "p.yaml")
	if err := os.WriteFile(file, m[1], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := rest.NewAccess(rest.AccessOptions{Principals: file}); err != nil {
		t.Error(err)
	}
}

// Other buckets, and paths that lead out of the warehouse, are not read, however they are written.
func TestThreatPaths(t *testing.T) {
	g := guard(t, principals, rest.Options{})
	outside := t.TempDir()
	if err := os.CopyFS(outside, os.DirFS(g.root[len("file://"):])); err != nil {
		t.Fatal(err)
	}
	out := "public/events"
	up := strings.Repeat("../", 12)
	for _, path := range []string{
		"s3://other-bucket/public/events", "s3://other-bucket/" + out, "S3://x/y/z", "https://example.com/public/events", "gs://b/" + out, "file://" + outside + "/" + out,
		outside + "/" + out, "file://localhost" + outside + "/" + out, "FILE://" + outside + "/" + out, up + outside[1:] + "/" + out,
		g.root + "/" + up + outside[1:] + "/" + out, "public/../../" + filepath.Base(outside) + "/" + out, "public/events/../../public/events", "./public/events",
		"public/..%2f..%2fevents", "%2e%2e/%2e%2e/events", "public%2fevents", "public/events%00", "public\x00/events", `public\events`, `..\..\etc`, "public//events",
		"/etc/passwd", "//etc/passwd", "file:///etc/passwd", "public/events/month=2024-01/../../../x/y", "public/events/month=..", "public/events/month=2024-01/data/x.parquet",
		"public/events/metadata", "_queries/x", g.root + "x/public/events", strings.TrimSuffix(g.root, "/") + "/../" + filepath.Base(outside) + "/" + out, "",
	} {
		body, err := json.Marshal(map[string]any{"archivePath": path, "limit": 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, route := range []string{q, "/api/v1/archives/explain"} {
			if status, answer, _ := g.as(t, "ada", "POST", route, string(body)); status != 400 && status != 403 && status != 404 {
				t.Errorf("%s %q: %d %.200s", route, path, status, answer)
			}
		}
	}
	for _, path := range []string{
		"/api/v1/archives/schema/..%2f..%2f" + filepath.Base(outside) + "%2fpublic/events/2024-01", "/api/v1/archives/schema/public/events%2f..%2fevents/2024-01",
		"/api/v1/archives/schema/%2e%2e/events/2024-01", "/api/v1/archives/schema/public/../public/nowhere/2024-01", "/api/v1/archives/schema/public/events/..%2f2024-01",
		"/api/v1/archives/schema/public/events/2024-01?bucket=other", "/api/v1/archives/schema/public/events/2024-01?prefix=other", "/api/v1/archives/schema/public%00/events/2024-01",
		"//api/v1/archives/tables", "/api/v1/archives/../../../etc/passwd", "/page/..%2f..%2fkeys.json", "/page/../openapi.yaml",
	} {
		req, err := http.NewRequest("GET", g.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Opaque = path // as it stands
		req.Header.Set("Authorization", "Bearer "+g.keys["ada"])
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if answer := text(t, res); res.StatusCode != 400 && res.StatusCode != 403 && res.StatusCode != 404 {
			t.Errorf("%s: %d %.200s", path, res.StatusCode, answer)
		}
	}
}

// A symbolic link in a folder that is a warehouse does not lead out of it.
func TestThreatSymlinks(t *testing.T) {
	secret := querytest.Events(t)
	w := querytest.Events(t)
	root, outside := strings.TrimPrefix(w.Store.Root(), "file://"), strings.TrimPrefix(secret.Store.Root(), "file://")
	a := serve(t, w, query.Options{}, rest.Options{})
	for link, to := range map[string]string{"public/linked": outside + "/public/events", "linked": outside + "/public"} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"public/linked", "linked/events"} {
		if status, body, _ := a.do(t, "POST", q, fmt.Sprintf(`{"archivePath":%q,"limit":1}`, path)); status < 400 || strings.Contains(body, `"data"`) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	// A data file that was replaced by a link to one outside.
	files, err := filepath.Glob(root + "/public/events/month=2024-01/data/*.parquet")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	others, err := filepath.Glob(outside + "/public/events/month=2024-01/data/*.parquet")
	if err != nil || len(others) == 0 {
		t.Fatal(others, err)
	}
	for i, f := range files {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(others[i], f); err != nil {
			t.Fatal(err)
		}
	}
	if status, body, _ := a.do(t, "POST", q, `{"archivePath":"public/events/month=2024-01","limit":1}`); status < 400 {
		t.Errorf("a data file outside: %d %s", status, body)
	}
}

// Nothing that a caller writes reaches rows outside his row filter: even ids below 3000.
func TestThreatRowFilter(t *testing.T) {
	g := guard(t, principals, rest.Options{})
	for _, expression := range []string{
		"TRUE", "1 = 1", "id >= 0 OR TRUE", "TRUE) OR (TRUE", ") OR (1=1", "id = 1) OR (id = 3", "id = 1 OR 1 = 1 --", "id = 1 /* ", "*/ OR TRUE", "id = 1; id = 2", "NOT FALSE", "NOT (id = 0 AND id = 1)",
		"even IS NULL", "even IS NULL OR even IS NOT NULL", "(even IS NOT NULL AND id < 3000) IS NOT TRUE", "id = ANY (ARRAY[1, 3, 5999])", "id::text LIKE '%'", "id IN (1, 3, 5999)",
		"id BETWEEN SYMMETRIC 9999 AND 0", "id IS DISTINCT FROM 1", "name ILIKE 'N%'", "NULL IS NULL", "(1 = 1) = (2 = 2)", "CASE WHEN TRUE THEN TRUE END", "EXISTS (SELECT 1)", "id = (SELECT 1)",
		"length(name) > 0 OR 1 / (id - 1) > 0", "1 / (id - 1) >= -1", "1 / (id - 5999) >= -1", "id + 9223372036854773000 > 0", "\"id\" = 1 OR \"id\" = 5999", "id = 1\x00 OR TRUE", "id\u00a0= 1 OR TRUE", "ıd = 1 OR TRUE",
	} {
		for _, extra := range []string{`"limit":5000`, `"limit":5000,"orderBy":[{"column":"id","direction":"desc"}]`, `"limit":5000,"offset":1`, `"limit":5000,"count":"none"`} {
			body, err := json.Marshal(expression)
			if err != nil {
				t.Fatal(err)
			}
			status, answer, _ := g.as(t, "bob", "POST", q, events+`,"columns":["id","even"],"filterExpression":`+string(body)+`,`+extra+`}`)
			if status == 400 {
				if strings.Contains(answer, "division_by_zero") {
					t.Errorf("%s: an error of a row outside: %s", expression, answer)
				}
				continue
			}
			var v struct{ Data []struct{ ID, Even *int64 } }
			if err := json.Unmarshal([]byte(answer), &v); err != nil || status != 200 {
				t.Fatalf("%s: %d %v %.200s", expression, status, err, answer)
			}
			for _, row := range v.Data {
				if row.ID == nil || row.Even == nil || *row.ID%2 != 0 || *row.ID >= 3000 {
					t.Errorf("%s, %s: row %v", expression, extra, row)
					break
				}
			}
		}
	}
	for _, filters := range []string{`{"id_gte":0}`, `{"id_ne":-1}`, `{"even":null}`, `{"id_in":[1,3,5999]}`, `{"id_lt":9999}`, `{"name_like":"%"}`} {
		status, answer, _ := g.as(t, "bob", "POST", q, events+`,"aggregates":[{"function":"count","as":"n"},{"function":"max","column":"id","as":"hi"}],"filters":`+filters+`}`)
		if status != 200 || strings.Contains(answer, "5999") || strings.Contains(answer, `"n":6000`) || strings.Contains(answer, `"n":3`) {
			t.Errorf("%s: %d %s", filters, status, answer)
		}
	}
	// Pages that begin where another caller's ended.
	_, answer, _ := g.as(t, "ada", "POST", q, events+`,"columns":["id"],"limit":1}`)
	token := member(t, answer, "nextPageToken")
	if status, answer, _ := g.as(t, "bob", "POST", q, events+`,"columns":["id"],"limit":1,"pageToken":"`+token+`"}`); status != 400 || member(t, answer, "code") != "foreign_page_token" {
		t.Errorf("ada's page: %d %s", status, answer)
	}
}

// Bodies and URLs are bounded before they are understood.
func TestThreatLargeBody(t *testing.T) {
	g := guard(t, principals, rest.Options{BodyBytes: 4096})
	if status, body, _ := g.as(t, "ada", "POST", q, events+`,"filterExpression":"`+strings.Repeat("x", 5000)+`"}`); status != 413 || member(t, body, "code") != "body_too_large" {
		t.Errorf("%d %s", status, body)
	}
	if status, body, _ := g.as(t, "", "POST", q, strings.Repeat("x", 1<<20)); status != 401 {
		t.Errorf("nobody: %d %s", status, body)
	}
	req, err := http.NewRequest("GET", g.URL+q+"?filter="+strings.Repeat("x", 200<<10), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err == nil {
		defer res.Body.Close()
		if res.StatusCode < 400 {
			t.Errorf("a URL of 200 KiB: %d", res.StatusCode)
		}
	}
}

// Compressed bodies are not taken.
func TestThreatCompressedBody(t *testing.T) {
	g := guard(t, principals, rest.Options{})
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	if _, err := z.Write(bytes.Repeat([]byte(" "), 64<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for _, coding := range []string{"gzip", "GZIP", "deflate", "zstd", "br", "x-gzip", "gzip, gzip", "identity, gzip"} {
		status, body, _ := g.as(t, "ada", "POST", q, bomb.String(), "Content-Encoding", coding, "Content-Type", "application/json")
		if status != 415 || member(t, body, "code") != "unsupported_content_encoding" {
			t.Errorf("%s: %d %s", coding, status, body)
		}
	}
	if status, body, _ := g.as(t, "ada", "POST", q, events+`,"limit":1}`, "Content-Encoding", "identity", "Content-Type", "application/json"); status != 200 {
		t.Errorf("identity: %d %s", status, body)
	}
}

// Expressions and bodies that are nested deeply or are long are refused, and soon.
func TestThreatDeepExpressions(t *testing.T) {
	g := guard(t, principals, rest.Options{})
	for name, e := range map[string]string{
		"parentheses": strings.Repeat("(", 20000) + "TRUE" + strings.Repeat(")", 20000), "NOT": strings.Repeat("NOT ", 15000) + "TRUE", "signs": "id = " + strings.Repeat("- ", 20000) + "1",
		"casts": "id" + strings.Repeat("::text", 9000) + " = ''", "functions": strings.Repeat("lower(", 9000) + "name" + strings.Repeat(")", 9000) + " = ''",
		"sums": "id = 1" + strings.Repeat(" + id", 12000), "list": "id IN (1" + strings.Repeat(",1", 20000) + ")", "number": "id = 1e999999999", "long": strings.Repeat("x", 70000),
		"arrays": "id = ANY (" + strings.Repeat("ARRAY[", 9000) + "1" + strings.Repeat("]", 9000) + ")",
	} {
		if status, body, _ := g.as(t, "ada", "POST", q, events+`,"filterExpression":"`+e+`"}`); status != 400 {
			t.Errorf("%s: %d %.200s", name, status, body)
		}
	}
	for name, body := range map[string]string{"objects": strings.Repeat(`{"filters":`, 9000) + "1" + strings.Repeat("}", 9000), "lists": events + `,"filters":{"id_in":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "}}"} {
		if status, answer, _ := g.as(t, "ada", "POST", q, body); status != 400 {
			t.Errorf("%s: %d %.200s", name, status, answer)
		}
	}
	// A pattern that makes backtracking matchers slow.
	if status, body, _ := g.as(t, "ada", "POST", q, events+`,"filterExpression":"name LIKE '`+strings.Repeat("%n", 3000)+`x'","limit":1}`); status != 200 {
		t.Errorf("pattern: %d %.200s", status, body)
	}
}

// What callers write cannot begin a line of a log or move a terminal's cursor, and neither values nor secrets are logged.
func TestThreatLogInjection(t *testing.T) {
	g := guard(t, principals, rest.Options{})
	evil := "x\r\n{\"principal\":\"ada\"}\u001b[2J\u009b31m\u202e\u2028\u0007/y"
	body, err := json.Marshal(map[string]any{"archivePath": evil, "filterExpression": "name = 'hunter2'"})
	if err != nil {
		t.Fatal(err)
	}
	g.as(t, "bob", "POST", q, string(body), "User-Agent", "a\u009b31mb", "X-Request-Id", "x\u009b2J")
	g.as(t, "bob", "GET", "/api/v1/archives/schema/a%0d%0ab/%1b%5b2J%c2%9b/%e2%80%ae", "")
	g.as(t, "bob", "GET", "/%0a%0d%1b%5b2J?secret=hunter2", "")
	g.as(t, "fq_deadbeef_hunter2", "GET", "/api/v1/archives/tables?x=hunter2", "")
	g.as(t, "bob", "POST", q, events+`,"filterExpression":"name = 'hunter2'"}`)
	g.as(t, "bob", "GET", q+"?archivePath=public/events&filter=name%20%3D%20%27hunter2%27", "")
	audit, err := os.ReadFile(g.audit)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"audit log": string(audit), "log": g.log.String()} {
		if text == "" {
			t.Errorf("the %s is empty", name)
		}
		for _, secret := range []string{"hunter2", g.keys["bob"][12:]} {
			if strings.Contains(text, secret) {
				t.Errorf("the %s has %s: %s", name, secret, text)
			}
		}
		for line := range strings.Lines(text) {
			if !json.Valid([]byte(line)) {
				t.Errorf("the %s has a line that is not its own: %q", name, line)
			}
			for _, r := range strings.TrimSuffix(line, "\n") {
				if unicode.IsControl(r) {
					t.Errorf("the %s has %U: %q", name, r, line)
					break
				}
			}
		}
	}
	if strings.ContainsAny(string(audit), "\u202e\u2028") {
		t.Errorf("the audit log changes the direction of text: %q", audit)
	}
	var last rest.AuditLine
	lines := bufio.NewScanner(bytes.NewReader(audit))
	var all []rest.AuditLine
	for lines.Scan() {
		if err := json.Unmarshal(lines.Bytes(), &last); err != nil {
			t.Fatal(err)
		}
		all = append(all, last)
		last = rest.AuditLine{}
	}
	if len(all) != 6 || all[0].Archive != evil || all[0].Principal != "bob" || all[0].Status != 404 || all[3].Status != 401 || all[3].Principal != "" {
		t.Errorf("%d lines: %+v", len(all), all)
	}
}

// The audit log says who got what, also of streams, long queries and what was refused.
func TestAuditLog(t *testing.T) {
	g := guard(t, principals, rest.Options{})
	_, _, h := g.as(t, "bob", "POST", q, events+`,"columns":["id"],"limit":7}`)
	g.as(t, "bob", "POST", q, events+`,"columns":["id"],"format":"csv"}`)
	g.as(t, "", "POST", q, events+`}`)
	g.as(t, "bob", "POST", "/api/v1/archives/explain", events+`}`)
	_, body, _ := g.as(t, "ada", "POST", queries, events+`,"limit":3}`)
	g.as(t, "ada", "GET", "/healthz", "")
	id := member(t, body, "id")
	for body = ""; !strings.Contains(body, "totalRows"); {
		_, body, _ = g.as(t, "ada", "GET", queries+"/"+id+"/results", "")
	}
	g.settle(t, "ada")
	data, err := os.ReadFile(g.audit)
	if err != nil {
		t.Fatal(err)
	}
	var got []rest.AuditLine
	for line := range bytes.Lines(data) {
		var l rest.AuditLine
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		if l.Status != 409 && !strings.HasSuffix(l.Route, "/cancel") && l.Route+l.Method != queries+"GET" { // not finished, and settle
			got = append(got, l)
		}
	}
	table := g.root + "/public/events"
	want := []rest.AuditLine{
		{Principal: "bob", Caller: "bob", By: "key " + g.keys["bob"][3:11], Method: "POST", Route: q, Archive: table, Status: 200, Rows: 7},
		{Principal: "bob", Caller: "bob", By: "key " + g.keys["bob"][3:11], Method: "POST", Route: q, Archive: "public/events", Status: 200, Rows: 1500},
		{Method: "POST", Route: q, Status: 401},
		{Principal: "bob", Caller: "bob", By: "key " + g.keys["bob"][3:11], Method: "POST", Route: "/api/v1/archives/explain", Archive: "public/events", Status: 403},
		{Principal: "ada", Caller: "ada", By: "key " + g.keys["ada"][3:11], Method: "POST", Route: queries, Archive: "public/events", Status: 202},
		{Principal: "ada", Caller: "ada", By: "key " + g.keys["ada"][3:11], Method: "GET", Route: queries + "/:id/results", Archive: table, Query: id, Status: 200, Rows: 3},
	}
	if len(got) != len(want) {
		t.Fatalf("%d lines: %s", len(got), data)
	}
	if got[0].Request == "" || got[0].Request != h.Get("X-Request-Id") {
		t.Errorf("request %q, sent %q", got[0].Request, h.Get("X-Request-Id"))
	}
	for i, l := range got {
		if l.Time.IsZero() || l.Remote == "" || l.Bytes == 0 || l.Ms <= 0 {
			t.Errorf("line %d: %+v", i, l)
		}
		l.Time, l.Remote, l.Bytes, l.Ms, l.Request = want[i].Time, "", 0, 0, ""
		if l != want[i] {
			t.Errorf("line %d: got  %+v\nwant %+v", i, l, want[i])
		}
	}
}

// A file that was moved away is opened anew.
func TestAuditLogReopens(t *testing.T) {
	dir := t.TempDir()
	log, err := rest.OpenAuditLog(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	w := querytest.Events(t)
	a := serve(t, w, query.Options{}, rest.Options{Audit: log})
	a.do(t, "GET", "/api/v1/archives/tables", "")
	if err := os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	if err := log.Reopen(); err != nil {
		t.Fatal(err)
	}
	a.do(t, "GET", "/api/v1/archives/tables", "")
	for _, name := range []string{"a", "b"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || bytes.Count(data, []byte("\n")) != 1 {
			t.Errorf("%s: %v %s", name, err, data)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "a")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", err, info.Mode())
	}
	if _, err := rest.OpenAuditLog("/nowhere/a"); err == nil {
		t.Error("a file in no folder was opened")
	}
}

// Pages of other sites cannot have a browser ask, unless their origin is allowed.
func TestThreatCrossSite(t *testing.T) {
	w := querytest.Events(t)
	a := serve(t, w, query.Options{}, rest.Options{Origins: []string{"https://wiki.example.com"}})
	send := func(method, path string, headers ...string) (int, string, http.Header) {
		t.Helper()
		req, err := http.NewRequest(method, a.URL+path, strings.NewReader(map[bool]string{true: events + `,"limit":1}`}[method == "POST"]))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, text(t, res), res.Header
	}
	for _, tt := range []struct {
		name, method string
		headers      []string
		status       int
	}{
		{"no browser", "POST", nil, 200},
		{"own page", "POST", []string{"Origin", a.URL, "Sec-Fetch-Site", "same-origin"}, 200},
		{"typed address", "GET", []string{"Sec-Fetch-Site", "none"}, 200},
		{"other site", "POST", []string{"Origin", "https://evil.example.com"}, 403},
		{"other port", "POST", []string{"Origin", "http://127.0.0.1:1"}, 403},
		{"other site, no origin", "GET", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"neighbour", "GET", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"sandbox", "POST", []string{"Origin", "null"}, 403},
		{"form", "POST", []string{"Origin", "https://evil.example.com", "Content-Type", "text/plain"}, 403},
		{"form without origin", "POST", []string{"Content-Type", "text/plain"}, 400},
		{"origin that contains an allowed one", "POST", []string{"Origin", "https://wiki.example.com.evil.example.com"}, 403},
		{"allowed", "POST", []string{"Origin", "https://wiki.example.com", "Sec-Fetch-Site", "cross-site"}, 200},
	} {
		status, body, h := send(tt.method, q+map[bool]string{true: "?archivePath=public/events&limit=1"}[tt.method == "GET"], tt.headers...)
		if status != tt.status || (h.Get("Access-Control-Allow-Origin") != "") != (tt.name == "allowed") {
			t.Errorf("%s: %d %.200s %v", tt.name, status, body, h)
		}
	}
	if status, _, h := send("OPTIONS", q, "Origin", "https://wiki.example.com", "Access-Control-Request-Method", "POST"); status != 204 ||
		h.Get("Access-Control-Allow-Origin") != "https://wiki.example.com" || h.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("preflight: %d %v", status, h)
	}
	if status, _, h := send("OPTIONS", q, "Origin", "https://evil.example.com", "Access-Control-Request-Method", "POST"); status < 400 || h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("preflight of another: %d %v", status, h)
	}
}

// A name that somebody else lets point to loopback is not this server's where nobody has to say who he is.
func TestThreatRebinding(t *testing.T) {
	w := querytest.Events(t)
	a := serve(t, w, query.Options{}, rest.Options{Hosts: []string{"archive.example.com"}})
	for host, want := range map[string]int{"": 200, "localhost": 200, "localhost:8080": 200, "[::1]:8080": 200, "127.0.0.1": 200, "archive.example.com": 200, "evil.example.com": 421,
		"evil.example.com:80": 421, "127.0.0.1.evil.example.com": 421, "localhost.evil.example.com": 421, "192.0.2.1": 421} {
		req, err := http.NewRequest("GET", a.URL+"/api/v1/archives/tables", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if body := text(t, res); res.StatusCode != want {
			t.Errorf("%q: %d %s", host, res.StatusCode, body)
		}
	}
}

// Every answer has the headers that keep browsers from misusing it.
func TestThreatHeaders(t *testing.T) {
	g := guard(t, principals, rest.Options{})
	for _, r := range append(everyRoute, struct{ method, path, body string }{"GET", "/docs", ""}, struct{ method, path, body string }{"GET", "/healthz", ""}) {
		for _, who := range []string{"ada", ""} {
			_, _, h := g.as(t, who, r.method, r.path, r.body)
			csp := h.Get("Content-Security-Policy")
			if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Frame-Options") != "DENY" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-store" ||
				!strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "script-src 'unsafe") || h.Get("Access-Control-Allow-Origin") != "" || h.Get("Server") != "" {
				t.Errorf("%s %s: %v", r.method, r.path, h)
			}
		}
	}
	g.settle(t, "ada")
}
