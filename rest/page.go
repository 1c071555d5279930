package rest

import (
	"github.com/labstack/echo/v4"

	webpage "frostline/rest/page"
)

// page serves the page for people. It holds no data: what it shows it asks of the API, as its reader.
func (s *Server) page() {
	h := echo.WrapHandler(webpage.Handler())
	s.echo.GET("/", h)
	s.echo.GET("/page/:file", h)
}
