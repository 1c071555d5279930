// Package progress tells how a run gets on: steps with their times for the JSON result, and rows and
// bytes as they pass, as a bar on a terminal and as a line every few seconds elsewhere.
package progress

import "time"

// Reporter hears of work done. Its methods may be called from several goroutines; steps do not
// overlap.
type Reporter interface {
	Begin(step string, totalRows int64) // totalRows -1 when unknown
	Add(rows, bytes int64)
	End()
}

// Silent is the Reporter that says nothing.
var Silent Reporter = silent{}

type silent struct{}

func (silent) Begin(string, int64) {}
func (silent) Add(int64, int64)    {}
func (silent) End()                {}

// Step is how long one step took.
type Step struct {
	Step    string  `json:"step"`
	Seconds float64 `json:"seconds"`
}

// Clock takes the times of steps that follow each other.
type Clock struct {
	Steps []Step
	last  time.Time
}

// NewClock starts now.
func NewClock() *Clock { return &Clock{last: time.Now()} }

// Done ends a step, which began when the one before it ended.
func (c *Clock) Done(step string) {
	now := time.Now()
	c.Steps = append(c.Steps, Step{step, now.Sub(c.last).Seconds()})
	c.last = now
}

// Seconds is the sum of all steps.
func (c *Clock) Seconds() (sum float64) {
	for _, s := range c.Steps {
		sum += s.Seconds
	}
	return sum
}
