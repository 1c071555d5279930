package rest_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"frostline/query"
	"frostline/query/querytest"
	"frostline/rest"
)

// A page token and a long query belong to their caller.
func TestCallersAreApart(t *testing.T) {
	w := querytest.Events(t)
	a := serve(t, w, query.Options{}, rest.Options{Long: rest.LongOptions{Folder: results(w)}, Identify: func(r *http.Request) (rest.Caller, error) {
		who := r.Header.Get("X-Who")
		if who == "" {
			return rest.Caller{}, &query.Error{Code: query.NotFound, Reason: "nobody", Field: "X-Who", Msg: "say who you are"}
		}
		if who == "broken" {
			return rest.Caller{}, errors.New("no answer")
		}
		return rest.Caller{ID: who}, nil
	}})
	as := func(who, method, path, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(method, a.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Who", who)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, text(t, res)
	}
	if status, body := as("", "GET", "/api/v1/archives/query?wrong=1", ""); status != 404 || !strings.Contains(body, `"code":"nobody"`) {
		t.Errorf("nobody: %d %s", status, body)
	}
	if status, body := as("broken", "GET", "/api/v1/archives/tables", ""); status != 500 || strings.Contains(body, "no answer") {
		t.Errorf("broken: %d %s", status, body)
	}
	ask := func(token string) string {
		return fmt.Sprintf(`{"archivePath":"public/events","columns":["id"],"limit":1,"pageToken":%q}`, token)
	}
	_, body := as("ada", "POST", "/api/v1/archives/query", ask(""))
	token := member(t, body, "nextPageToken")
	if status, body := as("bob", "POST", "/api/v1/archives/query", ask(token)); status != 400 || member(t, body, "code") != "foreign_page_token" {
		t.Errorf("bob with ada's token: %d %s", status, body)
	}
	if status, body := as("ada", "POST", "/api/v1/archives/query", ask(token)); status != 200 || rows(t, body) != `[{"id":1}]` {
		t.Errorf("ada: %d %s", status, body)
	}

	_, body = as("ada", "POST", queries, `{"archivePath":"public/events","clientToken":"one"}`)
	id := member(t, body, "id")
	for _, r := range [][2]string{{"GET", ""}, {"GET", "/results"}, {"GET", "/download"}, {"POST", "/cancel"}, {"DELETE", ""}} {
		if status, body := as("bob", r[0], queries+"/"+id+r[1], ""); status != 404 || member(t, body, "code") != "unknown_query" {
			t.Errorf("bob, %s %s: %d %s", r[0], r[1], status, body)
		}
	}
	if _, body := as("bob", "GET", queries, ""); body != `{"queries":[]}`+"\n" {
		t.Errorf("bob's queries: %s", body)
	}
	status, body := as("bob", "POST", queries, `{"archivePath":"public/events","clientToken":"one"}`)
	bobs := member(t, body, "id")
	if status != 202 || bobs == id {
		t.Errorf("bob's clientToken: %d %s", status, body)
	}
	for who, id := range map[string]string{"ada": id, "bob": bobs} { // they write into the folder that goes with the test
		for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
			if _, body := as(who, "GET", queries+"/"+id, ""); member(t, body, "state") == "SUCCEEDED" {
				break
			} else if time.Since(start) > 20*time.Second {
				t.Fatal(body)
			}
		}
	}
	if status, body := as("ada", "GET", queries+"/"+id, ""); status != 200 || member(t, body, "id") != id {
		t.Errorf("ada: %d %s", status, body)
	}
}
