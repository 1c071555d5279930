package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"frostline/coltype"
	"frostline/query"
	"frostline/rest/api"
)

// submission is a long query as a caller asked for it.
type submission struct {
	caller      Caller
	request     query.Request
	strings     bool
	timeout     time.Duration // 0 is the server's
	clientToken string        // "" without
	hash        []byte        // of the whole request
}

// submit accepts a query and lets it run when there is a slot.
func (l *longQueries) submit(ctx context.Context, s submission) (api.LongQuery, error) {
	if err := l.load(ctx); err != nil {
		return api.LongQuery{}, err
	}
	timeout := l.opt.Timeout
	if s.timeout > timeout {
		return api.LongQuery{}, bad("bad_timeout", "timeoutSeconds", "", "timeoutSeconds %.0f is above the largest allowed, %.0f", s.timeout.Seconds(), timeout.Seconds())
	}
	if s.timeout > 0 {
		timeout = s.timeout
	}
	l.sweep(time.Now(), 1)
	q := &longQuery{request: s.request, strings: s.strings, rights: s.caller.Rights, done: make(chan struct{})}
	q.state = longState{Version: 1, Caller: s.caller.scope(), Principal: s.caller.Principal, Instance: l.opt.Instance, RequestHash: s.hash, Timeout: timeout,
		Query: api.LongQuery{Id: newID(), State: api.StateQUEUED, SubmittedAt: time.Now().UTC(), ArchivePath: s.request.Path, ClientToken: s.clientToken,
			Statistics: api.QueryStatistics{Engine: "local"}}}
	run, cancel := context.WithCancel(l.ctx)
	q.cancel = cancel

	same, err := l.enter(q, s)
	if err != nil || same != nil {
		cancel()
		if same != nil {
			return l.snapshot(same).Query, nil
		}
		return api.LongQuery{}, err
	}
	st := l.snapshot(q)
	if err := l.keep(ctx, &st); err != nil {
		cancel()
		l.mu.Lock()
		delete(l.byID, st.Query.Id)
		l.mu.Unlock()
		close(q.done)
		return api.LongQuery{}, l.unreachable(err)
	}
	go func() {
		defer close(q.done)
		defer cancel()
		l.run(run, q)
	}()
	return st.Query, nil
}

// enter puts q among the queries, or gives the one that has its clientToken already.
func (l *longQueries) enter(q *longQuery, s submission) (same *longQuery, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	queued, mine := 0, 0
	for _, have := range l.byID {
		if have.state.Query.State == api.StateQUEUED {
			queued++
		}
		if !have.state.ended() && have.state.Principal == s.caller.Principal {
			mine++
		}
		if s.clientToken == "" || have.state.Query.ClientToken != s.clientToken || have.state.Caller != s.caller.scope() {
			continue
		}
		if !bytes.Equal(have.state.RequestHash, s.hash) {
			return nil, &query.Error{Code: conflict, Reason: "client_token_reused", Field: "clientToken",
				Msg: "clientToken was used for another request", Hint: "take a new one"}
		}
		return have, nil
	}
	if l.draining {
		return nil, &query.Error{Code: query.Busy, Reason: draining, Msg: "the server is being stopped", Hint: "submit it again", RetryAfter: 10 * time.Second}
	}
	if most := s.caller.allowance.long(); most > 0 && mine >= most {
		return nil, &query.Error{Code: throttled, Reason: "too_many_long_queries", Msg: fmt.Sprintf("%d long queries of this caller wait or run already", mine),
			Hint: "wait for one of them to end, or cancel it", RetryAfter: 10 * time.Second}
	}
	if l.ctx.Err() != nil || queued >= l.opt.Queued || len(l.byID) >= l.opt.Kept {
		return nil, &query.Error{Code: query.Busy, Msg: fmt.Sprintf("%d long queries wait already", queued), Hint: "submit it again later", RetryAfter: 10 * time.Second}
	}
	l.byID[q.state.Query.Id] = q
	return nil, nil
}

// run waits for a slot, runs q and keeps how it ended.
func (l *longQueries) run(ctx context.Context, q *longQuery) {
	var err error
	var res *query.Result
	select {
	case l.slots <- struct{}{}:
		res, err = l.execute(ctx, q)
		<-l.slots
	case <-ctx.Done():
		err = ctx.Err()
	}
	l.mu.Lock()
	st, cancelled := q.state, q.cancelled
	l.mu.Unlock()
	if res != nil {
		st.Query.SnapshotId = id(res.Snapshot)
		st.Query.ArchivePath = res.Path
		s := &st.Query.Statistics
		s.BytesScanned, s.RowsScanned, s.CostUsd = res.Pruning.BytesRead, res.Scanned, res.Cost
	}
	switch {
	case err == nil:
		st.end(api.StateSUCCEEDED, problem{}, l.opt.Retention)
	case cancelled:
		st.end(api.StateCANCELLED, problem{}, l.opt.Retention)
	case l.ctx.Err() != nil:
		st.end(api.StateFAILED, asProblem(&query.Error{Code: query.Internal, Reason: "server_stopped", Msg: "the server was stopped before the query had ended",
			Hint: "submit it again"}), l.opt.Retention)
	default:
		st.end(api.StateFAILED, asProblem(err), l.opt.Retention)
	}
	if err != nil {
		st.Parts, st.Schema = nil, nil
	}
	if p := st.Query.Error; p.Status >= 500 {
		l.log.Error("long query failed", "id", st.Query.Id, "error", err)
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err := l.keep(end, &st); err != nil {
		l.log.Error("state of a long query not kept", "id", st.Query.Id, "error", err)
	}
	l.mu.Lock()
	q.state = st // told when it is kept: what a caller has seen, a restart does not take back
	l.mu.Unlock()
}

// end is the last change of a state.
func (s *longState) end(state api.State, why problem, retention time.Duration) {
	now := time.Now().UTC()
	s.Query.State, s.Query.Error, s.Query.EndedAt, s.Query.ExpiresAt = state, why, now, now.Add(retention)
	timing(&s.Query, now)
}

// timing sets the times of q as of now, its end.
func timing(q *api.LongQuery, now time.Time) {
	ms := func(d time.Duration) float64 { return float64(max(d, 0).Microseconds()) / 1000 }
	s := &q.Statistics
	s.TotalTimeMs = ms(now.Sub(q.SubmittedAt))
	if q.StartedAt.IsZero() {
		s.QueueTimeMs = s.TotalTimeMs
		return
	}
	s.QueueTimeMs, s.ExecutionTimeMs = ms(q.StartedAt.Sub(q.SubmittedAt)), ms(now.Sub(q.StartedAt))
}

// execute runs q and writes its result.
func (l *longQueries) execute(ctx context.Context, q *longQuery) (*query.Result, error) {
	l.mu.Lock()
	q.state.Query.State, q.state.Query.StartedAt = api.StateRUNNING, time.Now().UTC()
	st := q.state
	l.mu.Unlock()
	if err := l.keep(ctx, &st); err != nil {
		return nil, l.unreachable(err)
	}
	timed, cancel := context.WithTimeout(ctx, st.Timeout)
	if q.rights != nil {
		timed = query.WithRights(timed, q.rights)
	}
	defer cancel()
	timed, span := l.tracer.Start(timed, "long query", trace.WithAttributes(attribute.String("archive.query.id", st.Query.Id)))
	defer span.End()
	w := &resultWriter{ctx: timed, folder: l.opt.Folder, id: st.Query.Id, limit: l.opt.ResultBytes}
	var rows *lines
	begun := time.Now()
	res, err := l.engine.Stream(timed, q.request, func(cols []coltype.Column, _ int64) error {
		o, err := newObjects(cols, q.strings)
		if err != nil {
			return err
		}
		rows = &lines{objects: o, w: w}
		l.mu.Lock()
		q.state.Schema = o.appendSchema(nil)
		l.mu.Unlock()
		return nil
	}, func(b arrow.RecordBatch) error { return rows.write(b) })
	l.observe(res, err, time.Since(begun), 0)
	conceal(res)
	if err == nil {
		defer res.Release()
		err = w.close()
	}
	switch {
	case err != nil && ctx.Err() == nil && errors.Is(timed.Err(), context.DeadlineExceeded):
		err = &query.Error{Code: query.Timeout, Msg: "query " + st.Query.ArchivePath + ": not finished within " + st.Timeout.String(),
			Hint: "filter more, or ask for one partition"}
	case err != nil && w.failed != nil && errors.Is(err, w.failed):
		err = w.failed
	}
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	q.state.Parts = w.parts
	q.state.Query.Statistics.Rows, q.state.Query.Statistics.ResultBytes = res.Rows, w.total
	l.mu.Unlock()
	return res, nil
}

// partBytes is the size of one file of a result, before compression.
const partBytes = 4 << 20

// resultWriter writes lines into the files of a result, each compressed with zstd. Write takes whole lines.
type resultWriter struct {
	ctx    context.Context
	folder Folder
	id     string
	limit  int64
	total  int64
	parts  []longPart
	rows   int64
	buf    []byte
	failed error
}

func (w *resultWriter) Write(line []byte) (int, error) {
	w.total += int64(len(line))
	if w.total > w.limit {
		w.failed = &query.Error{Code: query.TooLarge, Msg: "the result is larger than " + strconv.FormatInt(w.limit, 10) + " bytes",
			Hint: "ask for fewer rows or columns, or for a stream (format jsonl, csv, arrow or parquet), which has no limit"}
		return 0, w.failed
	}
	w.buf = append(w.buf, line...)
	w.rows++
	if len(w.buf) < partBytes {
		return len(line), nil
	}
	return len(line), w.close()
}

// close writes the last part.
func (w *resultWriter) close() error {
	if w.rows == 0 {
		return nil
	}
	var packed bytes.Buffer
	z, err := zstd.NewWriter(&packed, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	if _, err := z.Write(w.buf); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	if err := w.folder.Put(w.ctx, partName(w.id, len(w.parts)), &packed); err != nil {
		w.failed = &query.Error{Code: query.Unreachable, Msg: "the result cannot be written", Err: err}
		return w.failed
	}
	w.parts = append(w.parts, longPart{w.rows, int64(len(w.buf))})
	w.rows, w.buf = 0, w.buf[:0]
	return nil
}
