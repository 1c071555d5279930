package query

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/parquetio"
	"frostline/query/querytest"
)

// A panic over damaged data, in whichever goroutine of a scan, is an error of this query alone.
func TestPanicsFailTheQuery(t *testing.T) {
	w := querytest.Events(t)
	e := New(w.Catalog, w.Store, Options{Workers: 2})
	r := Request{Path: w.Store.Root() + "/public/events", Expression: "even IS NOT NULL", Limit: 5000}
	broken := func(is bool) bool {
		if is {
			panic("damaged")
		}
		return false
	}
	for name, h := range map[string]hooks{
		"choosing files":      {useless: func(u unit) bool { return broken(u.file == nil) }},
		"choosing row groups": {useless: func(u unit) bool { return broken(u.file != nil) }},
		"arranging":           {arrange: func(*opening) []int { panic("damaged") }},
		"taking rows":         {take: func(context.Context, unit, int, []parquetio.RowRange, arrow.RecordBatch) error { panic("damaged") }},
	} {
		for range 3 {
			_, err := e.run(context.Background(), r, func(ctx context.Context, q *query) (*Result, error) {
				s := e.newScan(q.plan, q.req, q.memory)
				s.hooks = h
				_, err := s.run(ctx)
				return &Result{}, err
			})
			var qe *Error
			if !errors.As(err, &qe) || qe.Code != Internal || qe.Err == nil || !strings.Contains(qe.Err.Error(), "panic: damaged") {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	if u := e.Usage(); u != (Usage{}) {
		t.Errorf("%+v is held", u)
	}
}
