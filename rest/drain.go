package rest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"frostline/query"
	"frostline/rest/api"
)

// draining is the code of what is refused while the server is being stopped.
const draining = "draining"

// Serve answers on l until ctx ends, and closes it. Then it drains: /readyz fails at once and answers end their connections, after
// Options.DrainWait no connection is taken any more, and what runs has Options.Grace to end: requests, and long queries, which are
// FAILED after it.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler:           s.echo,
		ReadHeaderTimeout: s.opt.ReadTimeout,
		IdleTimeout:       s.opt.IdleTimeout,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.opt.Log.Handler(), slog.LevelWarn),
	}
	if s.opt.Long.Folder != nil {
		if err := s.long.load(ctx); err != nil { // tried again when a request needs it
			s.opt.Log.Warn("long queries of an earlier process not read", "error", err)
		}
		defer s.long.close()
	}
	stopped := make(chan struct{}) // srv has ended by itself
	done := make(chan error, 1)
	go func() {
		select {
		case <-ctx.Done():
			done <- s.drain(context.WithoutCancel(ctx), srv, stopped)
		case <-stopped:
		}
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		close(stopped)
		return err
	}
	if err := <-done; err != nil {
		return errors.New("shut down: running requests did not finish in time and were cut off")
	}
	return nil
}

// drain ends srv as Serve says.
func (s *Server) drain(ctx context.Context, srv *http.Server, stopped <-chan struct{}) error {
	s.draining.Store(true)
	s.opt.Log.Info("draining", "wait", s.opt.DrainWait, "grace", s.opt.Grace)
	long := make(chan struct{})
	last, cancel := context.WithTimeout(ctx, s.opt.DrainWait+s.opt.Grace)
	defer cancel()
	go func() {
		defer close(long)
		s.long.drain(last)
	}()
	select {
	case <-time.After(s.opt.DrainWait):
	case <-stopped:
	}
	grace, cancel := context.WithTimeout(ctx, s.opt.Grace)
	defer cancel()
	err := srv.Shutdown(grace)
	if err != nil {
		srv.Close()
	}
	<-long
	return err
}

// readiness keeps the last answer of the warehouse for a second, so that probes cost it little.
type readiness struct {
	mu   sync.Mutex
	when time.Time
	err  error
}

// Ready answers whether the warehouse can be reached.
func (h handlers) Ready(c echo.Context) error {
	s := h.Server
	if s.draining.Load() {
		return &query.Error{Code: query.Busy, Reason: draining, Msg: "the server is being stopped"}
	}
	s.ready.mu.Lock()
	defer s.ready.mu.Unlock()
	if time.Since(s.ready.when) > time.Second {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), s.opt.ReadyTimeout)
		s.ready.err = s.engine.Ready(ctx)
		cancel()
		s.ready.when = time.Now()
	}
	if s.ready.err != nil {
		s.opt.Log.Warn("not ready", "error", s.ready.err)
		return &query.Error{Code: query.Unreachable, Msg: "the warehouse cannot be reached"}
	}
	return c.JSON(http.StatusOK, api.Status{Status: "ready"})
}
