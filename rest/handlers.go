package rest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"frostline/query"
)

func (s *Server) postQuery(c echo.Context) error {
	if _, err := params(c, nil, ""); err != nil {
		return err
	}
	r, err := s.readBody(c, true)
	if err != nil {
		return s.refused(err)
	}
	return s.answer(c, r)
}

func (s *Server) getQuery(c echo.Context) error {
	v, err := params(c, []string{"archivePath", "columns", "filter", "limit", "offset", "count"}, "columns")
	if err != nil {
		return s.refused(err)
	}
	r := query.Request{Path: v.Get("archivePath"), Expression: v.Get("filter"), Limit: defaultLimit}
	if r.Columns, err = columnList(v["columns"]); err != nil {
		return s.refused(err)
	}
	for _, name := range []string{"limit", "offset"} {
		if v.Has(name) {
			if err := setNumber(&r, name, v.Get(name)); err != nil {
				return s.refused(err)
			}
		}
	}
	if v.Has("count") {
		if err := setCount(&r, v.Get("count")); err != nil {
			return s.refused(err)
		}
	}
	return s.answer(c, r)
}

func (s *Server) postQueryByTable(c echo.Context) error {
	path, err := s.byTable(c)
	if err != nil {
		return s.refused(err)
	}
	r, err := s.readBody(c, false)
	if err != nil {
		return s.refused(err)
	}
	r.Path = path
	return s.answer(c, r)
}

// byTable is the archive path that schema, table and partition value of the URL name.
func (s *Server) byTable(c echo.Context) (string, error) {
	v, err := params(c, []string{"bucket", "prefix"}, "")
	if err != nil {
		return "", err
	}
	if err := s.engine.CheckWarehouse(v.Get("bucket"), v.Get("prefix")); err != nil {
		return "", err
	}
	var part [3]string
	for i, name := range []string{"schema", "table", "partitionValue"} {
		part[i] = c.Param(name)
		if c.Request().URL.RawPath != "" { // then echo matched, and cut, the escaped path
			if part[i], err = url.PathUnescape(part[i]); err != nil {
				return "", bad("path", name, "", "the URL is not well formed")
			}
		}
		if part[i] == "" {
			return "", bad("path", name, "", "%s is empty in the URL", name)
		}
	}
	return s.engine.Locate(c.Request().Context(), part[0], part[1], part[2])
}

// refused counts a query that did not reach the engine.
func (s *Server) refused(err error) error {
	s.metrics.count.WithLabelValues("error").Inc()
	return err
}

// answer runs r and streams the result.
func (s *Server) answer(c echo.Context, r query.Request) error {
	start := time.Now()
	res, err := s.engine.Query(c.Request().Context(), r)
	s.metrics.observe(res, err, time.Since(start))
	if err != nil {
		return err
	}
	defer res.Release()
	enc, err := newEncoder(res)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	c.Response().WriteHeader(http.StatusOK)
	rc := http.NewResponseController(c.Response())
	err = enc.write(func(b []byte) error {
		_ = rc.SetWriteDeadline(time.Now().Add(s.opt.WriteTimeout))
		_, err := c.Response().Write(b)
		return err
	})
	_ = rc.SetWriteDeadline(time.Time{})
	if err != nil {
		// The status is sent already: the connection is cut so that nobody takes half an answer for one.
		s.opt.Log.Warn("answer not sent to its end", "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// column is one column of a metadata answer.
type column struct {
	ID       int    `json:"id"`
	Name     string `json:"name"`
	Type     string `json:"type"`
	Required bool   `json:"required"`
	Source   string `json:"sourceType"` // PostgreSQL's
}

// partition is one archived partition of a metadata answer.
type partition struct {
	Name       string `json:"name"`
	Path       string `json:"archivePath"`
	Records    int64  `json:"totalRecords"`
	Files      int    `json:"totalFiles"`
	Bytes      int64  `json:"totalBytes"`
	ArchivedAt string `json:"archivedAt"`
	Digest     string `json:"digest"`
}

// metadata is the answer of the metadata and schema endpoints.
type metadata struct {
	TableUUID  string            `json:"tableUuid"`
	Location   string            `json:"location"`
	Columns    []column          `json:"columns"`
	Properties map[string]string `json:"properties"`
	ArchivedAt *string           `json:"archivedAt"`
	Snapshot   int64             `json:"snapshotId,string"`
	Partitions []partition       `json:"partitions"`
}

func (s *Server) getMetadata(c echo.Context) error {
	v, err := params(c, []string{"archivePath"}, "")
	if err != nil {
		return err
	}
	return s.describe(c, v.Get("archivePath"))
}

func (s *Server) getSchema(c echo.Context) error {
	path, err := s.byTable(c)
	if err != nil {
		return err
	}
	return s.describe(c, path)
}

func (s *Server) describe(c echo.Context, path string) error {
	m, err := s.engine.Metadata(c.Request().Context(), path)
	if err != nil {
		return err
	}
	out := metadata{TableUUID: m.TableUUID, Location: m.Location, Properties: m.Properties, Snapshot: m.Snapshot,
		Columns: []column{}, Partitions: []partition{}}
	for _, col := range m.Columns {
		out.Columns = append(out.Columns, column{ID: col.FieldID, Name: col.Name, Type: col.Type.Iceberg(), Required: col.NotNull, Source: col.Type.Name})
	}
	for _, p := range m.Partitions {
		out.Partitions = append(out.Partitions, partition{Name: p.Name, Path: p.Location, Records: p.Rows, Files: p.Files, Bytes: p.Bytes,
			ArchivedAt: p.ArchivedAt.UTC().Format(time.RFC3339Nano), Digest: p.Digest})
	}
	if !m.ArchivedAt.IsZero() {
		at := m.ArchivedAt.UTC().Format(time.RFC3339Nano)
		out.ArchivedAt = &at
	}
	body := &bytes.Buffer{}
	enc := json.NewEncoder(body)
	enc.SetEscapeHTML(false) // "list<string>" as it is
	if err := enc.Encode(out); err != nil {
		return err
	}
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, body.Bytes())
}
