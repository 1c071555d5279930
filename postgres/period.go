package postgres

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// period is a calendar year, month, day or hour: [from, to).
type period struct{ from, to time.Time }

var periodPattern = regexp.MustCompile(`^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[ T](\d{2}))?)?)?$`)

// parsePeriod reads "2024", "2024-01", "2024-01-15" or "2024-01-15 13".
func parsePeriod(s string) (period, bool) {
	m := periodPattern.FindStringSubmatch(s)
	if m == nil {
		return period{}, false
	}
	part := func(i, without int) int {
		if m[i] == "" {
			return without
		}
		n, _ := strconv.Atoi(m[i])
		return n
	}
	year, month, day, hour := part(1, 0), part(2, 1), part(3, 1), part(4, 0)
	from := time.Date(year, time.Month(month), day, hour, 0, 0, 0, time.UTC)
	if year == 0 || from.Year() != year || int(from.Month()) != month || from.Day() != day || from.Hour() != hour {
		return period{}, false // 2024-13, 2024-02-30: no such day
	}
	to := from.Add(time.Hour)
	switch {
	case m[2] == "":
		to = from.AddDate(1, 0, 0)
	case m[3] == "":
		to = from.AddDate(0, 1, 0)
	case m[4] == "":
		to = from.AddDate(0, 0, 1)
	}
	return period{from, to}, true
}

// timestamps are from, the last instant that PostgreSQL can tell from to, and to, as timestamp text.
func (p period) timestamps() (from, last, to string) {
	text := func(t time.Time) string {
		return fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d.%06d", t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond()/1000)
	}
	return text(p.from), text(p.to.Add(-time.Microsecond)), text(p.to)
}
