package rest

import (
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"frostline/query"
)

// throttled is the code of a request above a caller's rate or number.
const throttled query.Code = "too_many_requests"

// allowance is how much of a principal's limits is left.
type allowance struct {
	limits   limitsFile
	rate     *rate.Limiter // nil: no bound
	requests atomic.Int64  // being answered
}

func newAllowance(l limitsFile) *allowance {
	a := &allowance{limits: l}
	if l.Rate > 0 {
		burst := l.Burst
		if burst == 0 {
			burst = max(1, int(math.Ceil(2*l.Rate)))
		}
		a.rate = rate.NewLimiter(rate.Limit(l.Rate), burst)
	}
	return a
}

// long is how many long queries may wait or run; 0 is no bound.
func (a *allowance) long() int {
	if a == nil {
		return 0
	}
	return a.limits.Long
}

// take lets a request in, or says when to ask again. The caller calls done at its end where err is nil. nil takes everything.
func (a *allowance) take() (done func(), err error) {
	if a == nil {
		return func() {}, nil
	}
	if n := a.requests.Add(1); a.limits.Requests > 0 && n > int64(a.limits.Requests) {
		a.requests.Add(-1)
		return nil, &query.Error{Code: throttled, Reason: "too_many_at_once", Msg: "too many requests of this caller are being answered",
			Hint: "wait for one of them to end", RetryAfter: time.Second}
	}
	done = func() { a.requests.Add(-1) }
	if a.rate == nil {
		return done, nil
	}
	r := a.rate.Reserve()
	if wait := r.Delay(); !r.OK() || wait > 0 {
		r.Cancel()
		done()
		return nil, &query.Error{Code: throttled, Msg: "this caller asks more often than it may", Hint: "ask again later", RetryAfter: max(wait, time.Second)}
	}
	return done, nil
}
