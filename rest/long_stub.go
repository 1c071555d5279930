package rest

import (
	"github.com/labstack/echo/v4"

	"frostline/rest/api"
)

func (h handlers) CancelQuery(c echo.Context, id string) error   { return echo.ErrNotImplemented }
func (h handlers) DeleteQuery(c echo.Context, id string) error   { return echo.ErrNotImplemented }
func (h handlers) QueryState(c echo.Context, id string) error    { return echo.ErrNotImplemented }
func (h handlers) QueryDownload(c echo.Context, id string) error { return echo.ErrNotImplemented }
func (h handlers) QueryResults(c echo.Context, id string, p api.QueryResultsParams) error {
	return echo.ErrNotImplemented
}
func (h handlers) ListQueries(c echo.Context, p api.ListQueriesParams) error {
	return echo.ErrNotImplemented
}
func (h handlers) Submit(c echo.Context) error { return echo.ErrNotImplemented }
