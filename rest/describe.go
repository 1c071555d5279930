package rest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"frostline/query"
	"frostline/rest/api"
)

// Metadata describes an archive path or a table.
func (h handlers) Metadata(c echo.Context, p api.MetadataParams) error {
	return h.describe(c, p.ArchivePath)
}

// MetadataByTable describes the archive that the URL names.
func (h handlers) MetadataByTable(c echo.Context, schema, table, partition string, p api.MetadataByTableParams) error {
	path, err := h.locate(c, schema, table, partition, p.Bucket, p.Prefix)
	if err != nil {
		return err
	}
	return h.describe(c, path)
}

func (h handlers) describe(c echo.Context, path string) error {
	m, err := h.engine.Metadata(c.Request().Context(), path)
	if err != nil {
		return err
	}
	out := api.Metadata{TableUuid: m.TableUUID, Location: m.Location, Properties: m.Properties, SnapshotId: id(m.Snapshot),
		Columns: []api.Column{}, Partitions: partitions(m.Partitions), ArchivedAt: moment(m.ArchivedAt)}
	for _, col := range m.Columns {
		out.Columns = append(out.Columns, api.Column{Id: col.FieldID, Name: col.Name, Type: col.Type.Iceberg(), Required: col.NotNull, SourceType: col.Type.Name})
	}
	return sendJSON(c, http.StatusOK, out)
}

func partitions(list []query.Partition) []api.Partition {
	out := []api.Partition{}
	for _, p := range list {
		out = append(out, api.Partition{Name: p.Name, ArchivePath: p.Location, TotalRecords: p.Rows, TotalFiles: p.Files, TotalBytes: p.Bytes,
			ArchivedAt: p.ArchivedAt.UTC(), Digest: p.Digest})
	}
	return out
}

// id is a snapshot's id as a string: it has more digits than a double holds.
func id(snapshot int64) string { return strconv.FormatInt(snapshot, 10) }

// moment is t, or nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// Partitions lists the archived partitions of a table.
func (h handlers) Partitions(c echo.Context, p api.PartitionsParams) error {
	m, err := h.engine.Metadata(c.Request().Context(), p.ArchivePath)
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, api.Partitions{ArchivePath: m.Location, SnapshotId: id(m.Snapshot), Partitions: partitions(m.Partitions)})
}

// Record gives the archive record of a partition.
func (h handlers) Record(c echo.Context, p api.RecordParams) error {
	record, err := h.engine.Record(c.Request().Context(), p.ArchivePath)
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, record)
}

// Tables lists the archived tables.
func (h handlers) Tables(c echo.Context) error {
	list, err := h.engine.Tables(c.Request().Context())
	if err != nil {
		return err
	}
	out := api.Tables{Tables: []api.TableSummary{}}
	for _, t := range list {
		out.Tables = append(out.Tables, api.TableSummary{Schema: t.Schema, Table: t.Table, ArchivePath: t.Location, Partitions: t.Partitions,
			TotalRecords: t.Rows, TotalFiles: t.Files, TotalBytes: t.Bytes, ArchivedAt: moment(t.ArchivedAt), SnapshotId: id(t.Snapshot)})
	}
	return sendJSON(c, http.StatusOK, out)
}

// Snapshots lists the snapshots of a table.
func (h handlers) Snapshots(c echo.Context, p api.SnapshotsParams) error {
	list, err := h.engine.Snapshots(c.Request().Context(), p.ArchivePath)
	if err != nil {
		return err
	}
	m, err := h.engine.Metadata(c.Request().Context(), p.ArchivePath)
	if err != nil {
		return err
	}
	out := api.Snapshots{ArchivePath: m.Location, Snapshots: []api.Snapshot{}}
	for _, s := range list {
		one := api.Snapshot{SnapshotId: id(s.ID), CommittedAt: s.Time.UTC(), Operation: s.Operation, Current: s.Current, Partition: s.Partition, RunId: s.RunID,
			TotalFiles: s.Files, TotalBytes: s.Bytes}
		if s.Parent != 0 {
			one.ParentId = id(s.Parent)
		}
		if s.Rows >= 0 {
			one.TotalRecords = &s.Rows
		}
		out.Snapshots = append(out.Snapshots, one)
	}
	return sendJSON(c, http.StatusOK, out)
}

// Explain says what a query would read.
func (h handlers) Explain(c echo.Context) error {
	q, err := decode[api.Query](c)
	if err != nil {
		return h.refused(err)
	}
	a, err := h.ask(c, q)
	if err != nil {
		return h.refused(err)
	}
	e, err := h.engine.Explain(c.Request().Context(), a.Request)
	if err != nil {
		return err
	}
	out := api.Explanation{ArchivePath: e.Path, SnapshotId: id(e.Snapshot), Rows: e.Rows, Bytes: e.Bytes, Requests: e.Requests,
		CostUsd: e.Cost, Pruning: pruning(e.Pruning), Files: []api.FileVerdict{}, Omitted: e.Omitted, Unopened: e.Unopened,
		ExecutionTimeMs: float64(e.Elapsed.Microseconds()) / 1000, Warnings: e.Warnings}
	for _, f := range e.Files {
		one := api.FileVerdict{Partition: f.Partition, File: f.File, Rows: f.Rows, Bytes: f.Bytes, Verdict: api.Verdict(f.Verdict), By: f.By,
			RowGroups: []api.GroupVerdict{}}
		for _, g := range f.RowGroups {
			one.RowGroups = append(one.RowGroups, api.GroupVerdict{Rows: g.Rows, Verdict: api.Verdict(g.Verdict), By: g.By, Pages: level(g.Pages), Left: g.Left, Bytes: g.Bytes})
		}
		out.Files = append(out.Files, one)
	}
	return sendJSON(c, http.StatusOK, out)
}

func level(l query.Level) api.Level { return api.Level{Total: l.Total, Skipped: l.Skipped} }

func pruning(p query.Pruning) api.Pruning {
	return api.Pruning{Partitions: level(p.Partitions), Files: level(p.Files), RowGroups: level(p.RowGroups), BloomSkipped: p.BloomSkipped,
		Pages: level(p.Pages), PagesRead: p.PagesRead, BytesRead: p.BytesRead, Requests: p.Requests}
}

// sendJSON answers with v, "list<string>" and the like as they are.
func sendJSON(c echo.Context, status int, v any) error {
	body := &bytes.Buffer{}
	enc := json.NewEncoder(body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	return c.Blob(status, echo.MIMEApplicationJSON, body.Bytes())
}
