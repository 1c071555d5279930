package rest

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// Caller is who sends a request. Page tokens and long queries belong to one.
type Caller struct {
	ID string // stable and unique; "" while nobody has to say who he is
}

const callerKey = "caller"

// callerOf is who sends the request of c.
func callerOf(c echo.Context) Caller {
	who, _ := c.Get(callerKey).(Caller)
	return who
}

// Identify finds out who sends a request; an error refuses the request.
type Identify func(r *http.Request) (Caller, error)

// identify puts the caller into the context.
func (s *Server) identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		who, err := s.opt.Identify(c.Request())
		if err != nil {
			return err
		}
		c.Set(callerKey, who)
		return next(c)
	}
}
