package rest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"frostline/internal/restio"
	"frostline/query/querytest"
)

// results is where queryd keeps results of long queries of a warehouse.
func results(w *querytest.Warehouse) restio.Folder {
	return restio.Folder{Store: w.Store, Prefix: restio.Warehouse}
}

// newClient stands for a server at url that the test has started by itself.
func newClient(url string) *httptest.Server { return &httptest.Server{URL: url} }

// text is the body of an answer.
func text(t *testing.T, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// member is a string of a JSON object.
func member(t *testing.T, object, name string) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(object), &m); err != nil {
		t.Fatalf("%v: %s", err, object)
	}
	s, _ := m[name].(string)
	if s == "" {
		t.Fatalf("no %s in %s", name, object)
	}
	return s
}
