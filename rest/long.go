package rest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"frostline/query"
	"frostline/rest/api"
)

// Folder keeps the states and results of long queries. All methods may be called at once.
type Folder interface {
	// Put writes a whole file, or nothing that can be seen.
	Put(ctx context.Context, name string, r io.Reader) error
	// Get opens a file; fs.ErrNotExist where there is none.
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	// List yields the names that begin with prefix.
	List(ctx context.Context, prefix string) iter.Seq2[string, error]
	// Delete removes files; one that is not there is no error.
	Delete(ctx context.Context, names ...string) error
}

// LongOptions are about long queries; zero fields take the defaults.
type LongOptions struct {
	Folder      Folder        // nil: there are none
	Engine      Engine        // what runs them; nil is the server's, whose time limit and memory they then share
	Instance    string        // tells servers apart that share a folder: each ends what it left running itself
	Running     int           // at once; default 2
	Queued      int           // that wait; more are refused; default 100
	Timeout     time.Duration // of the execution of one; default 300 s. The engine's own limit holds too, and is to be longer
	Retention   time.Duration // of a result after its end; default 24 h
	ResultBytes int64         // of one result, as JSON Lines; default 1 GiB
	Kept        int           // queries kept with their results; the oldest that ended goes first; default 1000
}

func (o LongOptions) withDefaults() LongOptions {
	def := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	def(&o.Running, 2)
	def(&o.Queued, 100)
	def(&o.Kept, 1000)
	if o.Timeout <= 0 {
		o.Timeout = 300 * time.Second
	}
	if o.Retention <= 0 {
		o.Retention = 24 * time.Hour
	}
	if o.ResultBytes <= 0 {
		o.ResultBytes = 1 << 30
	}
	return o
}

// longState is the file state.json of a query. It has no values of filters.
type longState struct {
	Version     int             `json:"version"` // 1
	Query       api.LongQuery   `json:"query"`
	Caller      string          `json:"caller"`
	Principal   string          `json:"principal,omitempty"`
	Instance    string          `json:"instance"`
	RequestHash []byte          `json:"requestHash"` // to know a clientToken that is used for another request
	Timeout     time.Duration   `json:"timeoutNs"`
	Schema      json.RawMessage `json:"schema,omitempty"` // columns and types, in order
	Parts       []longPart      `json:"parts,omitempty"`
}

// longPart is one file of a result.
type longPart struct {
	Rows  int64 `json:"rows"`
	Bytes int64 `json:"bytes"` // as JSON Lines
}

func (s *longState) ended() bool {
	return s.Query.State != api.StateQUEUED && s.Query.State != api.StateRUNNING
}

func stateName(id string) string { return id + "/state.json" }

func partName(id string, n int) string { return fmt.Sprintf("%s/part-%05d.jsonl.zst", id, n) }

// longQuery is a query of this process, or one that had ended when the process began.
type longQuery struct {
	state     longState // under longQueries.mu
	request   query.Request
	strings   bool
	rights    *query.Rights // of the caller when he submitted it
	cancel    context.CancelFunc
	cancelled bool          // by its caller
	done      chan struct{} // closed when it has ended and its state is kept
}

// longQueries runs and keeps long queries.
type longQueries struct {
	opt    LongOptions
	engine Engine
	log    *slog.Logger
	// observe counts what the engine has answered.
	observe func(res *query.Result, err error, took, sending time.Duration)
	ctx     context.Context // of what runs
	stop    context.CancelFunc
	slots   chan struct{}
	tracer  trace.Tracer

	mu       sync.Mutex
	loaded   bool
	draining bool // none is accepted any more
	byID     map[string]*longQuery
}

func newLongQueries(o LongOptions, engine Engine, log *slog.Logger) *longQueries {
	if o.Engine != nil {
		engine = o.Engine
	}
	l := &longQueries{opt: o.withDefaults(), engine: engine, log: log, byID: map[string]*longQuery{}}
	l.ctx, l.stop = context.WithCancel(context.Background())
	l.slots = make(chan struct{}, l.opt.Running)
	return l
}

const (
	conflict      query.Code = "conflict"
	notConfigured query.Code = "not_configured"
)

func unknownQuery(id string) error {
	return &query.Error{Code: query.NotFound, Reason: "unknown_query", Field: "id", Msg: fmt.Sprintf("there is no query %s", id),
		Hint: "GET /api/v1/archives/queries lists yours; results are removed when they expire"}
}

// load reads, once, what an earlier process has kept, and ends what it left running.
func (l *longQueries) load(ctx context.Context) error {
	if l.opt.Folder == nil {
		return &query.Error{Code: notConfigured, Msg: "this server has no folder for long queries"}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.loaded {
		return nil
	}
	states := map[string]bool{} // by id: it has a state
	for name, err := range l.opt.Folder.List(ctx, "") {
		if err != nil {
			return l.unreachable(err)
		}
		if id, file, ok := strings.Cut(name, "/"); ok && isID(id) {
			states[id] = states[id] || file == "state.json"
		}
	}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for id, has := range states {
		g.Go(func() error {
			if !has { // of a query that was being removed
				return l.remove(gctx, id)
			}
			st, err := l.read(gctx, id)
			if err != nil || st == nil {
				return err
			}
			lost := time.Since(st.Query.SubmittedAt) > st.Timeout+l.opt.Retention // of a server that did not come back
			if !st.ended() && (st.Instance == l.opt.Instance || lost) {
				st.end(api.StateFAILED, asProblem(&query.Error{Code: query.Internal, Reason: "server_stopped", Msg: "the server was stopped while the query was " +
					strings.ToLower(string(st.Query.State)), Hint: "submit it again"}), l.opt.Retention)
				if err := l.keep(gctx, st); err != nil {
					return err
				}
			}
			if st.ended() {
				q := &longQuery{state: *st, done: make(chan struct{})}
				close(q.done)
				mu.Lock()
				l.byID[id] = q
				mu.Unlock()
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return l.unreachable(err)
	}
	l.loaded = true
	go l.expire()
	return nil
}

func (l *longQueries) unreachable(err error) error {
	return &query.Error{Code: query.Unreachable, Msg: "the folder of long queries cannot be reached", Err: err}
}

// isID reports whether s is an id of a query.
func isID(s string) bool {
	raw, err := hex.DecodeString(s)
	return err == nil && len(raw) == 16 && strings.ToLower(s) == s
}

func newID() string {
	raw := make([]byte, 16)
	_, _ = rand.Read(raw) // it never fails
	return hex.EncodeToString(raw)
}

// read reads a state; nil when there is none or it cannot be understood.
func (l *longQueries) read(ctx context.Context, id string) (*longState, error) {
	r, err := l.opt.Folder.Get(ctx, stateName(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, 16<<20))
	if err != nil {
		return nil, err
	}
	st := &longState{}
	if err := json.Unmarshal(data, st); err != nil || st.Version != 1 || st.Query.Id != id {
		l.log.Warn("state of a long query not understood", "id", id)
		return nil, nil
	}
	return st, nil
}

// keep writes a state.
func (l *longQueries) keep(ctx context.Context, st *longState) error {
	data, err := json.Marshal(st)
	if err != nil {
		return err
	}
	return l.opt.Folder.Put(ctx, stateName(st.Query.Id), strings.NewReader(string(data)))
}

// remove removes what is kept of a query, its state first.
func (l *longQueries) remove(ctx context.Context, id string) error {
	names := []string{stateName(id)}
	for name, err := range l.opt.Folder.List(ctx, id+"/") {
		if err != nil {
			return err
		}
		if name != names[0] {
			names = append(names, name)
		}
	}
	if err := l.opt.Folder.Delete(ctx, names[0]); err != nil {
		return err
	}
	return l.opt.Folder.Delete(ctx, names[1:]...)
}

// find is the query id of a caller. One that another server runs, or has run since this one began, is read from the folder.
func (l *longQueries) find(ctx context.Context, who Caller, id string) (*longQuery, error) {
	if err := l.load(ctx); err != nil {
		return nil, err
	}
	l.mu.Lock()
	q := l.byID[id]
	l.mu.Unlock()
	if q == nil {
		st, err := l.read(ctx, id)
		if err != nil {
			return nil, l.unreachable(err)
		}
		if st == nil || st.ended() && time.Now().After(st.Query.ExpiresAt) {
			return nil, unknownQuery(id)
		}
		q = &longQuery{state: *st, done: make(chan struct{})}
		close(q.done)
	}
	if q.state.Caller != who.scope() { // Caller never changes
		return nil, unknownQuery(id)
	}
	return q, nil
}

// snapshot is the state of q now.
func (l *longQueries) snapshot(q *longQuery) longState {
	l.mu.Lock()
	defer l.mu.Unlock()
	st := q.state
	now := time.Now()
	if !st.ended() {
		timing(&st.Query, now)
	}
	return st
}

// list is the queries of a caller, the newest first.
func (l *longQueries) list(ctx context.Context, who Caller, state api.State) ([]api.LongQuery, error) {
	if err := l.load(ctx); err != nil {
		return nil, err
	}
	l.mu.Lock()
	var mine []*longQuery
	for _, q := range l.byID {
		if q.state.Caller == who.scope() && (state == "" || q.state.Query.State == state) {
			mine = append(mine, q)
		}
	}
	l.mu.Unlock()
	out := []api.LongQuery{}
	for _, q := range mine {
		out = append(out, l.snapshot(q).Query)
	}
	slices.SortFunc(out, func(a, b api.LongQuery) int {
		if c := b.SubmittedAt.Compare(a.SubmittedAt); c != 0 {
			return c
		}
		return strings.Compare(a.Id, b.Id)
	})
	return out, nil
}

// cancelQuery ends q where it still waits or runs, and waits until it has.
func (l *longQueries) cancelQuery(ctx context.Context, q *longQuery) error {
	l.mu.Lock()
	if q.cancel == nil && !q.state.ended() {
		l.mu.Unlock()
		return &query.Error{Code: conflict, Reason: "other_server", Field: "id", Msg: "the query runs on another server", Hint: "cancel it there"}
	}
	if !q.state.ended() {
		q.cancelled = true
		q.cancel()
	}
	l.mu.Unlock()
	select {
	case <-q.done:
		return nil
	case <-ctx.Done():
		return &query.Error{Code: query.Canceled, Msg: "cancelled by the caller"}
	}
}

// forget removes q, which has ended.
func (l *longQueries) forget(ctx context.Context, id string) error {
	l.mu.Lock()
	delete(l.byID, id)
	l.mu.Unlock()
	if err := l.remove(ctx, id); err != nil {
		return l.unreachable(err)
	}
	return nil
}

// close ends what runs and waits, and waits until that is kept.
func (l *longQueries) close() {
	l.stop()
	l.mu.Lock()
	var running []*longQuery
	for _, q := range l.byID {
		running = append(running, q)
	}
	l.mu.Unlock()
	for _, q := range running {
		<-q.done
	}
}

// drain accepts no query any more and waits for those that there are, at most until ctx ends.
func (l *longQueries) drain(ctx context.Context) {
	l.mu.Lock()
	l.draining = true
	var running []*longQuery
	for _, q := range l.byID {
		running = append(running, q)
	}
	l.mu.Unlock()
	for _, q := range running {
		select {
		case <-q.done:
		case <-ctx.Done():
			return
		}
	}
}

// expire removes results when their time is over, until the server stops.
func (l *longQueries) expire() {
	for tick := time.NewTicker(min(l.opt.Retention/4+time.Millisecond, 5*time.Minute)); ; {
		select {
		case <-l.ctx.Done():
			tick.Stop()
			return
		case now := <-tick.C:
			l.sweep(now, 0)
		}
	}
}

// sweep removes what has expired, and the oldest that ended while more than Kept-room are there.
func (l *longQueries) sweep(now time.Time, room int) {
	l.mu.Lock()
	var ended []*longQuery
	for _, q := range l.byID {
		select {
		case <-q.done:
			ended = append(ended, q)
		default:
		}
	}
	slices.SortFunc(ended, func(a, b *longQuery) int { return a.state.Query.EndedAt.Compare(b.state.Query.EndedAt) })
	over := len(l.byID) + room - l.opt.Kept
	var gone []string
	for _, q := range ended {
		if over > 0 || now.After(q.state.Query.ExpiresAt) {
			over--
			gone = append(gone, q.state.Query.Id)
			delete(l.byID, q.state.Query.Id)
		}
	}
	l.mu.Unlock()
	for _, id := range gone {
		ctx, cancel := context.WithTimeout(l.ctx, time.Minute)
		if err := l.remove(ctx, id); err != nil {
			l.log.Warn("result of a long query not removed", "id", id, "error", err)
		}
		cancel()
	}
}
