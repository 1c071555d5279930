package rest

import "github.com/labstack/echo/v4"

// Caller is who sends a request. Page tokens and long queries belong to one.
type Caller struct {
	ID string // stable and unique; "" while nobody has to say who he is
}

const callerKey = "caller"

// setCaller says who sends the request of c. It is for the middleware that finds it out.
func setCaller(c echo.Context, who Caller) { c.Set(callerKey, who) }

// callerOf is who sends the request of c.
func callerOf(c echo.Context) Caller {
	who, _ := c.Get(callerKey).(Caller)
	return who
}
