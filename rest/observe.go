package rest

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"frostline/query"
)

// w3c takes and gives the header traceparent.
var w3c = propagation.TraceContext{}

// observe gives each request its id and its span, counts it, logs it, and keeps panics from ending the process. The query string is not
// logged: it holds values.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		start := time.Now()
		r, header := c.Request(), c.Response().Header()
		header.Set(echo.HeaderXRequestID, requestID(r.Header.Get(echo.HeaderXRequestID)))
		if s.draining.Load() {
			header.Set("Connection", "close")
		}
		if isProbe(r.URL.Path) {
			return s.guarded(c, next)
		}
		route := routeOf(c)
		ctx, span := s.tracer.Start(w3c.Extract(r.Context(), propagation.HeaderCarrier(r.Header)), r.Method+" "+route, trace.WithSpanKind(trace.SpanKindServer))
		w3c.Inject(ctx, propagation.HeaderCarrier(header))
		c.SetRequest(r.WithContext(ctx))
		s.metrics.inFlight.Inc()
		defer func() {
			took := time.Since(start)
			s.metrics.inFlight.Dec()
			s.metrics.answered(r.Method, route, c.Response().Status, took)
			endSpan(span, c, route)
			s.logOf(c).Info("request", "method", r.Method, "path", r.URL.EscapedPath(), "status", c.Response().Status,
				"bytes", c.Response().Size, "ms", took.Milliseconds(), "remote", r.RemoteAddr)
		}()
		return s.guarded(c, next)
	}
}

// guarded answers errors and panics. An answer that has begun is cut off.
func (s *Server) guarded(c echo.Context, next echo.HandlerFunc) error {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(p)
		}
		s.logOf(c).Error("panic in a request", "path", c.Request().URL.EscapedPath(), "panic", p)
		if c.Response().Committed {
			panic(http.ErrAbortHandler)
		}
		s.fail(&query.Error{Code: query.Internal, Msg: "the server failed on this request"}, c)
	}()
	if err := next(c); err != nil {
		s.fail(err, c)
	}
	return nil
}

// endSpan ends the span of a request. It has no query string and no body.
func endSpan(span trace.Span, c echo.Context, route string) {
	status := c.Response().Status
	if span.IsRecording() {
		span.SetAttributes(attribute.String("http.request.method", c.Request().Method), attribute.String("http.route", route),
			attribute.Int("http.response.status_code", status), attribute.Int64("http.response.body.size", c.Response().Size),
			attribute.String("http.request.id", c.Response().Header().Get(echo.HeaderXRequestID)))
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, strconv.Itoa(status))
		}
	}
	span.End()
}

// isProbe reports whether a path is asked for over and over by programs that watch.
func isProbe(path string) bool { return path == "/healthz" || path == "/readyz" || path == "/metrics" }

// routeOf is the route as the document has it, "none" for paths that it does not have.
func routeOf(c echo.Context) string {
	if c.Path() == "" || c.Path() == "/*" {
		return "none"
	}
	return c.Path()
}

// logOf is the log, with the ids of the request of c.
func (s *Server) logOf(c echo.Context) *slog.Logger {
	log := s.opt.Log.With("request_id", c.Response().Header().Get(echo.HeaderXRequestID))
	if span := trace.SpanContextFromContext(c.Request().Context()); span.IsValid() {
		log = log.With("trace_id", span.TraceID().String())
	}
	return log
}

// requestID is the caller's id of a request where it is one word of letters, digits and -_.:/+=@ of at most 128, else a new one.
func requestID(given string) string {
	if given == "" || len(given) > 128 {
		return rand.Text()
	}
	for _, b := range []byte(given) {
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		case b == '-', b == '_', b == '.', b == ':', b == '/', b == '+', b == '=', b == '@':
		default:
			return rand.Text()
		}
	}
	return given
}
