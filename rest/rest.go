// Package rest is the HTTP door: the API of openapi.yaml, its strict requests, its answers in JSON, JSON Lines, CSV, Arrow
// and Parquet, page tokens, long queries, health and metrics.
//
// openapi.yaml is the source: package api is generated from it, requests are checked against it, and it is served.
// Errors are application/problem+json (RFC 9457) with type, title, status, detail, code and, where they are known, field,
// position and hint. Values of filters are never logged. Without Options.Identify everyone who reaches the server may ask:
// bind it to loopback, or put a proxy that asks who it is in front.
//
// A long query's state and result are files of Options.Long.Folder. What a crash leaves behind is a state that says RUNNING
// or QUEUED, which the next start ends as FAILED, and parts of a result without a state, which it removes.
//
// JSON of the returned cells follows the column's Iceberg type:
//
//	boolean                    true, false
//	int, long                  a number, all digits of 64 bits
//	float, double              a number, the shortest that reads back equal; "NaN", "Infinity", "-Infinity"
//	decimal(p,s)               a number with exactly the stored digits; "NaN"
//	string                     a string; json, jsonb and numeric without precision are strings in the table
//	binary                     a string, standard base64
//	uuid                       "7c9e6679-7425-40de-944b-e07fc1f90ae7"
//	date, time                 "2024-01-31", "13:00:00.5"
//	timestamp, timestamptz     "2024-01-31T13:00:00.123456", "2024-01-31T13:00:00.123456Z"
//	list                       an array of the element's JSON
//
// NULL is null. A cell that its type cannot hold (infinity, 24:00:00, an array of several dimensions)
// is the exact text that PostgreSQL prints, as a string.
package rest

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"frostline/coltype"
	"frostline/query"
	"frostline/rest/api"
)

// Engine is what the API needs of a query engine. *query.Engine provides it.
type Engine interface {
	Query(ctx context.Context, r query.Request) (*query.Result, error)
	Stream(ctx context.Context, r query.Request, start func(cols []coltype.Column, snapshot int64) error,
		each func(b arrow.RecordBatch) error) (*query.Result, error)
	Explain(ctx context.Context, r query.Request) (*query.Explanation, error)
	Tables(ctx context.Context) ([]query.TableInfo, error)
	Snapshots(ctx context.Context, path string) ([]query.SnapshotInfo, error)
	Record(ctx context.Context, path string) ([]byte, error)
	Metadata(ctx context.Context, path string) (*query.Metadata, error)
	Locate(ctx context.Context, schema, table, partition string) (string, error)
	CheckWarehouse(bucket, prefix string) error
	Ready(ctx context.Context) error
}

// Options tune a Server; zero fields take the defaults.
type Options struct {
	Log          *slog.Logger  // requests and failures; default slog.Default()
	BodyBytes    int64         // largest request body; default 1 MiB
	ReadTimeout  time.Duration // of a request's headers, and of its body; default 10 s
	WriteTimeout time.Duration // of one write of an answer, any answer; default 60 s
	IdleTimeout  time.Duration // of a kept connection; default 120 s
	Grace        time.Duration // for running requests and long queries on shutdown; default 20 s
	DrainWait    time.Duration // between the first failing /readyz and the last connection that is taken; default none
	ReadyTimeout time.Duration // of the warehouse's answer to /readyz; default 5 s

	// Streams are answers in other formats than JSON that are sent at once: each holds a slot of the engine until its client has
	// taken it. Others wait for StreamWait, then they are refused as busy. Defaults 8, half of the engine's slots, and 10 s.
	Streams    int
	StreamWait time.Duration
	// PageKeys sign page tokens: the first one signs, all of them are valid. Without one a random key is made, and
	// tokens end with the process.
	PageKeys [][]byte
	// Parquet begins a Parquet file of rows of schema s; nil leaves the format out.
	Parquet func(w io.Writer, s coltype.Schema) (ParquetWriter, error)
	Long    LongOptions
	// Collectors are shown among the metrics, beside the server's own. Registry gets all of them; nil: one of its own.
	Collectors []prometheus.Collector
	Registry   *prometheus.Registry
	// Tracing records a span for each request, and those of the engine and the store below it; nil: none.
	Tracing trace.TracerProvider
	// Identify finds out who sends a request to any of the routes; nil: nobody has to say who he is.
	Identify Identify
	// Audit gets a line for every request; nil: there is none.
	Audit *AuditLog
	// Origins are those of pages that browsers may let ask, "https://wiki.example.com"; nil: this server's own pages only.
	Origins []string
	// Hosts are names of this host beside localhost, for who reaches a loopback address without Identify.
	Hosts []string
}

// Server serves the API. It may be used by many goroutines.
type Server struct {
	engine     Engine
	opt        Options
	echo       *echo.Echo
	operations map[string]*operation // of the document, by method and route
	metrics    *metrics
	tokens     tokens
	streams    chan struct{} // a slot each
	long       *longQueries
	ready      readiness
	draining   atomic.Bool
	tracer     trace.Tracer
}

// New is a server over engine.
func New(engine Engine, o Options) *Server {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.ReadTimeout, 10*time.Second)
	def(&o.WriteTimeout, 60*time.Second)
	def(&o.IdleTimeout, 120*time.Second)
	def(&o.Grace, 20*time.Second)
	def(&o.ReadyTimeout, 5*time.Second)
	def(&o.StreamWait, 10*time.Second)
	if o.Streams <= 0 {
		o.Streams = 8
	}
	if o.BodyBytes <= 0 {
		o.BodyBytes = 1 << 20
	}
	if o.Tracing == nil {
		o.Tracing = noop.NewTracerProvider()
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	operations, err := document()
	if err != nil {
		panic(err) // the document is compiled in, and a test reads it
	}
	s := &Server{engine: engine, opt: o, echo: echo.New(), operations: operations, metrics: newMetrics(o.Registry, o.Collectors), tokens: newTokens(o.PageKeys),
		streams: make(chan struct{}, o.Streams), long: newLongQueries(o.Long, engine, o.Log), tracer: o.Tracing.Tracer("frostline/rest")}
	s.long.observe, s.long.tracer = s.metrics.observe, s.tracer
	s.routes()
	return s
}

// routes sets the middleware, from the outside in, and the routes of the document. Who may not ask is not told what is wrong
// with the question: identify stands before strict.
func (s *Server) routes() {
	e := s.echo
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = s.fail
	e.Use(s.inTime)
	if s.opt.Audit != nil {
		s.engine = auditedEngine{s.engine}
		e.Use(s.audit)
	}
	e.Use(s.observe)
	e.Use(s.secure)
	if s.opt.Identify != nil {
		e.Use(s.identify)
	}
	e.Use(s.strict)
	api.RegisterHandlers(e, handlers{s})
	s.page()
}

// Handler is the API as an http.Handler.
func (s *Server) Handler() http.Handler { return s.echo }

// Health answers while the process serves.
func (h handlers) Health(c echo.Context) error {
	return c.JSON(http.StatusOK, api.Status{Status: "ok"})
}

// Metrics answers Prometheus.
func (h handlers) Metrics(c echo.Context) error {
	h.metrics.handler().ServeHTTP(c.Response(), c.Request())
	return nil
}
