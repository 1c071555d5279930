package rest_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"frostline/internal/restio"
	"frostline/query"
	"frostline/query/querytest"
	"frostline/rest"
)

// principals are ada, who may see everything, bob, who may see even ids below 3000 and not the column ts, and eve, who may see
// nothing.
const principals = `version: 1
principals:
  - name: ada
    grants:
      - tables: ["*.*"]
    metrics: true
  - name: bob
    grants:
      - tables: [public.events]
        denied: [ts]
        rows: even IS NOT NULL AND id < 3000
  - name: eve
`

// guarded is the API over querytest.Events for principals, with a key for each of them.
type guarded struct {
	*api
	dir    string
	access *rest.Access
	keys   map[string]string // by principal
	audit  string            // file
}

func guard(t *testing.T, text string, o rest.Options) *guarded {
	t.Helper()
	return guardOver(t, text, o, nil)
}

// guardOver is guard with the folder of long queries wrapped.
func guardOver(t *testing.T, text string, o rest.Options, wrapped func(rest.Folder) rest.Folder) *guarded {
	t.Helper()
	w := querytest.Events(t)
	g := &guarded{dir: t.TempDir(), keys: map[string]string{}}
	g.write(t, "principals.yaml", text)
	for _, line := range strings.Split(text, "\n") {
		if name, ok := strings.CutPrefix(line, "  - name: "); ok {
			key, _, err := rest.AddKey(g.file("keys.json"), name, "", time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			g.keys[name] = key
		}
	}
	var err error
	g.access, err = rest.NewAccess(rest.AccessOptions{Principals: g.file("principals.yaml"), Keys: g.file("keys.json"), Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	g.audit = g.file("audit.jsonl")
	if o.Audit, err = rest.OpenAuditLog(g.audit); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Audit.Close() })
	o.Identify = g.access.Identify
	o.Long.Folder = results(w)
	if wrapped != nil {
		o.Long.Folder = wrapped(o.Long.Folder)
	}
	o.Parquet = restio.Parquet
	g.api = serve(t, w, query.Options{NeedRights: true}, o)
	return g
}

func (g *guarded) file(name string) string { return filepath.Join(g.dir, name) }

func (g *guarded) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(g.file(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// as sends a request with a credential: the name of a principal with a key, or what follows Bearer.
func (g *guarded) as(t *testing.T, who, method, path, body string, headers ...string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequest(method, g.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key, ok := g.keys[who]; ok {
		who = key
	}
	if who != "" {
		req.Header.Set("Authorization", "Bearer "+who)
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

const events = `{"archivePath":"public/events"`

// everyRoute is a request to each of the routes that tell of the archive.
var everyRoute = []struct{ method, path, body string }{
	{"POST", "/api/v1/archives/query", events + `,"columns":["id"],"limit":1}`},
	{"POST", "/api/v1/archives/query", events + `,"columns":["id"],"limit":1,"format":"csv"}`},
	{"GET", "/api/v1/archives/query?archivePath=public/events&limit=1", ""},
	{"POST", "/api/v1/archives/query/public/events/month=2024-01", `{"limit":1}`},
	{"POST", "/api/v1/archives/explain", events + `}`},
	{"GET", "/api/v1/archives/tables", ""},
	{"GET", "/api/v1/archives/partitions?archivePath=public/events", ""},
	{"GET", "/api/v1/archives/record?archivePath=public/events/month=2024-01", ""},
	{"GET", "/api/v1/archives/snapshots?archivePath=public/events", ""},
	{"GET", "/api/v1/archives/metadata?archivePath=public/events", ""},
	{"GET", "/api/v1/archives/schema/public/events/2024-01", ""},
	{"POST", queries, events + `}`},
	{"GET", queries, ""},
	{"GET", queries + "/00112233445566778899aabbccddeeff", ""},
	{"GET", queries + "/00112233445566778899aabbccddeeff/results", ""},
	{"GET", queries + "/00112233445566778899aabbccddeeff/download", ""},
	{"POST", queries + "/00112233445566778899aabbccddeeff/cancel", ""},
	{"DELETE", queries + "/00112233445566778899aabbccddeeff", ""},
	{"GET", "/metrics", ""},
	{"GET", "/nowhere", ""},
}

// Nobody is answered on any route without a credential; the routes that tell nothing of the archive are open.
func TestNobody(t *testing.T) {
	g := guard(t, principals, rest.Options{})
	for _, r := range everyRoute {
		status, body, h := g.as(t, "", r.method, r.path, r.body)
		if status != 401 || member(t, body, "code") != "unauthenticated" || h.Get("WWW-Authenticate") != `Bearer realm="queryd"` {
			t.Errorf("%s %s: %d %s", r.method, r.path, status, body)
		}
		if status, body, _ = g.as(t, "ada", r.method, r.path, r.body); status == 401 || status == 403 || status >= 500 {
			t.Errorf("ada: %s %s: %d %s", r.method, r.path, status, body)
		}
	}
	g.settle(t, "ada")
	for _, path := range []string{"/healthz", "/readyz", "/openapi.json", "/docs"} {
		if status, body, _ := g.as(t, "", "GET", path, ""); status != 200 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, body, _ := g.as(t, "bob", "GET", "/metrics", ""); status != 403 {
		t.Errorf("bob's metrics: %d %s", status, body)
	}
}

// What a principal may not see he sees on no route and in no format.
func TestRightsOnEveryRoute(t *testing.T) {
	g := guard(t, principals, rest.Options{})
	q := "/api/v1/archives/query"
	for _, tt := range []struct {
		who, method, path, body string
		status                  int
		want                    string // in the body
		not                     string // not in it
	}{
		{"bob", "POST", q, events + `,"columns":["id"],"limit":2}`, 200, `{"data":[{"id":0},{"id":2}],"totalMatched":1500,"totalScanned":0,`, ""},
		{"bob", "POST", q, events + `,"limit":1}`, 200, `"totalMatched":1500`, `"ts"`},
		{"bob", "POST", q, events + `,"columns":["ts"]}`, 400, `"code":"unknown_column"`, `did you mean`},
		{"bob", "POST", q, events + `,"filterExpression":"ts IS NULL"}`, 400, `"code":"unknown_column"`, ""},
		{"bob", "POST", q, events + `,"filters":{"ts_gt":"2024-01-01"}}`, 400, `"unknown_`, ""},
		{"bob", "POST", q, events + `,"orderBy":[{"column":"ts"}]}`, 400, `"code":"unknown_column"`, ""},
		{"bob", "POST", q, events + `,"groupBy":["ts"]}`, 400, `"code":"unknown_column"`, ""},
		{"bob", "POST", q, events + `,"aggregates":[{"function":"max","column":"ts"}]}`, 400, `"code":"unknown_column"`, ""},
		{"bob", "POST", q, events + `,"aggregates":[{"function":"count","as":"n"}]}`, 200, `"data":[{"n":1500}]`, ""},
		{"bob", "POST", q, events + `,"format":"csv","limit":1}`, 200, "id,grp,even,name,day\r\n", ""},
		{"bob", "POST", q, events + `,"format":"jsonl","filterExpression":"id >= 2998"}`, 200, `{"id":2998,`, `"id":2999`},
		{"bob", "GET", "/api/v1/archives/query?archivePath=public/events/month=2024-03", "", 200, `{"data":[],"totalMatched":0`, ""},
		{"bob", "POST", "/api/v1/archives/explain", events + `}`, 403, `"code":"partial_rights"`, ""},
		{"bob", "GET", "/api/v1/archives/record?archivePath=public/events/month=2024-01", "", 403, `"code":"partial_rights"`, ""},
		{"bob", "GET", "/api/v1/archives/tables", "", 200, `"totalRecords":0`, ""},
		{"bob", "GET", "/api/v1/archives/partitions?archivePath=public/events", "", 200, `"name":"month=2024-02"`, "month=2024-03"},
		{"bob", "GET", "/api/v1/archives/metadata?archivePath=public/events", "", 200, `"name":"day"`, `"ts"`},
		{"bob", "GET", "/api/v1/archives/schema/public/events/2024-01", "", 200, `"name":"day"`, `"ts"`},
		{"bob", "GET", "/api/v1/archives/snapshots?archivePath=public/events", "", 200, `"snapshotId"`, "totalRecords"},
		{"eve", "GET", "/api/v1/archives/tables", "", 200, `{"tables":[]}`, ""},
		{"eve", "POST", q, events + `}`, 404, `"code":"not_found"`, ""},
		{"eve", "GET", "/api/v1/archives/schema/public/events/2024-01", "", 404, `"code":"not_found"`, "2024-02"},
		{"ada", "POST", q, events + `,"columns":["ts"],"filterExpression":"id = 7"}`, 200, `{"data":[{"ts":"infinity"}],"totalMatched":1,`, ""},
	} {
		status, body, _ := g.as(t, tt.who, tt.method, tt.path, tt.body)
		if status != tt.status || !strings.Contains(body, tt.want) || tt.not != "" && strings.Contains(body, tt.not) {
			t.Errorf("%s %s %s %s: %d %s", tt.who, tt.method, tt.path, tt.body, status, body)
		}
	}
	// The side column of Arrow and Parquet.
	for _, format := range []string{"arrow", "parquet"} {
		for who, told := range map[string]bool{"ada": true, "bob": false} {
			status, body, _ := g.as(t, who, "POST", q, events+`,"format":"`+format+`","filterExpression":"grp < 30"}`)
			if status != 200 || strings.Contains(body, "infinity") != told {
				t.Errorf("%s, %s: %d, infinity told: %v", who, format, status, !told)
			}
		}
	}
}

// A long query runs with the rights of its caller, and its result is his alone, with the rights that he had.
func TestRightsOfLongQueries(t *testing.T) {
	g := guard(t, principals, rest.Options{})
	status, body, _ := g.as(t, "bob", "POST", queries, events+`,"columns":["id"]}`)
	if status != 202 {
		t.Fatalf("%d %s", status, body)
	}
	id := member(t, body, "id")
	for start := time.Now(); !strings.Contains(body, "SUCCEEDED"); time.Sleep(10 * time.Millisecond) {
		if _, body, _ = g.as(t, "bob", "GET", queries+"/"+id, ""); time.Since(start) > 20*time.Second || strings.Contains(body, "FAILED") {
			t.Fatal(body)
		}
	}
	if !strings.Contains(body, `"rowsScanned":0`) || !strings.Contains(body, `"rows":1500`) {
		t.Errorf("statistics: %s", body)
	}
	_, body, _ = g.as(t, "bob", "GET", queries+"/"+id+"/download", "")
	if n := strings.Count(body, "\n"); n != 1500 || !strings.HasSuffix(body, "{\"id\":2998}\n") {
		t.Errorf("%d rows: …%s", n, body[max(0, len(body)-40):])
	}
	for _, path := range []string{"", "/results", "/download"} {
		if status, body, _ := g.as(t, "ada", "GET", queries+"/"+id+path, ""); status != 404 || member(t, body, "code") != "unknown_query" {
			t.Errorf("ada, %s: %d %s", path, status, body)
		}
	}
	g.write(t, "principals.yaml", strings.Replace(principals, "id < 3000", "id < 10", 1))
	if err := g.access.Reload(); err != nil {
		t.Fatal(err)
	}
	if status, body, _ := g.as(t, "bob", "GET", queries+"/"+id+"/download", ""); status != 404 {
		t.Errorf("a result of wider rights: %d %.80s", status, body)
	}
	if status, body, _ := g.as(t, "bob", "POST", queries, events+`,"columns":["ts"]}`); status != 202 {
		t.Errorf("%d %s", status, body)
	}
	g.settle(t, "bob")
}

func TestKeys(t *testing.T) {
	g := guard(t, principals, rest.Options{})
	tables := func(key string) (int, string) {
		status, body, _ := g.as(t, key, "GET", "/api/v1/archives/tables", "")
		return status, body
	}
	key := g.keys["ada"]
	data, err := os.ReadFile(g.file("keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	secret := key[11:]
	sum := sha256.Sum256([]byte(key))
	if strings.Contains(string(data), secret) || !strings.Contains(string(data), hex.EncodeToString(sum[:])) || len(key) != len("fq_12345678_")+43 {
		t.Errorf("the file: %s", data)
	}
	if info, err := os.Stat(g.file("keys.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", err, info.Mode())
	}
	wrong := []string{"fq_", "fq__", key[:len(key)-1], key + "A", key[:3] + strings.ToUpper(key[3:]), "fq_00000000" + secret, key[:12] + strings.Repeat("A", 43),
		strings.Replace(key, "_", "__", 1), g.keys["bob"][:12] + key[12:]}
	for _, k := range wrong {
		if status, body := tables(k); status != 401 || member(t, body, "code") != "bad_key" || strings.Contains(body, k[3:]) && len(k) > 4 {
			t.Errorf("%s: %d %s", k, status, body)
		}
	}
	if status, _ := tables(key); status != 200 {
		t.Errorf("ada: %d", status)
	}
	for _, h := range []string{"Basic YTpi", "Bearer", "Bearer ", key, "Digest " + key} {
		if status, body, _ := g.as(t, "", "GET", "/api/v1/archives/tables", "", "Authorization", h); status != 401 {
			t.Errorf("Authorization: %s: %d %s", h, status, body)
		}
	}

	// Revoked, expired, and of a principal that is gone.
	if err := rest.RevokeKey(g.file("keys.json"), key[3:11]); err != nil {
		t.Fatal(err)
	}
	short, _, err := rest.AddKey(g.file("keys.json"), "bob", "short", time.Now().Add(5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	ghost, _, err := rest.AddKey(g.file("keys.json"), "ghost", "", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.access.Reload(); err != nil {
		t.Fatal(err)
	}
	if status, _ := tables(key); status != 401 {
		t.Errorf("revoked: %d", status)
	}
	if status, _ := tables(ghost); status != 401 {
		t.Errorf("a principal that is gone: %d", status)
	}
	if status, _ := tables(short); status != 200 {
		t.Errorf("not expired: %d", status)
	}
	for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if status, _ := tables(short); status == 401 {
			break
		}
		if time.Since(start) > 20*time.Second {
			t.Fatal("it does not expire")
		}
	}
	list, err := rest.Keys(g.file("keys.json"))
	if err != nil || len(list) != 5 || list[0].Revoked == nil || list[3].Note != "short" {
		t.Errorf("%v %+v", err, list)
	}
	for name, change := range map[string]func() error{
		"unknown id":         func() error { return rest.RevokeKey(g.file("keys.json"), "nothing") },
		"name":               func() error { _, _, err := rest.AddKey(g.file("keys.json"), "a/b", "", time.Time{}); return err },
		"expired beforehand": func() error { _, _, err := rest.AddKey(g.file("keys.json"), "ada", "", time.Unix(1, 0)); return err },
		"locked": func() error {
			g.write(t, "other.json.lock", "")
			_, _, err := rest.AddKey(g.file("other.json"), "ada", "", time.Time{})
			return err
		},
		"damaged": func() error {
			g.write(t, "damaged.json", `{"version":1,"keys":[{"id":"a","principal":"ada","sha256":"00"}]}`)
			_, err := rest.Keys(g.file("damaged.json"))
			return err
		},
		"no file": func() error {
			_, err := rest.NewAccess(rest.AccessOptions{Principals: g.file("principals.yaml"), Keys: g.file("nowhere.json")})
			return err
		},
		"more than keys": func() error {
			g.write(t, "damaged.json", `{"version":1,"keys":[]} {}`)
			_, err := rest.Keys(g.file("damaged.json"))
			return err
		},
		"unknown member": func() error {
			g.write(t, "damaged.json", `{"version":1,"kees":[]}`)
			_, err := rest.Keys(g.file("damaged.json"))
			return err
		},
	} {
		if change() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A file that changes is read anew; one that cannot be read leaves what was in force.
func TestAccessReloads(t *testing.T) {
	g := guard(t, principals, rest.Options{})
	ctx := t.Context()
	go g.access.Watch(ctx, 5*time.Millisecond)
	status := func(who string) int {
		s, _, _ := g.as(t, who, "POST", "/api/v1/archives/query", events+`,"limit":1}`)
		return s
	}
	until := func(who string, want int) {
		t.Helper()
		for start := time.Now(); status(who) != want; time.Sleep(5 * time.Millisecond) {
			if time.Since(start) > 10*time.Second {
				t.Fatalf("%s: %d, want %d", who, status(who), want)
			}
		}
	}
	until("eve", 404)
	g.write(t, "principals.yaml", strings.Replace(principals, "- name: eve", "- name: eve\n    grants: [{tables: [public.*]}]", 1))
	until("eve", 200)
	g.write(t, "principals.yaml", "version: 1\nprincipal: []\n")
	time.Sleep(50 * time.Millisecond)
	if s := status("eve"); s != 200 {
		t.Errorf("after a broken file: %d", s)
	}
	g.write(t, "principals.yaml", principals)
	until("eve", 404)
	if err := rest.RevokeKey(g.file("keys.json"), g.keys["ada"][3:11]); err != nil {
		t.Fatal(err)
	}
	until("ada", 401)
}

func TestAccessFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "p.yaml")
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "the file is empty"},
		{"no version", "principals: [{name: a}]", "version is 0"},
		{"newer", "version: 2\nprincipals: [{name: a}]", "version is 2"},
		{"nobody", "version: 1", "nobody could ask"},
		{"typo", "version: 1\nprincipals:\n  - name: a\n    grant: []", `line 4: "grant" is not known; did you mean grants?`},
		{"typo below", "version: 1\nprincipals: [{name: a, grants: [{tables: ['*.*'], row: x}]}]", `did you mean rows?`},
		{"twice", "version: 1\nversion: 1", "already defined"},
		{"anchor", "version: 1\nprincipals: [&a {name: a}, *a]", "anchors"},
		{"documents", "version: 1\n---\nversion: 1", "more than one document"},
		{"a list for a text", "version: 1\nprincipals: [{name: [a]}]", "a single value"},
		{"null", "version: 1\nprincipals: [{name: a, grants: [{tables: ['*.*'], rows: }]}]", "a single value"},
		{"same name", "version: 1\nprincipals: [{name: a}, {name: a}]", "stands twice"},
		{"name", "version: 1\nprincipals: [{name: a/b}]", "letters, digits"},
		{"no tables", "version: 1\nprincipals: [{name: a, grants: [{columns: [x]}]}]", "tables are missing"},
		{"table", "version: 1\nprincipals: [{name: a, grants: [{tables: [events]}]}]", "write schema.table"},
		{"rows", "version: 1\nprincipals: [{name: a, grants: [{tables: ['*.*'], rows: 'a = = 1'}]}]", "rows: filterExpression, position 5"},
		{"rows that close a parenthesis", "version: 1\nprincipals: [{name: a, grants: [{tables: ['*.*'], rows: 'a = 1) OR (1 = 1'}]}]", "rows: filterExpression"},
		{"white rows", "version: 1\nprincipals: [{name: a, grants: [{tables: ['*.*'], rows: ' '}]}]", "white space"},
		{"limits", "version: 1\nprincipals: [{name: a, limits: {rate: -1}}]", "below 0"},
		{"certificate", "version: 1\nprincipals: [{name: a, certificates: [ada]}]", "write cn:"},
		{"shared certificate", "version: 1\nprincipals: [{name: a, certificates: ['cn:x']}, {name: b, certificates: ['cn:x']}]", "that of a and of b"},
		{"issuer in the clear", "version: 1\noidc: [{issuer: 'http://login.example.com', audience: a}]\nprincipals: [{name: a}]", "not an https URL"},
		{"no audience", "version: 1\noidc: [{issuer: 'https://login.example.com'}]\nprincipals: [{name: a}]", "audience is missing"},
		{"unknown issuer", "version: 1\nprincipals: [{name: a, tokens: [{issuer: 'https://x', claims: {sub: a}}]}]", "none of those under oidc"},
		{"no claims", "version: 1\noidc: [{issuer: 'https://x', audience: q}]\nprincipals: [{name: a, tokens: [{issuer: 'https://x'}]}]", "claims are missing"},
		{"skew", "version: 1\noidc: [{issuer: 'https://x', audience: q, skew: 1h}]\nprincipals: [{name: a}]", "skew"},
		{"good", "version: 1\nprincipals: [{name: a, grants: [{tables: ['\"a.b\".\"c.d\"', '*.x?'], columns: []}], limits: {timeout: 3s, rate: 0.5}}]", ""},
	} {
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := rest.NewAccess(rest.AccessOptions{Principals: file})
		if got := fmt.Sprint(err); tt.want == "" && err != nil || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
	if err := os.Chmod(file, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := rest.NewAccess(rest.AccessOptions{Principals: file}); err == nil || !strings.Contains(err.Error(), "written by everybody") {
		t.Errorf("a file for everybody: %v", err)
	}
}

func TestLimitsOfCallers(t *testing.T) {
	g := guard(t, `version: 1
principals:
  - name: ada
    grants: [{tables: ["*.*"]}]
    limits: {rate: 0.05, burst: 3}
  - name: bob
    grants: [{tables: ["*.*"]}]
    limits: {scanRows: 10}
  - name: eve
    grants: [{tables: ["*.*"]}]
    limits: {requests: 1}
`, rest.Options{ReadTimeout: time.Minute})
	codes := ""
	for range 5 {
		status, body, h := g.as(t, "ada", "GET", "/api/v1/archives/tables", "")
		codes += fmt.Sprint(status, " ")
		if wait, _ := strconv.Atoi(h.Get("Retry-After")); status == 429 && (member(t, body, "code") != "too_many_requests" || wait < 5 || wait > 20) {
			t.Errorf("%s %v", body, h)
		}
	}
	if !strings.HasPrefix(codes, "200 200 200 429 ") {
		t.Errorf("ada: %s", codes)
	}
	if err := g.access.Reload(); err != nil { // which does not refill the bucket
		t.Fatal(err)
	}
	if status, _, _ := g.as(t, "ada", "GET", "/api/v1/archives/tables", ""); status != 429 {
		t.Errorf("ada after a reload: %d", status)
	}
	if status, body, _ := g.as(t, "bob", "POST", "/api/v1/archives/query", events+`,"filterExpression":"name LIKE '%9%'"}`); status != 422 {
		t.Errorf("bob: %d %s", status, body)
	}
	// One request of eve's hangs in its body, for which the server has asked: it has been let in. A second one is refused.
	in, out := io.Pipe()
	defer out.Close()
	req, err := http.NewRequest("POST", g.URL+"/api/v1/archives/query", in)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+g.keys["eve"])
	req.Header.Set("Expect", "100-continue")
	asked := &http.Transport{ExpectContinueTimeout: time.Minute}
	defer asked.CloseIdleConnections()
	done := make(chan int, 1)
	go func() {
		res, err := asked.RoundTrip(req)
		if err != nil {
			done <- 0
			return
		}
		res.Body.Close()
		done <- res.StatusCode
	}()
	if _, err := io.WriteString(out, "{"); err != nil {
		t.Fatal(err)
	}
	if status, body, _ := g.as(t, "eve", "GET", "/api/v1/archives/tables", ""); status != 429 || member(t, body, "code") != "too_many_at_once" {
		t.Fatalf("eve's second: %d %s", status, body)
	}
	if _, err := io.WriteString(out, strings.TrimPrefix(events, "{")+"}"); err != nil {
		t.Fatal(err)
	}
	out.Close()
	if s := <-done; s != 200 {
		t.Errorf("the hanging one: %d", s)
	}
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) { // its place is given back a moment after its answer
		status, _, _ := g.as(t, "eve", "GET", "/api/v1/archives/tables", "")
		if status == 200 {
			break
		}
		if time.Since(start) > 20*time.Second {
			t.Fatalf("afterwards: %d", status)
		}
	}
}

// held is a folder whose files are written when gate is closed, but for a query's first state.
type held struct {
	rest.Folder
	gate  chan struct{}
	first *sync.Map
}

func (h held) Put(ctx context.Context, name string, r io.Reader) error {
	if _, again := h.first.LoadOrStore(name, true); again {
		select {
		case <-h.gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return h.Folder.Put(ctx, name, r)
}

// Long queries are limited for each principal, those of one that are tried again are the same, and places are given back.
func TestLimitOfLongQueries(t *testing.T) {
	gate := make(chan struct{})
	g := guardOver(t, "version: 1\nprincipals:\n  - name: ada\n    grants: [{tables: [\"*.*\"]}]\n    limits: {long: 2}\n  - name: bob\n    grants: [{tables: [\"*.*\"]}]\n",
		rest.Options{}, func(f rest.Folder) rest.Folder { return held{f, gate, &sync.Map{}} })
	submit := func(who, token string) (int, string) {
		status, body, _ := g.as(t, who, "POST", queries, events+`,"limit":1,"clientToken":"`+token+`"}`)
		return status, body
	}
	for _, tt := range []struct {
		who, token string
		want       int
	}{{"ada", "1", 202}, {"ada", "2", 202}, {"ada", "3", 429}, {"ada", "1", 202}, {"bob", "1", 202}, {"bob", "2", 202}, {"bob", "3", 202}} {
		if status, body := submit(tt.who, tt.token); status != tt.want || status == 429 && member(t, body, "code") != "too_many_long_queries" {
			t.Errorf("%s %s: %d %s", tt.who, tt.token, status, body)
		}
	}
	close(gate)
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		status, body := submit("ada", "3")
		if status == 202 {
			break
		}
		if time.Since(start) > 10*time.Second {
			t.Fatalf("%d %s", status, body)
		}
	}
	g.settle(t, "ada", "bob")
}

// settle ends the long queries of callers, and waits until that is written.
func (g *guarded) settle(t *testing.T, callers ...string) {
	t.Helper()
	for _, who := range callers {
		_, body, _ := g.as(t, who, "GET", queries, "")
		var v struct{ Queries []struct{ ID string } }
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatal(err)
		}
		for _, one := range v.Queries {
			if status, body, _ := g.as(t, who, "POST", queries+"/"+one.ID+"/cancel", ""); status != 200 {
				t.Fatalf("%d %s", status, body)
			}
		}
	}
}
