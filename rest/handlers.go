package rest

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/labstack/echo/v4"

	"frostline/coltype"
	"frostline/query"
	"frostline/rest/api"
)

// handlers are the operations of the document, as the generated code calls them.
type handlers struct{ *Server }

var _ api.ServerInterface = handlers{}

// Query answers a query whose body names the archive.
func (h handlers) Query(c echo.Context) error {
	q, err := decode[api.Query](c)
	if err != nil {
		return h.refused(err)
	}
	return h.answer(c, q)
}

// QueryByParameters answers a query of the query string.
func (h handlers) QueryByParameters(c echo.Context, p api.QueryByParametersParams) error {
	q := api.Query{ArchivePath: p.ArchivePath, FilterExpression: p.Filter, Limit: p.Limit, Offset: p.Offset, Count: api.Count(p.Count),
		SnapshotId: p.SnapshotId, PageToken: p.PageToken, Format: api.Format(p.Format), Numbers: api.Numbers(p.Numbers)}
	var err error
	if q.Columns, err = columnList(p.Columns); err != nil {
		return h.refused(err)
	}
	return h.answer(c, q)
}

// QueryByTable answers a query whose URL names the archive. Its body has every field of Query but archivePath.
func (h handlers) QueryByTable(c echo.Context, schema, table, partition string, p api.QueryByTableParams) error {
	q, err := decode[api.Query](c)
	if err != nil {
		return h.refused(err)
	}
	if q.ArchivePath, err = h.locate(c, schema, table, partition, p.Bucket, p.Prefix); err != nil {
		return h.refused(err)
	}
	return h.answer(c, q)
}

// locate is the archive path that schema, table and partition value of the URL name.
func (h handlers) locate(c echo.Context, schema, table, partition, bucket, prefix string) (string, error) {
	if err := h.engine.CheckWarehouse(bucket, prefix); err != nil {
		return "", err
	}
	return h.engine.Locate(c.Request().Context(), schema, table, partition)
}

// refused counts a query that did not reach the engine.
func (h handlers) refused(err error) error {
	h.metrics.refused()
	return err
}

// answer runs q and sends the rows.
func (h handlers) answer(c echo.Context, q api.Query) error {
	a, err := h.ask(c, q)
	if err != nil {
		return h.refused(err)
	}
	if a.format == api.FormatJson {
		return h.answerJSON(c, a)
	}
	return h.answerStream(c, a)
}

// answerJSON sends a page of rows with its totals.
func (h handlers) answerJSON(c echo.Context, a ask) error {
	start := time.Now()
	res, err := h.engine.Query(c.Request().Context(), a.Request)
	h.metrics.observe(res, err, time.Since(start), 0)
	conceal(res)
	if err != nil {
		return err
	}
	defer res.Release()
	enc, err := newEncoder(res)
	if err != nil {
		return err
	}
	enc.strings = a.strings
	if a.page != nil && a.page.Matched != nil {
		enc.matched = a.page.Matched
	}
	if enc.next, err = h.next(a, res); err != nil {
		return err
	}
	begun := time.Now()
	out := newSink(c, echo.MIMEApplicationJSON, true)
	defer out.release()
	err = enc.write(func(b []byte) error {
		_, err := out.Write(b)
		return err
	})
	if err == nil {
		err = out.close()
	}
	h.metrics.wrote(string(api.FormatJson), time.Since(begun), out.writing, c.Response().Size)
	return h.sent(c, err)
}

// next is the token of the page after res, "" at the end.
func (h handlers) next(a ask, res *query.Result) (string, error) {
	if res.Next == nil {
		return "", nil
	}
	p := page{Position: *res.Next}
	switch {
	case a.page != nil && a.page.Matched != nil:
		p.Matched = a.page.Matched
	case res.Counted:
		p.Matched = &res.Matched
	}
	return h.tokens.sign(p, a.bound)
}

// answerStream sends rows while they are read.
func (h handlers) answerStream(c echo.Context, a ask) error {
	begun := time.Now()
	wait := time.NewTimer(h.opt.StreamWait)
	defer wait.Stop()
	select {
	case h.streams <- struct{}{}:
		defer func() { <-h.streams }()
	case <-c.Request().Context().Done():
		return h.refused(&query.Error{Code: query.Canceled, Msg: "cancelled by the caller"})
	case <-wait.C:
		return h.refused(&query.Error{Code: query.Busy, Msg: "too many answers are being streamed", Hint: "ask again later, or for pages in JSON", RetryAfter: 10 * time.Second})
	}
	header := c.Response().Header()
	out := newSink(c, mediaType(a.format), a.format != api.FormatParquet)
	defer out.release()
	var rows stream
	var sending time.Duration
	res, err := h.engine.Stream(c.Request().Context(), a.Request, func(cols []coltype.Column, snapshot int64) (err error) {
		header.Set("Archive-Snapshot-Id", strconv.FormatInt(snapshot, 10))
		header.Set("Trailer", "Archive-Rows, Archive-Next-Page-Token")
		rows, err = h.newStream(out, a.format, cols, a.strings)
		return err
	}, func(b arrow.RecordBatch) error {
		from := time.Now()
		err := rows.write(b)
		sending += time.Since(from)
		return err
	})
	h.metrics.observe(res, err, time.Since(begun), sending)
	conceal(res)
	ended := time.Now()
	if err == nil {
		defer res.Release()
		err = rows.close()
	}
	if err == nil {
		err = out.close()
	}
	h.metrics.wrote(string(a.format), sending+time.Since(ended), out.writing, c.Response().Size)
	if err == nil {
		header.Set("Archive-Rows", strconv.FormatInt(res.Rows, 10))
		var next string
		if next, err = h.next(a, res); next != "" {
			header.Set("Archive-Next-Page-Token", next)
		}
	}
	if err != nil && !c.Response().Committed {
		header.Del("Archive-Snapshot-Id")
		header.Del("Trailer")
	}
	return h.sent(c, err)
}

// sent ends an answer. When its status is sent already, an error cuts the connection, so that nobody takes half an answer for one.
func (s *Server) sent(c echo.Context, err error) error {
	if err == nil || !c.Response().Committed {
		return err
	}
	var qe *query.Error
	if errors.As(err, &qe) && asProblem(err).Status >= http.StatusInternalServerError {
		s.logOf(c).Error("answer cut off", "path", c.Request().URL.EscapedPath(), "error", err)
	} else {
		s.logOf(c).Warn("answer not sent to its end", "path", c.Request().URL.EscapedPath(), "error", err)
	}
	panic(http.ErrAbortHandler)
}
