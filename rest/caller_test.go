package rest

import (
	"bytes"
	"context"
	"testing"

	"frostline/query"
)

// A token and a long query belong to their caller.
func TestCallersAreApart(t *testing.T) {
	r := query.Request{Path: "public/t"}
	ada, bob := bind(Caller{ID: "ada"}, r), bind(Caller{ID: "bob"}, r)
	if bytes.Equal(ada, bob) || !bytes.Equal(ada, bind(Caller{ID: "ada"}, r)) {
		t.Error("requests of two callers are bound alike")
	}
	keys := newTokens(nil)
	token, err := keys.sign(page{Position: query.Position{Snapshot: 7}}, ada)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.open(token, bob); err != errForeign {
		t.Errorf("bob opens ada's token: %v", err)
	}
	if p, err := keys.open(token, ada); err != nil || p.Snapshot != 7 {
		t.Errorf("ada: %v", err)
	}

	l := &longQueries{byID: map[string]*longQuery{}, loaded: true, opt: LongOptions{Folder: nowhere{}}}
	q := &longQuery{done: make(chan struct{})}
	q.state.Caller, q.state.Query.Id = "ada", "0123456789abcdef0123456789abcdef"
	l.byID[q.state.Query.Id] = q
	if got, err := l.find(context.Background(), Caller{ID: "ada"}, q.state.Query.Id); err != nil || got != q {
		t.Errorf("ada: %v", err)
	}
	for _, id := range []string{"bob", ""} {
		if _, err := l.find(context.Background(), Caller{ID: id}, q.state.Query.Id); asProblem(err).Code != "unknown_query" || asProblem(err).Status != 404 {
			t.Errorf("%q finds ada's query: %v", id, err)
		}
		if list, err := l.list(context.Background(), Caller{ID: id}, ""); err != nil || len(list) != 0 {
			t.Errorf("%q lists %v %v", id, list, err)
		}
	}
}

// nowhere is a folder that is not asked.
type nowhere struct{ Folder }
