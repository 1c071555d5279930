package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"frostline/query"
	"frostline/rest/api"
)

// problem is an error's body, RFC 9457.
type problem = api.Problem

// statuses are the HTTP statuses of the engine's codes.
var statuses = map[query.Code]int{
	query.BadRequest:  http.StatusBadRequest,
	query.NotFound:    http.StatusNotFound,
	query.Outside:     http.StatusForbidden,
	query.Unreadable:  http.StatusInternalServerError,
	query.Unreachable: http.StatusServiceUnavailable,
	query.Timeout:     http.StatusGatewayTimeout,
	query.Canceled:    http.StatusServiceUnavailable,
	query.TooLarge:    http.StatusRequestEntityTooLarge,
	query.TooMuch:     http.StatusUnprocessableEntity,
	query.Busy:        http.StatusServiceUnavailable,
	notAcceptable:     http.StatusNotAcceptable,
	conflict:          http.StatusConflict,
	notConfigured:     http.StatusNotImplemented,
	query.Internal:    http.StatusInternalServerError,
	query.Forbidden:   http.StatusForbidden,
	unauthenticated:   http.StatusUnauthorized,
	throttled:         http.StatusTooManyRequests,
	misdirected:       http.StatusMisdirectedRequest,

	unsupportedContent: http.StatusUnsupportedMediaType,
}

// asProblem describes err to the caller. Causes stay in the log: they name hosts and keys.
func asProblem(err error) problem {
	var p problem
	var qe *query.Error
	var he *echo.HTTPError
	switch {
	case errors.As(err, &qe):
		p = problem{Status: statuses[qe.Code], Detail: qe.Msg, Code: string(qe.Code), Field: qe.Field, Position: qe.Pos, Hint: qe.Hint}
		if qe.Reason != "" {
			p.Code = qe.Reason
		}
	case errors.As(err, &he):
		p = problem{Status: he.Code, Code: strings.ReplaceAll(strings.ToLower(http.StatusText(he.Code)), " ", "_"), Detail: fmt.Sprint(he.Message)}
	}
	if p.Status == 0 {
		p = problem{Status: http.StatusInternalServerError, Code: string(query.Internal), Detail: "the server failed on this request"}
	}
	if p.Code == string(query.Internal) && p.Hint == "" {
		p.Hint = "the server's log has the cause"
	}
	p.Type = "about:blank"
	p.Title = http.StatusText(p.Status)
	return p
}

// fail answers with err.
func (s *Server) fail(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	p := asProblem(err)
	switch p.Status {
	case http.StatusNotFound:
		if p.Code == "not_found" && p.Field == "" {
			p.Detail = fmt.Sprintf("there is no %s", c.Request().URL.Path)
			p.Hint = s.nearestRoute(c.Request().URL.Path)
		}
	case http.StatusMethodNotAllowed:
		p.Detail = fmt.Sprintf("%s is not allowed for %s", c.Request().Method, c.Request().URL.Path)
		if allow := c.Response().Header().Get(echo.HeaderAllow); allow != "" {
			p.Hint = "allowed: " + allow
		}
	}
	if p.Status >= 500 && p.Code != string(query.Canceled) && p.Code != draining { // neither is a failure
		s.logOf(c).Error("request failed", "method", c.Request().Method, "path", c.Request().URL.EscapedPath(), "status", p.Status, "error", err)
	}
	s.metrics.refusals.WithLabelValues(p.Code).Inc()
	p.RequestId = c.Response().Header().Get(echo.HeaderXRequestID)
	body, jsonErr := json.Marshal(p)
	if jsonErr != nil {
		body = []byte(`{"type":"about:blank","title":"Internal Server Error","status":500}`)
	}
	if p.Status == http.StatusServiceUnavailable || p.Status == http.StatusTooManyRequests || p.Code == "not_finished" {
		c.Response().Header().Set(echo.HeaderRetryAfter, strconv.Itoa(retryAfter(err)))
	}
	_ = c.Blob(p.Status, "application/problem+json", body)
}

// retryAfter is in seconds.
func retryAfter(err error) int {
	var qe *query.Error
	if errors.As(err, &qe) && qe.RetryAfter > 0 {
		return int((qe.RetryAfter + time.Second - 1) / time.Second)
	}
	return 5
}

func (s *Server) nearestRoute(path string) string {
	var paths []string
	for _, r := range s.echo.Routes() {
		if strings.HasPrefix(r.Path, "/") && !strings.Contains(r.Path, ":") {
			paths = append(paths, r.Path)
		}
	}
	if n := query.Nearest(path, paths); n != "" {
		return "did you mean " + n + "?"
	}
	return "the API is under /api/v1/archives"
}

func bad(reason, field, hint, format string, args ...any) error {
	return &query.Error{Code: query.BadRequest, Reason: reason, Field: field, Hint: hint, Msg: fmt.Sprintf(format, args...)}
}
