package query

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// part begins a span below the one of ctx, at the same provider. Where nobody records, it is nil.
func part(ctx context.Context, name string) (context.Context, trace.Span) {
	above := trace.SpanFromContext(ctx)
	if !above.IsRecording() {
		return ctx, nil
	}
	return above.TracerProvider().Tracer("frostline/query").Start(ctx, name)
}

// endPart ends a span of part. An error is told by its code: its text may repeat a value of the filter.
func endPart(span trace.Span, err error, about ...attribute.KeyValue) {
	var qe *Error
	switch {
	case err == nil:
	case errors.As(err, &qe):
		span.SetStatus(codes.Error, string(qe.Code))
	default:
		span.SetStatus(codes.Error, "failed")
	}
	span.SetAttributes(about...)
	span.End()
}

// endPlan ends the span of planning.
func (q *query) endPlan(span trace.Span, err error) {
	if span == nil {
		return
	}
	if err != nil {
		endPart(span, err)
		return
	}
	files := 0
	for i := range q.parts {
		files += len(q.parts[i].Files)
	}
	endPart(span, nil, attribute.String("archive.table", q.plan.location), attribute.Int64("archive.snapshot", q.target.snapshot),
		attribute.Int("archive.partitions", len(q.parts)), attribute.Int("archive.files", files))
}

// endScan ends the span of the answer.
func endScan(span trace.Span, res *Result, err error) {
	if span == nil {
		return
	}
	if err != nil || res == nil {
		endPart(span, err)
		return
	}
	p := res.Pruning
	endPart(span, nil, attribute.Int64("archive.rows", res.Rows), attribute.Int64("archive.rows_scanned", res.Scanned),
		attribute.Int64("archive.rows_matched", res.Matched), attribute.Int64("archive.bytes_read", p.BytesRead), attribute.Int64("archive.reads", p.Requests),
		attribute.Int64("archive.files_skipped", p.Files.Skipped), attribute.Int64("archive.row_groups_skipped", p.RowGroups.Skipped),
		attribute.Int64("archive.pages_skipped", p.Pages.Skipped))
}

// CacheUsage is how one of an Engine's caches goes.
type CacheUsage struct {
	Name         string // "footer", "bloom"
	Hits, Misses int64
	Bytes        int64 // kept now
}

// Caches says how the caches of metadata go.
func (e *Engine) Caches() []CacheUsage {
	footers, blooms := CacheUsage{Name: "footer", Bytes: e.footers.Weight()}, CacheUsage{Name: "bloom", Bytes: e.blooms.Weight()}
	footers.Hits, footers.Misses = e.footers.Hits()
	blooms.Hits, blooms.Misses = e.blooms.Hits()
	return []CacheUsage{footers, blooms}
}
