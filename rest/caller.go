package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"frostline/query"
)

// Caller is who sends a request. Page tokens and long queries belong to one.
type Caller struct {
	ID        string        // stable and unique; "" while nobody has to say who he is
	Principal string        // of the access file, whose rights he has; "" without
	By        string        // what has shown who he is, for the audit log: never the secret itself
	Rights    *query.Rights // nil: all

	fingerprint string // of the rights
	allowance   *allowance
	metrics     bool // may see /metrics
}

// scope is what page tokens and long queries are bound to: the caller with the rights that he has now.
func (w Caller) scope() string {
	if w.fingerprint == "" {
		return w.ID
	}
	return w.ID + "\n" + w.fingerprint
}

const callerKey = "caller"

// callerOf is who sends the request of c.
func callerOf(c echo.Context) Caller {
	who, _ := c.Get(callerKey).(Caller)
	return who
}

// Identify finds out who sends a request; an error refuses the request.
type Identify func(r *http.Request) (Caller, error)

// open reports whether a route is for everybody: it tells of the process and of the API, never of the archive.
func open(route string) bool {
	switch route {
	case "/healthz", "/readyz", "/docs", "/openapi.json", "/", "/page/:file":
		return true
	}
	return false
}

// identify puts the caller into the context, his rights into that of the request, and holds his limits.
func (s *Server) identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if open(c.Path()) {
			return next(c)
		}
		who, err := s.opt.Identify(c.Request())
		if err != nil {
			if asProblem(err).Status == http.StatusUnauthorized {
				c.Response().Header().Set(echo.HeaderWWWAuthenticate, `Bearer realm="queryd"`)
			}
			return err
		}
		c.Set(callerKey, who)
		if c.Path() == "/metrics" && who.Rights != nil && !who.metrics {
			return &query.Error{Code: query.Forbidden, Msg: "metrics tell of all callers, and this one may not see them"}
		}
		done, err := who.allowance.take()
		if err != nil {
			return err
		}
		defer done()
		if who.Rights != nil {
			c.SetRequest(c.Request().WithContext(query.WithRights(c.Request().Context(), who.Rights)))
		}
		return next(c)
	}
}

// conceal takes away what res tells of rows that the caller may not see. What was counted for the operator is counted before.
func conceal(res *query.Result) {
	if res != nil && res.Filtered {
		res.Scanned, res.Pruning, res.Cost, res.Memory = 0, query.Pruning{}, 0, 0
	}
}
