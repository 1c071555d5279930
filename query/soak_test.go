package query_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
	"frostline/query"
	"frostline/query/querytest"
)

// resident is the memory of this process, 0 where the system does not say.
func resident() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	kib, _ := strconv.ParseInt(strings.Fields(after + " 0")[0], 10, 64)
	return kib << 10
}

// soakQueries are what the clients of the soak test ask.
func soakQueries(r *rand.Rand, table string, rows int64) query.Request {
	id := r.Int64N(rows)
	q := query.Request{Path: table, Limit: 100}
	switch r.IntN(10) {
	case 0:
		q.Expression = fmt.Sprintf("id = %d", id)
	case 1:
		q.Expression = fmt.Sprintf("id >= %d AND id < %d", id, id+5000)
		q.Limit = 5000
	case 2:
		q.Expression, q.Count = fmt.Sprintf("note LIKE '%%%c%c%c%%'", 'a'+r.IntN(26), 'a'+r.IntN(26), 'a'+r.IntN(26)), query.CountNone
	case 3:
		q.GroupBy, q.Aggregates = []string{"grp"}, []query.Aggregate{{Func: "count"}, {Func: "sum", Column: "amount"}, {Func: "max", Column: "note"}}
		q.OrderBy = []query.Order{{Column: "sum_amount", Desc: true}}
	case 4:
		q.Aggregates = []query.Aggregate{{Func: "avg", Column: "amount"}, {Func: "count", Column: "grp", Distinct: true}}
		q.Expression = fmt.Sprintf("grp < %d", r.IntN(1000))
	case 5:
		q.OrderBy, q.Offset = []query.Order{{Column: "note"}, {Column: "id", Desc: true}}, int64(r.IntN(1000))
	case 6:
		q.Limit = 50_000
	case 7:
		q.Columns, q.Limit, q.Expression = []string{"id", "amount"}, 20_000, fmt.Sprintf("amount > %d", r.IntN(10_000_000))
	case 8: // refused for its groups, or answered when alone
		q.GroupBy, q.Aggregates = []string{"note"}, []query.Aggregate{{Func: "count"}}
	default:
		q.Aggregates = []query.Aggregate{{Func: "count"}, {Func: "min", Column: "id"}}
	}
	return q
}

// TestSoak: 200 clients ask mixed queries, cancel some and stream some, in 1 GiB: nothing but refusals goes wrong, and nothing is held in the
// end. FROSTLINE_SOAK says for how long, 2 s otherwise and over a smaller table.
func TestSoak(t *testing.T) {
	const clients, limit = 200, 1 << 30
	length, each := 2*time.Second, 40_000
	if s := os.Getenv("FROSTLINE_SOAK"); s != "" {
		var err error
		if length, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
		each = 500_000
	}
	const files = 4
	w := querytest.New(t)
	querytest.Big(t, w, files, each)
	table := w.Store.Root() + "/public/big"
	debug.FreeOSMemory()
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(limit * 3 / 4)) // room for what is no heap, as --memory of the commands leaves it
	e := engine(w, query.Options{Queries: 16, Queue: clients, MemoryBytes: 256 << 20, QueryBytes: 96 << 20, MaxResultBytes: 64 << 20, CacheBytes: 32 << 20, BloomBytes: 16 << 20})

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var mu sync.Mutex
	outcome := map[string]int{}
	var rows, peak int64
	note := func(what string, n int64) {
		mu.Lock()
		defer mu.Unlock()
		outcome[what]++
		rows += n
	}
	var work sync.WaitGroup
	for c := range clients {
		work.Go(func() {
			r := rand.New(rand.NewPCG(uint64(c), 7))
			for ctx.Err() == nil {
				one, cancel := context.WithCancel(ctx) // the end cancels what is under way
				cancels := r.IntN(10) == 0
				if cancels {
					time.AfterFunc(time.Duration(r.IntN(30))*time.Millisecond, cancel)
				}
				q := soakQueries(r, table, int64(files*each))
				var res *query.Result
				var err error
				if r.IntN(4) == 0 {
					res, err = e.Stream(one, q, func([]coltype.Column, int64) error { return nil }, func(arrow.RecordBatch) error { return nil })
				} else {
					res, err = e.Query(one, q)
				}
				cancel()
				var qe *query.Error
				_ = errors.As(err, &qe)
				switch {
				case err == nil:
					note("answered", res.Rows)
					res.Release()
				case cancels && qe != nil && qe.Code == query.Canceled, ctx.Err() != nil && qe != nil && (qe.Code == query.Timeout || qe.Code == query.Canceled):
					note("cancelled", 0)
				case qe != nil && (qe.Code == query.Busy || qe.Code == query.TooLarge):
					note(string(qe.Code), 0)
				default:
					t.Errorf("%+v: %v", q, err)
				}
			}
		})
	}
	work.Go(func() {
		enough := func() bool { // also on a machine that does much else
			mu.Lock()
			defer mu.Unlock()
			return outcome["answered"] >= 20 && outcome["cancelled"] > 0
		}
		for start := time.Now(); time.Since(start) < length || !enough() && time.Since(start) < time.Minute; time.Sleep(20 * time.Millisecond) {
			peak = max(peak, resident())
		}
		stop()
	})
	work.Wait()
	freed(t, e)
	t.Logf("%d clients for %s: %v, %d rows, at most %d MiB resident", clients, length, outcome, rows, peak>>20)
	if outcome["answered"] == 0 || outcome["cancelled"] == 0 {
		t.Errorf("too little happened: %v", outcome)
	}
	if peak > limit && !raced {
		t.Errorf("%d MiB were resident, more than 1 GiB", peak>>20)
	}
}
