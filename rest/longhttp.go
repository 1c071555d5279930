package rest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/labstack/echo/v4"

	"frostline/query"
	"frostline/rest/api"
)

// Submit accepts a long query.
func (h handlers) Submit(c echo.Context) error {
	b, err := decode[api.Submission](c)
	if err != nil {
		return err
	}
	if b.ArchivePath == "" {
		return bad("missing_field", "archivePath", "give an archive path or a table's location", "archivePath is missing")
	}
	note(c.Request().Context(), b.ArchivePath, nil)
	r := request(api.Query{ArchivePath: b.ArchivePath, Columns: b.Columns, Filters: b.Filters, FilterExpression: b.FilterExpression, Offset: b.Offset,
		GroupBy: b.GroupBy, Aggregates: b.Aggregates, OrderBy: b.OrderBy})
	r.Limit, r.Count = -1, query.CountNone
	if b.Limit != nil {
		r.Limit = *b.Limit
	}
	if r.Snapshot, err = snapshot(b.SnapshotId); err != nil {
		return err
	}
	whole, err := json.Marshal(struct {
		Bound   []byte
		Limit   int64
		Offset  int64
		Numbers api.Numbers
		Timeout int64
	}{bind(callerOf(c), r), r.Limit, r.Offset, b.Numbers, b.TimeoutSeconds})
	if err != nil {
		return err
	}
	if b.TimeoutSeconds > int64(h.long.opt.Timeout/time.Second) {
		return bad("bad_timeout", "timeoutSeconds", "", "timeoutSeconds %d is above the largest allowed, %.0f", b.TimeoutSeconds, h.long.opt.Timeout.Seconds())
	}
	q, err := h.long.submit(c.Request().Context(), submission{caller: callerOf(c), request: r, strings: b.Numbers == api.NumbersString,
		timeout: time.Duration(b.TimeoutSeconds) * time.Second, clientToken: b.ClientToken, hash: hash(whole)})
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, "/api/v1/archives/queries/"+q.Id)
	return sendJSON(c, http.StatusAccepted, q)
}

// ListQueries lists the caller's long queries.
func (h handlers) ListQueries(c echo.Context, p api.ListQueriesParams) error {
	list, err := h.long.list(c.Request().Context(), callerOf(c), p.State)
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, api.LongQueries{Queries: list})
}

// QueryState tells how a long query is.
func (h handlers) QueryState(c echo.Context, id string) error {
	q, err := h.long.find(c.Request().Context(), callerOf(c), id)
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, h.long.snapshot(q).Query)
}

// CancelQuery ends a long query.
func (h handlers) CancelQuery(c echo.Context, id string) error {
	q, err := h.long.find(c.Request().Context(), callerOf(c), id)
	if err != nil {
		return err
	}
	if err := h.long.cancelQuery(c.Request().Context(), q); err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, h.long.snapshot(q).Query)
}

// DeleteQuery ends a long query and removes it.
func (h handlers) DeleteQuery(c echo.Context, id string) error {
	q, err := h.long.find(c.Request().Context(), callerOf(c), id)
	if err != nil {
		return err
	}
	if err := h.long.cancelQuery(c.Request().Context(), q); err != nil {
		return err
	}
	if err := h.long.forget(c.Request().Context(), id); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// result is the state of a long query that has a result.
func (h handlers) result(c echo.Context, id string) (longState, error) {
	q, err := h.long.find(c.Request().Context(), callerOf(c), id)
	if err != nil {
		return longState{}, err
	}
	st := h.long.snapshot(q)
	switch st.Query.State {
	case api.StateSUCCEEDED:
		return st, nil
	case api.StateQUEUED, api.StateRUNNING:
		return st, &query.Error{Code: conflict, Reason: "not_finished", Field: "id", Msg: fmt.Sprintf("query %s is %s", id, st.Query.State),
			Hint: "ask for its state until it has ended", RetryAfter: time.Second}
	}
	detail := ""
	if st.Query.Error.Detail != "" {
		detail = ": " + st.Query.Error.Detail
	}
	return st, &query.Error{Code: conflict, Reason: "no_result", Field: "id", Msg: fmt.Sprintf("query %s is %s and has no result%s", id, st.Query.State, detail)}
}

// resultPage is where a page of a result begins.
type resultPage struct {
	Row int64 `json:"r"`
}

// pageBytes ends a page of a result before its limit.
const pageBytes = 8 << 20

// QueryResults sends a page of a result.
func (h handlers) QueryResults(c echo.Context, id string, p api.QueryResultsParams) error {
	st, err := h.result(c, id)
	if err != nil {
		return err
	}
	bound := hash([]byte(strconv.Quote(callerOf(c).scope()) + id))
	var from resultPage
	if p.PageToken != "" {
		if err := h.tokens.verify(p.PageToken, bound, &from); err != nil {
			return err
		}
	}
	limit := p.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	data := []byte(`{"data":[`)
	rows := int64(0)
	err = h.long.lines(c.Request().Context(), st, from.Row, func(line []byte) bool {
		if rows == limit || rows > 0 && len(data)+len(line) > pageBytes {
			return false
		}
		if rows++; rows > 1 {
			data = append(data, ',')
		}
		data = append(data, line...)
		return true
	})
	if err != nil {
		return err
	}
	notedResult(c.Request().Context(), st, rows)
	data = strconv.AppendInt(append(data, `],"totalRows":`...), st.Query.Statistics.Rows, 10)
	data = append(append(data, `,"schema":`...), st.Schema...)
	if next := from.Row + rows; next < st.Query.Statistics.Rows {
		token, err := h.tokens.sign(resultPage{next}, bound)
		if err != nil {
			return err
		}
		data = appendString(append(data, `,"nextPageToken":`...), token)
	}
	out := newSink(c, echo.MIMEApplicationJSON, true)
	defer out.release()
	_, err = out.Write(append(data, "}\n"...))
	if err == nil {
		err = out.close()
	}
	return h.sent(c, err)
}

// QueryDownload sends a whole result as JSON Lines.
func (h handlers) QueryDownload(c echo.Context, id string) error {
	st, err := h.result(c, id)
	if err != nil {
		return err
	}
	header := c.Response().Header()
	header.Set("Archive-Snapshot-Id", st.Query.SnapshotId)
	header.Set("Trailer", "Archive-Rows")
	header.Set(echo.HeaderContentDisposition, `attachment; filename="`+id+`.jsonl"`)
	out := newSink(c, mediaType(api.FormatJsonl), true)
	defer out.release()
	var failed error
	notedResult(c.Request().Context(), st, st.Query.Statistics.Rows)
	err = h.long.lines(c.Request().Context(), st, 0, func(line []byte) bool {
		if _, failed = out.Write(line); failed == nil {
			_, failed = out.Write([]byte{'\n'})
		}
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	if err == nil {
		err = out.close()
	}
	if err == nil {
		header.Set("Archive-Rows", strconv.FormatInt(st.Query.Statistics.Rows, 10))
	} else if !c.Response().Committed {
		for _, name := range []string{"Archive-Snapshot-Id", "Trailer", echo.HeaderContentDisposition} {
			header.Del(name)
		}
	}
	return h.sent(c, err)
}

// lines gives the rows of a result from row from on, without the line's end, until each says no.
func (l *longQueries) lines(ctx context.Context, st longState, from int64, each func(line []byte) bool) error {
	for n, part := range st.Parts {
		if from >= part.Rows {
			from -= part.Rows
			continue
		}
		more, err := l.part(ctx, partName(st.Query.Id, n), part, from, each)
		if err != nil {
			return &query.Error{Code: query.Unreadable, Msg: "the result of query " + st.Query.Id + " cannot be read", Err: err}
		}
		if !more {
			return nil
		}
		from = 0
	}
	return nil
}

func (l *longQueries) part(ctx context.Context, name string, part longPart, from int64, each func(line []byte) bool) (more bool, err error) {
	r, err := l.opt.Folder.Get(ctx, name)
	if err != nil {
		return false, err
	}
	defer r.Close()
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		return false, err
	}
	defer z.Close()
	in := bufio.NewReaderSize(io.LimitReader(z, part.Bytes), 64<<10)
	var long []byte
	for row := int64(0); row < part.Rows; {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			long = append(long, line...)
			continue
		}
		if err != nil {
			return false, fmt.Errorf("%s: %d rows instead of %d: %w", name, row, part.Rows, err)
		}
		if len(long) > 0 {
			long = append(long, line...)
			line = long
		}
		if row++; row > from && !each(bytes.TrimSuffix(line, []byte{'\n'})) {
			return false, nil
		}
		long = long[:0]
	}
	return true, nil
}
