package rest_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/query"
	"frostline/query/querytest"
	"frostline/rest"
)

// sheet is a page of ids.
type sheet struct {
	Data          []struct{ ID int }
	TotalMatched  *int64
	SnapshotID    string
	NextPageToken string
	Code          string
}

func (a *api) page(t *testing.T, body string) (int, sheet) {
	t.Helper()
	status, text, _ := a.do(t, "POST", "/api/v1/archives/query", body)
	var s sheet
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return status, s
}

// Pages of a query, however it is ordered, hold every row once, in the order of one answer, with the total on each.
func TestPages(t *testing.T) {
	a := serve(t, querytest.Events(t), query.Options{}, rest.Options{})
	for _, tt := range []struct{ name, request string }{
		{"stable order", `"archivePath":"public/events","columns":["id"],"filterExpression":"id BETWEEN 900 AND 2300 AND grp <> 12"`},
		{"ordered", `"archivePath":"public/events","columns":["id"],"filterExpression":"id BETWEEN 900 AND 2300","orderBy":[{"column":"even","direction":"desc"},{"column":"id"}]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, whole := a.page(t, "{"+tt.request+`,"limit":10000}`)
			if whole.NextPageToken != "" || len(whole.Data) < 1200 {
				t.Fatalf("%d rows, token %q", len(whole.Data), whole.NextPageToken)
			}
			var got []struct{ ID int }
			token, pages := "", 0
			for limit := 100; ; limit += 37 { // the limit may change
				status, p := a.page(t, fmt.Sprintf(`{%s,"limit":%d,"pageToken":%q}`, tt.request, limit, token))
				if status != 200 {
					t.Fatalf("page %d: %d %s", pages, status, p.Code)
				}
				if *p.TotalMatched != int64(len(whole.Data)) {
					t.Errorf("page %d: total %d", pages, *p.TotalMatched)
				}
				got, pages = append(got, p.Data...), pages+1
				if token = p.NextPageToken; token == "" {
					break
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(whole.Data) || pages < 6 {
				t.Errorf("%d pages with %d rows are not the %d rows of one answer", pages, len(got), len(whole.Data))
			}
		})
	}
	// By GET, and in the trailer of a stream.
	res, body := a.get(t, "/api/v1/archives/query?archivePath=public/events&columns=id&format=jsonl&limit=2")
	token := res.Trailer.Get("Archive-Next-Page-Token")
	if string(body) != "{\"id\":0}\n{\"id\":1}\n" || token == "" {
		t.Fatalf("%s %v", body, res.Trailer)
	}
	if _, body := a.get(t, "/api/v1/archives/query?archivePath=public/events&columns=id&format=csv&limit=2&pageToken="+url.QueryEscape(token)); string(body) != "id\r\n2\r\n3\r\n" {
		t.Errorf("the page after: %s", body)
	}
}

// A page after a new archive run is that of the snapshot in which the first one was read.
func TestPagesAcrossAnArchiveRun(t *testing.T) {
	w := querytest.New(t)
	cols := querytest.Columns(querytest.Col("id", coltype.Int64, coltype.WireInt8, "int8"))
	tab := w.Table(t, "public", "t", cols, iceberg.PartitionSpec{})
	add := func(partition string, from, to int) {
		var rows []string
		for id := from; id < to; id++ {
			rows = append(rows, fmt.Sprintf(`{"id":%d}`, id))
		}
		tab.Add(t, partition, querytest.File{Batches: []arrow.RecordBatch{tab.Rows(t, strings.Join(rows, ","))}})
	}
	add("k=b", 100, 200)
	a := serve(t, w, query.Options{}, rest.Options{})
	request := `"archivePath":"public/t","limit":60`
	_, first := a.page(t, "{"+request+"}")
	add("k=a", 0, 100) // it sorts before the first page
	status, second := a.page(t, fmt.Sprintf(`{%s,"pageToken":%q}`, request, first.NextPageToken))
	if status != 200 || len(second.Data) != 40 || second.Data[0].ID != 160 || second.Data[39].ID != 199 || *second.TotalMatched != 100 ||
		second.SnapshotID != first.SnapshotID || second.NextPageToken != "" {
		t.Errorf("%d %+v", status, second)
	}
	_, now := a.page(t, "{"+request+"}")
	if now.Data[0].ID != 0 || *now.TotalMatched != 200 || now.SnapshotID == first.SnapshotID {
		t.Errorf("the new snapshot: %+v", now)
	}
	if _, then := a.page(t, fmt.Sprintf(`{%s,"snapshotId":%q}`, request, first.SnapshotID)); then.Data[0].ID != 100 || *then.TotalMatched != 100 {
		t.Errorf("the first snapshot by its id: %+v", then)
	}
	if status, p := a.page(t, `{`+request+`,"snapshotId":"42"}`); status != 404 || p.Code != "unknown_snapshot" {
		t.Errorf("no snapshot: %d %s", status, p.Code)
	}
}

func TestPageTokensAreRefused(t *testing.T) {
	w := querytest.Events(t)
	key := []byte("a key of more than sixteen bytes")
	a := serve(t, w, query.Options{}, rest.Options{PageKeys: [][]byte{key}})
	_, p := a.page(t, `{"archivePath":"public/events","columns":["id"],"filters":{"id_gt":10},"limit":5}`)
	raw, err := base64.RawURLEncoding.DecodeString(p.NextPageToken)
	if err != nil {
		t.Fatal(err)
	}
	other := func(at int, to byte) string {
		changed := append([]byte(nil), raw...)
		changed[at] = to
		return base64.RawURLEncoding.EncodeToString(changed)
	}
	for _, tt := range []struct {
		name, rest, token string
		status            int
		code              string
	}{
		{"as it was", `"filters":{"id_gt":10},"columns":["id"]`, p.NextPageToken, 200, ""},
		{"another limit and count", `"filters":{"id_gt":10},"columns":["id"],"limit":7,"count":"none"`, p.NextPageToken, 200, ""},
		{"another filter", `"filters":{"id_gt":11},"columns":["id"]`, p.NextPageToken, 400, "foreign_page_token"},
		{"a filter more", `"filters":{"id_gt":10},"columns":["id"],"filterExpression":"id < 100"`, p.NextPageToken, 400, "foreign_page_token"},
		{"other columns", `"filters":{"id_gt":10}`, p.NextPageToken, 400, "foreign_page_token"},
		{"an order", `"filters":{"id_gt":10},"columns":["id"],"orderBy":[{"column":"id"}]`, p.NextPageToken, 400, "foreign_page_token"},
		{"with an offset", `"filters":{"id_gt":10},"columns":["id"],"offset":3`, p.NextPageToken, 400, "bad_offset"},
		{"altered signature", `"filters":{"id_gt":10},"columns":["id"]`, other(0, raw[0]^1), 400, "bad_page_token"},
		{"altered binding", `"filters":{"id_gt":10},"columns":["id"]`, other(40, raw[40]^1), 400, "bad_page_token"},
		{"altered position", `"filters":{"id_gt":10},"columns":["id"]`, other(len(raw)-3, '9'), 400, "bad_page_token"},
		{"cut", `"filters":{"id_gt":10},"columns":["id"]`, p.NextPageToken[:60], 400, "bad_page_token"},
		{"no base64", `"filters":{"id_gt":10},"columns":["id"]`, "???", 400, "bad_page_token"},
		{"padded", `"filters":{"id_gt":10},"columns":["id"]`, p.NextPageToken + "=", 400, "bad_page_token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, got := a.page(t, fmt.Sprintf(`{"archivePath":"public/events",%s,"pageToken":%q}`, tt.rest, tt.token))
			if status != tt.status || got.Code != tt.code {
				t.Errorf("%d %s", status, got.Code)
			}
		})
	}

	// A server with a new key takes tokens of the old one as long as it has both; one with another key does not.
	body := fmt.Sprintf(`{"archivePath":"public/events","columns":["id"],"filters":{"id_gt":10},"pageToken":%q}`, p.NextPageToken)
	for name, keys := range map[string][][]byte{"rotated": {[]byte("the next key, also long enough"), key}, "gone": {[]byte("the next key, also long enough")}, "random": nil} {
		status, got := serve(t, w, query.Options{}, rest.Options{PageKeys: keys}).page(t, body)
		if name == "rotated" && (status != 200 || got.Data[0].ID != 16) || name != "rotated" && (status != http.StatusBadRequest || got.Code != "bad_page_token") {
			t.Errorf("%s: %d %s", name, status, got.Code)
		}
	}
}
