package rest

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"frostline/query"
	"frostline/rest/api"
)

// defaultLimit is the limit of a request that names none, for an answer in JSON.
const defaultLimit = 1000

// ask is one query as a caller asked for it.
type ask struct {
	query.Request
	format  api.Format
	strings bool   // decimals and large integers as strings
	bound   []byte // the hash of what a page's token is bound to
	page    *page  // of the token given, nil without
}

// ask reads q, which strict has let pass.
func (s *Server) ask(c echo.Context, q api.Query) (ask, error) {
	a := ask{Request: request(q), strings: q.Numbers == api.NumbersString}
	var err error
	if a.Snapshot, err = snapshot(q.SnapshotId); err != nil {
		return a, err
	}
	if a.format, err = s.format(c, q.Format); err != nil {
		return a, err
	}
	switch {
	case q.Limit != nil:
		a.Limit = *q.Limit
	case a.format == api.FormatJson:
		a.Limit = defaultLimit
	default:
		a.Limit = -1
	}
	if q.Count == api.CountNone || a.format != api.FormatJson { // only JSON tells a total
		a.Count = query.CountNone
	}
	a.bound = bind(callerOf(c), a.Request)
	if q.PageToken == "" {
		return a, nil
	}
	if q.Offset != 0 {
		return a, bad("bad_offset", "offset", "leave the offset out", "offset and pageToken exclude each other")
	}
	if a.page, err = s.tokens.open(q.PageToken, a.bound); err != nil {
		return a, err
	}
	a.After = &a.page.Position
	if a.page.Matched != nil { // the first page has counted, in the same snapshot
		a.Count = query.CountNone
	}
	return a, nil
}

// request is what the engine is asked, but for the limit and the page.
func request(q api.Query) query.Request {
	r := query.Request{Path: q.ArchivePath, Columns: q.Columns, Filters: q.Filters, Expression: q.FilterExpression,
		Offset: q.Offset, GroupBy: q.GroupBy}
	for _, a := range q.Aggregates {
		r.Aggregates = append(r.Aggregates, query.Aggregate{Func: string(a.Function), Column: a.Column, Distinct: a.Distinct, As: a.As})
	}
	for _, o := range q.OrderBy {
		key := query.Order{Column: o.Column, Desc: o.Direction == api.OrderDirectionDesc}
		if o.Nulls != "" {
			first := o.Nulls == api.OrderNullsFirst
			key.NullsFirst = &first
		}
		r.OrderBy = append(r.OrderBy, key)
	}
	return r
}

// snapshot reads a snapshot's id; "" is 0, the newest.
func snapshot(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id == 0 {
		return 0, bad("bad_snapshot", "snapshotId", "GET /api/v1/archives/snapshots lists them", "snapshotId %s is no snapshot", text)
	}
	return id, nil
}

// binding is what a page's token is bound to. Limit and count may differ from page to page.
type binding struct {
	Caller     string
	Path       string
	Columns    []string
	Filters    map[string]any
	Expression string
	GroupBy    []string
	Aggregates []query.Aggregate
	OrderBy    []query.Order
	Snapshot   int64
}

// bind is the hash of the parts of r that all pages share.
func bind(caller Caller, r query.Request) []byte {
	text, err := json.Marshal(binding{caller.scope(), r.Path, r.Columns, r.Filters, r.Expression, r.GroupBy, r.Aggregates, r.OrderBy, r.Snapshot})
	if err != nil {
		panic(err) // strings and numbers of a JSON body
	}
	return hash(text)
}

// columnList reads a columns parameter: names with commas between; one that holds a comma or a quote
// stands in double quotes, inner ones doubled.
func columnList(values []string) ([]string, error) {
	var out []string
	for _, s := range values {
		for rest := s; rest != ""; {
			if !strings.HasPrefix(rest, `"`) {
				name, tail, more := strings.Cut(rest, ",")
				name = strings.TrimSpace(name)
				if name == "" || more && strings.TrimSpace(tail) == "" {
					return nil, bad("bad_columns", "columns", "", "columns %q has an empty name", s)
				}
				out, rest = append(out, name), strings.TrimLeft(tail, " ")
				continue
			}
			var b strings.Builder
			i := 1
			for ; i < len(rest); i++ {
				if rest[i] == '"' {
					if i+1 < len(rest) && rest[i+1] == '"' {
						i++
					} else {
						break
					}
				}
				b.WriteByte(rest[i])
			}
			if i >= len(rest) {
				return nil, bad("bad_columns", "columns", "", "columns %q has a quote that does not end", s)
			}
			out = append(out, b.String())
			rest = strings.TrimLeft(rest[i+1:], " ")
			if rest == "" {
				break
			}
			tail, ok := strings.CutPrefix(rest, ",")
			if !ok || strings.TrimSpace(tail) == "" {
				return nil, bad("bad_columns", "columns", "", "columns %q needs a comma and a name after a quoted name", s)
			}
			rest = strings.TrimLeft(tail, " ")
		}
	}
	return out, nil
}
