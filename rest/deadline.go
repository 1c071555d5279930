package rest

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// inTime gives a request's body Options.ReadTimeout to come, and each write of its answer Options.WriteTimeout. The server reads what is
// left of a body before it answers, also where the request is refused: without an end it would wait for ever.
func (s *Server) inTime(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		rc := http.NewResponseController(c.Response().Writer)
		if c.Request().ContentLength != 0 {
			_ = rc.SetReadDeadline(time.Now().Add(s.opt.ReadTimeout)) // readBody takes it away
		}
		w := &writer{c.Response().Writer, rc, s.opt.WriteTimeout}
		w.extend() // for 100 Continue
		defer w.extend()
		c.Response().Writer = w
		return next(c)
	}
}

// writer gives each write its time. What the server has buffered at the end is sent in that of the end.
type writer struct {
	http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration
}

func (w *writer) extend() { _ = w.rc.SetWriteDeadline(time.Now().Add(w.timeout)) }

// Write implements io.Writer.
func (w *writer) Write(b []byte) (int, error) {
	w.extend()
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
