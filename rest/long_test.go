package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"frostline/objstore"
	"frostline/objstore/faultstore"
	"frostline/query"
	"frostline/query/querytest"
	"frostline/rest"
)

const queries = "/api/v1/archives/queries"

// longState is the state of a long query as the API tells it.
type longState struct {
	ID, State, SnapshotID, Code string
	SubmittedAt, ExpiresAt      time.Time
	Error                       struct{ Code, Detail string }
	Statistics                  struct {
		Engine                                             string
		BytesScanned, RowsScanned, Rows, ResultBytes       int64
		QueueTimeMs, ExecutionTimeMs, TotalTimeMs, CostUsd float64
	}
}

// ask sends a request about long queries.
func (a *api) ask(t *testing.T, method, path, body string) (int, longState) {
	t.Helper()
	status, text, _ := a.do(t, method, queries+path, body)
	var s longState
	if text != "" {
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	return status, s
}

// submit submits a query, which must be accepted.
func (a *api) submit(t *testing.T, body string) string {
	t.Helper()
	status, s := a.ask(t, "POST", "", body)
	if status != 202 || len(s.ID) != 32 {
		t.Fatalf("submit: %d %+v", status, s)
	}
	return s.ID
}

// wait waits until the query is in one of states.
func (a *api) wait(t *testing.T, id string, states ...string) longState {
	t.Helper()
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		status, s := a.ask(t, "GET", "/"+id, "")
		for _, want := range states {
			if s.State == want {
				return s
			}
		}
		if status != 200 || time.Since(start) > 20*time.Second {
			t.Fatalf("%s: %d %+v", id, status, s)
		}
	}
}

// settle waits until no query waits or runs: they write into the folder that goes with the test.
func (a *api) settle(t *testing.T) {
	t.Helper()
	for _, state := range []string{"QUEUED", "RUNNING"} { // none is submitted any more
		for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			if _, text, _ := a.do(t, "GET", queries+"?state="+state, ""); text == `{"queries":[]}`+"\n" {
				break
			} else if time.Since(start) > 30*time.Second {
				t.Fatal(text)
			}
		}
	}
}

const (
	ended   = "SUCCEEDED FAILED CANCELLED"
	allOf   = `{"archivePath":"public/events","columns":["id","name"]`
	slowest = time.Minute
)

// stuck is w's store with data files that are not read before they are asked to.
func stuck(w *querytest.Warehouse) *faultstore.Store {
	return faultstore.Wrap(w.Store, faultstore.Rule{Op: faultstore.ReadRanges, Kind: faultstore.Slow, Delay: slowest})
}

// over serves w with the data in store.
func over(t *testing.T, w *querytest.Warehouse, store objstore.Store, qo query.Options, o rest.LongOptions) *api {
	return serve(t, &querytest.Warehouse{Store: store, Catalog: w.Catalog}, qo, rest.Options{Long: o})
}

func TestLongQuery(t *testing.T) {
	w := querytest.Events(t)
	a := over(t, w, w.Store, query.Options{MaxLimit: 10}, rest.LongOptions{Folder: results(w)})
	status, body, h := a.do(t, "POST", queries, allOf+`,"filters":{"id_gte":10},"clientToken":"mine"}`)
	var first longState
	if err := json.Unmarshal([]byte(body), &first); err != nil || status != 202 || h.Get("Location") != queries+"/"+first.ID || first.State == "" {
		t.Fatalf("%d %s", status, body)
	}
	s := a.wait(t, first.ID, strings.Fields(ended)...)
	st := s.Statistics
	if s.State != "SUCCEEDED" || st.Rows != 5990 || st.Engine != "local" || st.BytesScanned < 1000 || st.RowsScanned < 5990 || st.ResultBytes < 100_000 ||
		st.CostUsd != float64(st.BytesScanned)*5/1e12 || st.TotalTimeMs < st.ExecutionTimeMs || st.ExecutionTimeMs <= 0 || s.SnapshotID == "" ||
		s.ExpiresAt.Sub(s.SubmittedAt) < 24*time.Hour {
		t.Errorf("%+v", s)
	}

	// Pages by token hold every row once, in order.
	next, from, token := 10, 0, ""
	for {
		status, text, _ := a.do(t, "GET", queries+"/"+first.ID+"/results?limit=1999&pageToken="+token, "")
		if token == "" {
			status, text, _ = a.do(t, "GET", queries+"/"+first.ID+"/results?limit=1999", "")
		}
		var p struct {
			Data          []struct{ ID int }
			TotalRows     int64
			Schema        map[string]string
			NextPageToken string
		}
		if err := json.Unmarshal([]byte(text), &p); err != nil || status != 200 {
			t.Fatalf("%d %v", status, err)
		}
		for _, d := range p.Data {
			if d.ID != next {
				t.Fatalf("row %d is %d", next, d.ID)
			}
			next++
		}
		if p.TotalRows != 5990 || p.Schema["name"] != "string" {
			t.Errorf("%d rows of %v", p.TotalRows, p.Schema)
		}
		from++
		if token = p.NextPageToken; token == "" {
			break
		}
	}
	if next != 6000 || from != 3 {
		t.Errorf("%d pages to row %d", from, next)
	}

	// The download is the whole result, as a stream of the same query would be.
	res, download := a.get(t, queries+"/"+first.ID+"/download", "Accept-Encoding", "identity")
	_, stream := a.get(t, "/api/v1/archives/query?archivePath=public/events&columns=id,name&filter=id%3E%3D10&format=jsonl")
	if string(download) != string(stream) || res.Trailer.Get("Archive-Rows") != "5990" || res.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("download of %d bytes, stream of %d; %v", len(download), len(stream), res.Header)
	}

	// The same clientToken does not run it again; with another request it is refused.
	if again := a.submit(t, allOf+`,"filters":{"id_gte":10},"clientToken":"mine"}`); again != first.ID {
		t.Errorf("sent again it is %s", again)
	}
	if status, s := a.ask(t, "POST", "", allOf+`,"filters":{"id_gte":11},"clientToken":"mine"}`); status != 409 || s.Code != "client_token_reused" {
		t.Errorf("%d %+v", status, s)
	}
	// A token of another result is refused.
	other := a.wait(t, a.submit(t, allOf+`,"limit":2000}`), "SUCCEEDED")
	_, text, _ := a.do(t, "GET", queries+"/"+other.ID+"/results", "")
	var p struct{ NextPageToken string }
	if err := json.Unmarshal([]byte(text), &p); err != nil || p.NextPageToken == "" {
		t.Fatal(text)
	}
	if status, s := a.ask(t, "GET", "/"+first.ID+"/results?pageToken="+p.NextPageToken, ""); status != 400 || s.Code != "foreign_page_token" {
		t.Errorf("%d %s", status, s.Code)
	}
	// A result without rows.
	none := a.wait(t, a.submit(t, allOf+`,"filters":{"id":-1}}`), "SUCCEEDED")
	if _, text, _ := a.do(t, "GET", queries+"/"+none.ID+"/results", ""); text != `{"data":[],"totalRows":0,"schema":{"id":"long","name":"string"}}`+"\n" {
		t.Errorf("no rows: %s", text)
	}

	var list struct{ Queries []longState }
	_, text, _ = a.do(t, "GET", queries+"?state=SUCCEEDED", "")
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list.Queries) != 3 || list.Queries[0].ID != none.ID || list.Queries[2].ID != first.ID {
		t.Errorf("list: %s", text)
	}
	// The warehouse's tables are as before, and what is deleted is gone.
	if _, text, _ := a.do(t, "GET", "/api/v1/archives/tables", ""); strings.Count(text, `"table":`) != 1 {
		t.Errorf("tables: %s", text)
	}
	if status, _ := a.ask(t, "DELETE", "/"+first.ID, ""); status != 204 {
		t.Errorf("delete: %d", status)
	}
	if status, s := a.ask(t, "GET", "/"+first.ID, ""); status != 404 || s.Code != "unknown_query" {
		t.Errorf("deleted: %d %+v", status, s)
	}
	for o := range w.Store.List(t.Context(), "_queries/"+first.ID) {
		t.Errorf("left behind: %s", o.Key)
	}
}

func TestLongQueriesFail(t *testing.T) {
	w := querytest.Events(t)
	a := over(t, w, w.Store, query.Options{}, rest.LongOptions{Folder: results(w), ResultBytes: 50_000})
	for _, tt := range []struct{ name, body, code string }{
		{"unknown column", `{"archivePath":"public/events","columns":["nmae"]}`, "unknown_column"},
		{"no table", `{"archivePath":"public/event"}`, "not_found"},
		{"outside", `{"archivePath":"s3://other/x/y"}`, "outside_warehouse"},
		{"too large", allOf + `}`, "result_too_large"},
	} {
		s := a.wait(t, a.submit(t, tt.body), strings.Fields(ended)...)
		if s.State != "FAILED" || s.Error.Code != tt.code || s.Error.Detail == "" {
			t.Errorf("%s: %+v", tt.name, s)
		}
		if status, r := a.ask(t, "GET", "/"+s.ID+"/results", ""); status != 409 || r.Code != "no_result" {
			t.Errorf("%s: result %d %s", tt.name, status, r.Code)
		}
	}
	for _, tt := range []struct{ body, code, field string }{
		{`{}`, "missing_field", "archivePath"},
		{`{"archivePath":"x","timeoutSeconds":301}`, "bad_timeout", "timeoutSeconds"},
		{`{"archivePath":"x","timeoutSeconds":0}`, "bad_timeout", "timeoutSeconds"},
		{`{"archivePath":"x","clientToken":""}`, "bad_client_token", "clientToken"},
		{`{"archivePath":"x","format":"csv"}`, "unknown_field", "format"},
		{`{"archivePath":"x","aggregates":[{"function":"median"}]}`, "field_type", "aggregates[0].function"},
		{`{"archivePath":"x","orderBy":[{}]}`, "missing_field", "orderBy[0].column"},
	} {
		status, text, _ := a.do(t, "POST", queries, tt.body)
		if status != 400 || !strings.Contains(text, `"code":"`+tt.code+`"`) || !strings.Contains(text, `"field":"`+tt.field+`"`) {
			t.Errorf("%s: %d %s", tt.body, status, text)
		}
	}
	if status, s := a.ask(t, "GET", "/0123", ""); status != 400 || s.Code != "query_id" {
		t.Errorf("id: %d %s", status, s.Code)
	}
	off := serve(t, w, query.Options{}, rest.Options{})
	if status, s := off.ask(t, "POST", "", allOf+`}`); status != 501 || s.Code != "not_configured" {
		t.Errorf("without a folder: %d %s", status, s.Code)
	}
}

// What waits and what runs can be cancelled; the queue is bounded; a timeout ends the execution.
func TestLongQueriesWait(t *testing.T) {
	w := querytest.Events(t)
	a := over(t, w, stuck(w), query.Options{}, rest.LongOptions{Folder: results(w), Running: 1, Queued: 2})
	running := a.submit(t, allOf+`}`)
	a.wait(t, running, "RUNNING")
	waiting := a.submit(t, allOf+`}`)
	last := a.submit(t, allOf+`}`)
	if s := a.wait(t, waiting, "QUEUED"); s.Statistics.QueueTimeMs <= 0 || s.Statistics.ExecutionTimeMs != 0 {
		t.Errorf("queued: %+v", s)
	}
	if status, text, h := a.do(t, "POST", queries, allOf+`}`); status != 503 || !strings.Contains(text, `"code":"busy"`) || h.Get("Retry-After") != "10" {
		t.Errorf("a full queue: %d %s", status, text)
	}
	if status, s := a.ask(t, "GET", "/"+running+"/results", ""); status != 409 || s.Code != "not_finished" {
		t.Errorf("result of a running one: %d %s", status, s.Code)
	}
	for _, id := range []string{last, running} {
		start := time.Now()
		if status, s := a.ask(t, "POST", "/"+id+"/cancel", ""); status != 200 || s.State != "CANCELLED" || time.Since(start) > slowest/4 {
			t.Errorf("cancel: %d %+v after %v", status, s, time.Since(start))
		}
	}
	a.wait(t, waiting, "RUNNING") // its turn
	if status, _ := a.ask(t, "DELETE", "/"+waiting, ""); status != 204 {
		t.Errorf("delete of a running one: %d", status)
	}
	if s := a.wait(t, a.submit(t, allOf+`,"timeoutSeconds":1}`), strings.Fields(ended)...); s.State != "FAILED" || s.Error.Code != "timeout" ||
		s.Statistics.ExecutionTimeMs < 900 || s.Statistics.ExecutionTimeMs > 15_000 {
		t.Errorf("timeout: %+v", s)
	}
}

// Results outlive the server; what it left running has failed, with a reason; what expires is removed.
func TestLongQueriesSurviveARestart(t *testing.T) {
	w := querytest.Events(t)
	start := func(store objstore.Store, o rest.LongOptions) (*api, func()) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		o.Folder, o.Instance = results(w), "one"
		s := rest.New(query.New(w.Catalog, store, query.Options{}), rest.Options{Log: slog.New(slog.DiscardHandler), Long: o, Grace: 500 * time.Millisecond,
			PageKeys: [][]byte{[]byte("a key of sixteen")}})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Serve(ctx, l) }()
		a := &api{log: &logged{}}
		a.Server = newClient("http://" + l.Addr().String())
		return a, func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	a, stop := start(w.Store, rest.LongOptions{})
	kept := a.wait(t, a.submit(t, allOf+`}`), "SUCCEEDED")
	_, text, _ := a.do(t, "GET", queries+"/"+kept.ID+"/results?limit=10", "")
	var p struct{ NextPageToken string }
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatal(err)
	}
	stop()

	a, stop = start(stuck(w), rest.LongOptions{Running: 1})
	if s := a.wait(t, kept.ID, "SUCCEEDED"); s.Statistics.Rows != 6000 {
		t.Errorf("kept: %+v", s)
	}
	if _, text, _ := a.do(t, "GET", queries+"/"+kept.ID+"/results?limit=1&pageToken="+p.NextPageToken, ""); !strings.HasPrefix(text, `{"data":[{"id":10,"name":"n0010"}],"totalRows":6000,`) {
		t.Errorf("a page after the restart: %.200s", text)
	}
	cut, waiting := a.submit(t, allOf+`}`), a.submit(t, allOf+`}`)
	a.wait(t, cut, "RUNNING")
	// A state as a killed server leaves it, and two of other servers.
	killed, elsewhere, lost := strings.Repeat("ab", 16), strings.Repeat("cd", 16), strings.Repeat("01", 16)
	for id, instance := range map[string]string{killed: "one", elsewhere: "two", lost: "lost"} {
		at := time.Now().UTC()
		if id == lost { // its server has not come back for long
			at = at.AddDate(0, 0, -2)
		}
		state := fmt.Sprintf(`{"version":1,"query":{"id":%q,"state":"RUNNING","submittedAt":%q,"archivePath":"x","statistics":{}},"caller":"","instance":%q}`,
			id, at.Format(time.RFC3339), instance)
		if _, err := w.Store.Put(t.Context(), "_queries/"+id+"/state.json", strings.NewReader(state)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Store.Put(t.Context(), "_queries/"+strings.Repeat("ef", 16)+"/part-00000.jsonl.zst", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	stop()

	a, stop = start(w.Store, rest.LongOptions{})
	for _, id := range []string{cut, waiting, killed, lost} {
		if s := a.wait(t, id, strings.Fields(ended)...); s.State != "FAILED" || s.Error.Code != "server_stopped" {
			t.Errorf("%s: %+v", id, s)
		}
	}
	if s := a.wait(t, elsewhere, "RUNNING"); s.State != "RUNNING" {
		t.Errorf("another server's: %+v", s)
	}
	if status, s := a.ask(t, "POST", "/"+elsewhere+"/cancel", ""); status != 409 || s.Code != "other_server" {
		t.Errorf("cancel another server's: %d %s", status, s.Code)
	}
	for o := range w.Store.List(t.Context(), "_queries/efef") {
		t.Errorf("left behind: %s", o.Key)
	}
	stop()

	a, stop = start(w.Store, rest.LongOptions{Retention: 2 * time.Second, Kept: 4})
	short := a.wait(t, a.submit(t, allOf+`,"limit":1}`), "SUCCEEDED")
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if status, _ := a.ask(t, "GET", "/"+short.ID, ""); status == 404 {
			break
		}
		if time.Since(begin) > 20*time.Second {
			t.Fatal("it does not expire")
		}
	}
	// Kept is 4: the oldest that had ended made room.
	if status, _ := a.ask(t, "GET", "/"+kept.ID, ""); status != 404 {
		t.Errorf("the oldest of too many: %d", status)
	}
	stop()
}

// unkept is a folder that does not keep that a query has succeeded before it is let to.
type unkept struct {
	rest.Folder
	asked, let chan struct{}
}

func (u unkept) Put(ctx context.Context, name string, r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if strings.Contains(string(text), `"state":"SUCCEEDED"`) {
		close(u.asked)
		<-u.let
	}
	return u.Folder.Put(ctx, name, bytes.NewReader(text))
}

// What a caller is told of the end is kept by then: a server that is killed does not take it back.
func TestLongQueryEndsWhenKept(t *testing.T) {
	w := querytest.Events(t)
	u := unkept{results(w), make(chan struct{}), make(chan struct{})}
	a := over(t, w, w.Store, query.Options{}, rest.LongOptions{Folder: u})
	id := a.submit(t, allOf+`}`)
	<-u.asked
	if status, s := a.ask(t, "GET", "/"+id, ""); status != 200 || s.State != "RUNNING" {
		t.Errorf("before: %d %+v", status, s)
	}
	if status, s := a.ask(t, "GET", "/"+id+"/results", ""); status != 409 || s.Code != "not_finished" {
		t.Errorf("its result before: %d %+v", status, s)
	}
	close(u.let)
	if s := a.wait(t, id, strings.Fields(ended)...); s.State != "SUCCEEDED" || s.Statistics.Rows != 6000 {
		t.Errorf("%+v", s)
	}
}

// A result that is damaged is told as such, never as a shorter one.
func TestLongResultDamaged(t *testing.T) {
	w := querytest.Events(t)
	a := over(t, w, w.Store, query.Options{}, rest.LongOptions{Folder: results(w)})
	s := a.wait(t, a.submit(t, allOf+`}`), "SUCCEEDED")
	key := "_queries/" + s.ID + "/part-00000.jsonl.zst"
	r, _, err := w.Store.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	part, err := io.ReadAll(r)
	r.Close()
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func() error{
		"cut": func() error {
			_, err := w.Store.Put(t.Context(), key, strings.NewReader(string(part[:len(part)/2])))
			return err
		},
		"gone": func() error { return w.Store.Delete(t.Context(), key) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if status, r := a.ask(t, "GET", "/"+s.ID+"/results?limit=10000", ""); status != 500 || r.Code != "unreadable_file" {
			t.Errorf("%s: %d %s", name, status, r.Code)
		}
		res, err := http.Get(a.URL + queries + "/" + s.ID + "/download")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(res.Body); err == nil && res.StatusCode == 200 {
			t.Errorf("%s: half a download looks whole", name)
		}
		res.Body.Close()
	}
}
