package rest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"log/slog"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/query"
	"frostline/query/querytest"
	"frostline/rest"
)

// Names with quotes, commas, dots, spaces, slashes and other alphabets are names.
func TestHostileNames(t *testing.T) {
	w := querytest.New(t)
	id := querytest.Col("id", coltype.Int64, coltype.WireInt8, "int8")
	id.NotNull = true
	tab := w.Table(t, `we"ird/sch`, "tä ble.x", querytest.Columns(id,
		querytest.Col("id_in", coltype.Int64, coltype.WireInt8, "int8"),
		querytest.Col(`a,"b`, coltype.String, coltype.WireRaw, "text"),
		querytest.Col("größe.m", coltype.String, coltype.WireRaw, "text"),
	), iceberg.PartitionSpec{})
	fields := tab.T.Schema().Columns
	row := func(values ...string) string {
		var parts []string
		for i, v := range values {
			name, err := json.Marshal(fields[i].FieldName)
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, string(name)+":"+v)
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	add := func(partition, rows string) {
		tab.Add(t, partition, querytest.File{Batches: []arrow.RecordBatch{tab.Rows(t, rows)}})
	}
	add("ö/k=a b/../c", row("1", "7", `"x"`, `"y"`)+","+row("2", "8", `"it's"`, "null"))
	add("other=same", row("3", "9", "null", "null"))
	add("another=same", row("4", "9", "null", "null"))

	a := serve(t, w, query.Options{}, rest.Options{})
	byTable := "/api/v1/archives/query/" + url.PathEscape(`we"ird/sch`) + "/" + url.PathEscape("tä ble.x") + "/"
	for _, tt := range []struct{ name, method, path, body, want string }{
		{"by table", "POST", byTable + url.PathEscape("ö/k=a b/../c"), `{"columns":["größe.m","a,\"b"]}`, `[{"größe.m":"y","a,\"b":"x"},{"größe.m":null,"a,\"b":"it's"}]`},
		{"bare value", "POST", byTable + url.PathEscape("a b/../c"), `{"columns":["id"],"filterExpression":"\"a,\"\"b\" = 'it''s'"}`, `[{"id":2}]`},
		{"a column that ends as a suffix does", "POST", byTable + url.PathEscape("a b/../c"), `{"columns":["id"],"filters":{"id_in":8}}`, `[{"id":2}]`},
		{"get", "GET", "/api/v1/archives/query?columns=" + url.QueryEscape(`id,"a,""b",größe.m`) + "&filter=id%3D1&archivePath=" +
			url.QueryEscape(tab.T.Location()), "", `[{"id":1,"a,\"b":"x","größe.m":"y"}]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, body, _ := a.do(t, tt.method, tt.path, tt.body)
			if status != 200 {
				t.Fatalf("%d %s", status, body)
			}
			if got := rows(t, body); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
	status, body, _ := a.do(t, "POST", byTable+"same", "{}")
	if status != 400 || !strings.Contains(body, `"code":"ambiguous_partition"`) || !strings.Contains(body, `\"other=same\"`) {
		t.Errorf("a value of two partitions: %d %s", status, body)
	}
	_, body, _ = a.do(t, "GET", "/api/v1/archives/metadata?archivePath="+url.QueryEscape(tab.T.Location()+"/other=same"), "")
	if !strings.Contains(body, `"name":"id","type":"long","required":true`) || !strings.Contains(body, `"name":"id_in","type":"long","required":false`) {
		t.Errorf("required: %s", body)
	}
}

// FuzzBody: whatever the body, the answer is one of those that the API documents, and JSON.
func FuzzBody(f *testing.F) {
	w := querytest.Events(f)
	h := rest.New(query.New(w.Catalog, w.Store, query.Options{}), rest.Options{Log: slog.New(slog.DiscardHandler)}).Handler()
	for _, seed := range []string{
		`{"columns":["id"],"filters":{"id_gt":5,"name_like":"n%","even":null,"grp_in":[1,2.5,"3"]},"filterExpression":"day < DATE '2024-02-01' OR NOT ts IS NULL","limit":3,"offset":1,"count":"none"}`,
		`{"limit":1e3}`, `{"filters":{"":1}}`, `{"filters":[]}`, `{"columns":[""]}`, `{"filterExpression":"((((("}`, `{"a":{"b":[{}]}}`, "{\"limit\":1}\x00", `{"limit":1,}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		req := httptest.NewRequest("POST", "/api/v1/archives/query/public/events/2024-01", strings.NewReader(body))
		res := httptest.NewRecorder()
		h.ServeHTTP(res, req)
		if res.Code != http.StatusOK && res.Code != http.StatusBadRequest && res.Code != http.StatusRequestEntityTooLarge {
			t.Errorf("%d %s", res.Code, res.Body)
		}
		if !json.Valid(res.Body.Bytes()) {
			t.Errorf("not JSON: %s", res.Body)
		}
	})
}
