package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/labstack/echo/v4"

	"frostline/coltype"
	"frostline/query"
)

// AuditLog keeps one line of JSON for every request: who asked what, how many rows and bytes he got. It has no values of
// filters and no secrets.
type AuditLog struct {
	name string
	mu   sync.Mutex
	w    io.WriteCloser
}

// OpenAuditLog appends to a file, which only its owner may read; "-" is stdout.
func OpenAuditLog(name string) (*AuditLog, error) {
	l := &AuditLog{name: name}
	return l, l.Reopen()
}

// Reopen opens the file anew, after it was moved away.
func (l *AuditLog) Reopen() error {
	var w io.WriteCloser = struct {
		io.Writer
		io.Closer
	}{os.Stdout, io.NopCloser(nil)}
	if l.name != "-" {
		f, err := os.OpenFile(l.name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("audit log: %w", err)
		}
		w = f
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.w != nil {
		l.w.Close()
	}
	l.w = w
	return nil
}

// Close closes the file.
func (l *AuditLog) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Close()
}

// AuditLine is one request.
type AuditLine struct {
	Time      time.Time `json:"time"`
	Request   string    `json:"request,omitempty"` // the id of X-Request-Id
	Principal string    `json:"principal,omitempty"`
	Caller    string    `json:"caller,omitempty"`
	By        string    `json:"by,omitempty"` // "key 1a2b3c4d", "token", "certificate dns:…"
	Remote    string    `json:"remote"`
	Method    string    `json:"method"`
	Route     string    `json:"route"`             // as in the API's document
	Archive   string    `json:"archive,omitempty"` // the path asked for
	Query     string    `json:"query,omitempty"`   // the id of a long query
	Status    int       `json:"status"`
	Rows      int64     `json:"rows"`
	Bytes     int64     `json:"bytes"` // sent
	Ms        float64   `json:"ms"`
	Cut       bool      `json:"cut,omitempty"` // the answer was not sent to its end
}

func (l *AuditLog) write(line *AuditLine) error {
	line.Archive, line.Caller, line.Remote = shortened(line.Archive), shortened(line.Caller), shortened(line.Remote)
	line.Request, line.Method = shortened(line.Request), shortened(line.Method)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(line); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := io.WriteString(l.w, inert(strings.TrimSuffix(b.String(), "\n"))+"\n")
	return err
}

// notedResult notes the long query whose result is sent, and its rows.
func notedResult(ctx context.Context, st longState, rows int64) {
	if line := audited(ctx); line != nil {
		line.Archive, line.Query, line.Rows = st.Query.ArchivePath, st.Query.Id, rows
	}
}

// shortened bounds what a caller can put into a line.
func shortened(s string) string {
	if len(s) > 1024 {
		return strings.ToValidUTF8(s[:1024], "") + "…"
	}
	return s
}

// inert is JSON whose strings cannot move a terminal's cursor, change its colours or the direction of text: what does not print
// is escaped. JSON itself leaves the characters above U+007E alone.
func inert(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

type auditKey struct{}

// audited is the line of the request of ctx, nil where there is no audit log.
func audited(ctx context.Context) *AuditLine {
	line, _ := ctx.Value(auditKey{}).(*AuditLine)
	return line
}

// audit keeps a line for each request, also for one that is refused or cut off.
func (s *Server) audit(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		switch c.Path() {
		case "/healthz", "/readyz", "/metrics":
			return next(c)
		}
		line := &AuditLine{Time: time.Now().UTC(), Remote: r.RemoteAddr, Method: r.Method, Route: c.Path(), Cut: true}
		c.SetRequest(r.WithContext(context.WithValue(r.Context(), auditKey{}, line)))
		defer func() {
			who := callerOf(c)
			line.Principal, line.Caller, line.By = who.Principal, who.ID, who.By
			line.Request = c.Response().Header().Get(echo.HeaderXRequestID)
			line.Status, line.Bytes, line.Ms = c.Response().Status, c.Response().Size, float64(time.Since(line.Time).Microseconds())/1000
			if err := s.opt.Audit.write(line); err != nil {
				s.opt.Log.Error("audit line not written", "error", err)
			}
		}()
		err := next(c)
		line.Cut = false
		return err
	}
}

// auditedEngine notes in the audit line what is asked of an engine and how many rows are given.
type auditedEngine struct{ Engine }

func note(ctx context.Context, path string, res *query.Result) {
	line := audited(ctx)
	if line == nil {
		return
	}
	line.Archive = path
	if res != nil {
		line.Archive, line.Rows = res.Path, res.Rows
	}
}

// Query implements Engine.
func (e auditedEngine) Query(ctx context.Context, r query.Request) (*query.Result, error) {
	res, err := e.Engine.Query(ctx, r)
	note(ctx, r.Path, res)
	return res, err
}

// Stream implements Engine.
func (e auditedEngine) Stream(ctx context.Context, r query.Request, start func([]coltype.Column, int64) error,
	each func(arrow.RecordBatch) error) (*query.Result, error) {
	line := audited(ctx)
	note(ctx, r.Path, nil)
	return e.Engine.Stream(ctx, r, start, func(b arrow.RecordBatch) error {
		err := each(b)
		if line != nil {
			line.Rows += b.NumRows()
		}
		return err
	})
}

// Explain implements Engine.
func (e auditedEngine) Explain(ctx context.Context, r query.Request) (*query.Explanation, error) {
	note(ctx, r.Path, nil)
	return e.Engine.Explain(ctx, r)
}

// Snapshots implements Engine.
func (e auditedEngine) Snapshots(ctx context.Context, path string) ([]query.SnapshotInfo, error) {
	note(ctx, path, nil)
	return e.Engine.Snapshots(ctx, path)
}

// Record implements Engine.
func (e auditedEngine) Record(ctx context.Context, path string) ([]byte, error) {
	note(ctx, path, nil)
	return e.Engine.Record(ctx, path)
}

// Metadata implements Engine.
func (e auditedEngine) Metadata(ctx context.Context, path string) (*query.Metadata, error) {
	note(ctx, path, nil)
	return e.Engine.Metadata(ctx, path)
}

// Locate implements Engine.
func (e auditedEngine) Locate(ctx context.Context, schema, table, partition string) (string, error) {
	path, err := e.Engine.Locate(ctx, schema, table, partition)
	note(ctx, schema+"/"+table+"/"+partition, nil)
	return path, err
}
