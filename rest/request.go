package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"frostline/query"
)

// defaultLimit is the limit of a request that names none.
const defaultLimit = 1000

// bodyFields are the fields of a query's JSON body.
var bodyFields = []string{"archivePath", "columns", "filters", "filterExpression", "limit", "offset", "count"}

// tooLarge is the answer to a body above the limit.
var errTooLarge = &query.Error{Code: query.TooLarge, Reason: "body_too_large", Msg: "the request body is too large"}

// readBody reads a query's JSON body: strict, each field once, nothing unknown, nothing after it.
func (s *Server) readBody(c echo.Context, withPath bool) (query.Request, error) {
	r := query.Request{Limit: defaultLimit}
	if ct := c.Request().Header.Get(echo.HeaderContentType); ct != "" {
		if mt, _, err := mime.ParseMediaType(ct); err != nil || mt != "application/json" {
			return r, bad("content_type", "", "send application/json", "the content type %q is not understood", ct)
		}
	}
	// A slow sender is cut off. The deadline must not outlive the body: the server's watch for a closed
	// connection reads under it too.
	rc := http.NewResponseController(c.Response())
	_ = rc.SetReadDeadline(time.Now().Add(s.opt.ReadTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, s.opt.BodyBytes))
	_ = rc.SetReadDeadline(time.Time{})
	if err != nil {
		var big *http.MaxBytesError
		if errors.As(err, &big) {
			return r, errTooLarge
		}
		return r, bad("body", "", "", "the request body could not be read to its end")
	}
	if !utf8.Valid(body) {
		return r, bad("json", "", "", "the request body is not UTF-8")
	}
	obj, err := decodeObject(body)
	if err != nil {
		return r, err
	}
	for _, m := range obj {
		if m.name == "archivePath" && !withPath {
			return r, bad("unknown_field", m.name, "the path of this endpoint names the archive; use POST /api/v1/archives/query to give archivePath",
				"field %q is not allowed here", m.name)
		}
		if err := setField(&r, m); err != nil {
			return r, err
		}
	}
	return r, nil
}

// setField sets the field of r that m is.
func setField(r *query.Request, m member) error {
	wrong := func(want string) error {
		return bad("field_type", m.name, "", "field %q must be %s, it is %s", m.name, want, kindOf(m.value))
	}
	if m.value == nil && known(m.name) { // null is the same as absent
		return nil
	}
	switch m.name {
	case "archivePath", "filterExpression", "count":
		text, ok := m.value.(string)
		if !ok {
			return wrong("a string")
		}
		switch m.name {
		case "archivePath":
			r.Path = text
		case "filterExpression":
			r.Expression = text
		default:
			return setCount(r, text)
		}
	case "columns":
		list, ok := m.value.([]any)
		if !ok {
			return wrong("a list of strings")
		}
		for _, v := range list {
			name, ok := v.(string)
			if !ok {
				return bad("field_type", m.name, "", "field %q must be a list of strings, it holds %s", m.name, kindOf(v))
			}
			r.Columns = append(r.Columns, name)
		}
	case "filters":
		obj, ok := m.value.([]member)
		if !ok {
			return wrong("an object")
		}
		r.Filters = make(map[string]any, len(obj))
		for _, f := range obj {
			if err := flat(f); err != nil {
				return err
			}
			r.Filters[f.name] = f.value
		}
	case "limit", "offset":
		n, ok := m.value.(json.Number)
		if !ok {
			return wrong("a number")
		}
		return setNumber(r, m.name, n.String())
	default:
		return unknown("field", m.name, bodyFields)
	}
	return nil
}

// flat refuses a filter that is not a value or a list of values.
func flat(f member) error {
	list, ok := f.value.([]any)
	if !ok {
		list = []any{f.value}
	}
	for _, v := range list {
		switch v.(type) {
		case []any, []member:
			return bad("field_type", f.name, "", "filter %q must be a value or a list of values, it holds %s", f.name, kindOf(v))
		}
	}
	return nil
}

func known(name string) bool {
	for _, f := range bodyFields {
		if f == name {
			return true
		}
	}
	return false
}

func setCount(r *query.Request, text string) error {
	switch text {
	case "exact":
		r.Count = query.CountExact
	case "none":
		r.Count = query.CountNone
	default:
		return bad("bad_count", "count", `use "exact" or "none"`, "count %q is not known", text)
	}
	return nil
}

func setNumber(r *query.Request, name, text string) error {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return bad("bad_"+name, name, "", "%s %q is not a whole number from 0 up", name, text)
	}
	if name == "limit" {
		r.Limit = n
	} else {
		r.Offset = n
	}
	return nil
}

// unknown is the refusal of a name that is none of valid.
func unknown(what, name string, valid []string) error {
	hint := "known: " + strings.Join(valid, ", ")
	if n := query.Nearest(name, valid); n != "" {
		hint = "did you mean " + strconv.Quote(n) + "?"
	}
	return bad("unknown_"+what, name, hint, "%s %q is not known", what, name)
}

// params are the query parameters of a request: only known ones, each once but those in repeated.
func params(c echo.Context, valid []string, repeated string) (url.Values, error) {
	v, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		return nil, bad("query_string", "", "", "the query string is not well formed")
	}
	for name, values := range v {
		ok := false
		for _, k := range valid {
			ok = ok || k == name
		}
		if !ok {
			return nil, unknown("parameter", name, valid)
		}
		if len(values) > 1 && name != repeated {
			return nil, bad("duplicate", name, "", "parameter %q is given twice", name)
		}
		for _, text := range values {
			if !utf8.ValidString(text) {
				return nil, bad("query_string", name, "", "parameter %q is not UTF-8", name)
			}
		}
	}
	return v, nil
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

// member is one member of a JSON object, in the order sent. Values are string, json.Number, bool, nil, []any, []member.
type member struct {
	name  string
	value any
}

// decodeObject reads one JSON object and nothing else.
func decodeObject(body []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if err != nil {
		var qe *query.Error
		if errors.As(err, &qe) {
			return nil, qe
		}
		return nil, bad("json", "", "", "the request body is not JSON: %s", jsonReason(err, d.InputOffset()))
	}
	obj, ok := v.([]member)
	if !ok {
		return nil, bad("json", "", "send an object", "the request body is %s", kindOf(v))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, bad("json", "", "", "something follows the JSON object in the request body, at byte %d", d.InputOffset())
	}
	return obj, nil
}

// jsonDepth is far above what a request needs.
const jsonDepth = 8

func decodeValue(d *json.Decoder, depth int) (any, error) {
	if depth > jsonDepth {
		return nil, bad("json", "", "", "the request body is nested too deeply")
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		obj := []member{}
		seen := map[string]bool{}
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			name := k.(string)
			if seen[name] {
				return nil, bad("duplicate", name, "", "field %q is given twice", name)
			}
			seen[name] = true
			v, err := decodeValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			obj = append(obj, member{name, v})
		}
		_, err := d.Token()
		return obj, err
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := decodeValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	}
	return t, nil
}

func jsonReason(err error, at int64) string {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "it ends too early"
	}
	return err.Error() + " at byte " + strconv.FormatInt(at, 10)
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case bool:
		return "a boolean"
	case []any:
		return "a list"
	}
	return "an object"
}
