package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"frostline/query"
)

// strict checks a request against the document before the generated code binds it: known parameters and fields, each once,
// of the type and within the bounds that the document gives. What it lets pass, the generated code can read.
func (s *Server) strict(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		op := s.operations[c.Request().Method+" "+c.Path()]
		if op == nil {
			return next(c)
		}
		err := op.checkParameters(c)
		if err == nil && op.body != nil {
			err = s.checkBody(c, op)
		}
		if err != nil {
			if op.queries {
				s.metrics.refused()
			}
			return err
		}
		return next(c)
	}
}

// checkParameters refuses parameters that the operation does not have, that are given twice or do not fit.
func (op *operation) checkParameters(c echo.Context) error {
	values, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		return bad("query_string", "", "", "the query string is not well formed")
	}
	given := make([]string, 0, len(values))
	for name := range values {
		given = append(given, name)
	}
	sort.Strings(given) // of several mistakes it is always the same one that is told
	for _, name := range given {
		p := op.query[name]
		if p == nil {
			return unknown("parameter", name, op.names)
		}
		list := p.Schema.Value.Type.Is("array")
		if len(values[name]) > 1 && !list {
			return bad("duplicate", name, "", "parameter %q is given twice", name)
		}
		schema := p.Schema.Value
		if list {
			schema = schema.Items.Value
		}
		for _, text := range values[name] {
			if !utf8.ValidString(text) {
				return bad("query_string", name, "", "parameter %q is not UTF-8", name)
			}
			var v any = text
			if schema.Type.Is("integer") {
				v = json.Number(text)
			}
			if err := checkScalar(schema, name, v); err != nil {
				return err
			}
		}
	}
	for _, name := range op.names {
		if op.query[name].Required && !values.Has(name) {
			return bad("missing_field", name, op.query[name].Description, "parameter %s is missing", name)
		}
	}
	for name, p := range op.path {
		text := c.Param(name)
		if c.Request().URL.RawPath != "" { // then echo matched, and cut, the escaped path
			if text, err = url.PathUnescape(text); err != nil {
				return bad("path", name, "", "the URL is not well formed")
			}
		}
		if text == "" {
			return bad("path", name, "", "%s is empty in the URL", name)
		}
		if !utf8.ValidString(text) {
			return bad("path", name, "", "%s is not UTF-8", name)
		}
		if err := checkScalar(p.Schema.Value, name, text); err != nil {
			return err
		}
	}
	return nil
}

// bodyKey is where a checked body stands in the context, for decode.
const bodyKey = "body"

// checkBody reads the JSON body and checks it.
func (s *Server) checkBody(c echo.Context, op *operation) error {
	if ct := c.Request().Header.Get(echo.HeaderContentType); ct != "" {
		if mt, _, err := mime.ParseMediaType(ct); err != nil || mt != "application/json" {
			return bad("content_type", "", "send application/json", "the content type %q is not understood", ct)
		}
	}
	body, err := s.readBody(c)
	if err != nil {
		return err
	}
	obj, err := decodeObject(body)
	if err != nil {
		return err
	}
	if err := checkValue(op.body, "", obj); err != nil {
		return err
	}
	c.Set(bodyKey, body)
	return nil
}

// errBodyTooLarge is the answer to a body above the limit.
var errBodyTooLarge = &query.Error{Code: query.TooLarge, Reason: "body_too_large", Msg: "the request body is too large"}

// readBody reads the whole body, in the time that inTime gives it.
func (s *Server) readBody(c echo.Context) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, s.opt.BodyBytes))
	if err != nil {
		var big *http.MaxBytesError
		if errors.As(err, &big) {
			return nil, errBodyTooLarge
		}
		return nil, bad("body", "", "", "the request body could not be read to its end")
	}
	// The deadline must not outlive the body: the server's watch for a closed connection reads under it too.
	_ = http.NewResponseController(c.Response()).SetReadDeadline(time.Time{})
	if !utf8.Valid(body) {
		return nil, bad("json", "", "", "the request body is not UTF-8")
	}
	return body, nil
}

// decode reads the checked body into one of the generated types. Numbers of filters keep their digits.
func decode[T any](c echo.Context) (v T, err error) {
	body, _ := c.Get(bodyKey).([]byte)
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return v, bad("json", "", "", "the request body is not understood")
	}
	return v, nil
}

// checkValue checks v, as decodeValue gives it, against schema. path names v to the caller: "" for the body itself.
func checkValue(schema *openapi3.Schema, path string, v any) error {
	if v == nil {
		if schema.Nullable {
			return nil
		}
		return wrongType(schema, path, v)
	}
	if len(schema.AnyOf) > 0 {
		return checkFilter(path, v)
	}
	switch v := v.(type) {
	case []member:
		if !schema.Type.Is("object") {
			return wrongType(schema, path, v)
		}
		return checkObject(schema, path, v)
	case []any:
		if !schema.Type.Is("array") {
			return wrongType(schema, path, v)
		}
		for i, item := range v {
			at := path
			if schema.Items.Value.Type.Is("object") {
				at = fmt.Sprintf("%s[%d]", path, i)
			}
			if kindOf(item) != kindWanted(schema.Items.Value) {
				return bad("field_type", path, "", "field %q must be %s, it holds %s", path, wanted(schema), kindOf(item))
			}
			if err := checkValue(schema.Items.Value, at, item); err != nil {
				return err
			}
		}
		return nil
	}
	if kindOf(v) != kindWanted(schema) {
		return wrongType(schema, path, v)
	}
	return checkScalar(schema, path, v)
}

func checkObject(schema *openapi3.Schema, path string, obj []member) error {
	given := map[string]bool{}
	for _, m := range obj {
		given[m.name] = true
		at := m.name
		if path != "" {
			at = path + "." + m.name
		}
		p := schema.Properties[m.name]
		if p == nil {
			p = schema.AdditionalProperties.Schema // of filters, whose members are named by themselves
			at = m.name
		}
		if p == nil {
			var names []string
			for name := range schema.Properties {
				names = append(names, name)
			}
			sort.Strings(names)
			if m.name == "archivePath" && path == "" {
				return bad("unknown_field", m.name, "the path of this endpoint names the archive; use POST /api/v1/archives/query to give archivePath",
					"field %q is not allowed here", m.name)
			}
			return unknown("field", m.name, names)
		}
		if err := checkValue(p.Value, at, m.value); err != nil {
			return err
		}
	}
	for _, name := range schema.Required {
		if !given[name] {
			return bad("missing_field", path+"."+name, "", "field %q is missing in %s", name, path)
		}
	}
	return nil
}

// checkFilter refuses a filter that is not a value or a list of values.
func checkFilter(path string, v any) error {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, v := range list {
		switch v.(type) {
		case []any, []member:
			return bad("field_type", path, "", "filter %q must be a value or a list of values, it holds %s", path, kindOf(v))
		}
	}
	return nil
}

// checkScalar checks the bounds, the pattern and the enumeration of a string, number or boolean. The code of the refusal is the
// document's x-code.
func checkScalar(schema *openapi3.Schema, path string, v any) error {
	code, _ := schema.Extensions["x-code"].(string)
	if code == "" {
		code = "field_type"
	}
	if n, ok := v.(json.Number); ok {
		if !schema.Type.Is("integer") {
			return nil
		}
		i, err := strconv.ParseInt(n.String(), 10, 64)
		if err != nil || schema.Min != nil && float64(i) < *schema.Min {
			return bad(code, path, "", "%s %q is not a whole number from %s up", path, n.String(), least(schema))
		}
		if schema.Max != nil && float64(i) > *schema.Max {
			return bad(code, path, "", "%s %d is above the largest allowed, %.0f", path, i, *schema.Max)
		}
		return nil
	}
	err := schema.VisitJSON(v)
	if err == nil {
		return nil
	}
	if len(schema.Enum) > 0 {
		var names []string
		for _, e := range schema.Enum {
			names = append(names, fmt.Sprint(e))
		}
		hint := "use " + quoted(names)
		if n := query.Nearest(fmt.Sprint(v), names); n != "" {
			hint = "did you mean " + strconv.Quote(n) + "? use " + quoted(names)
		}
		return bad(code, path, hint, "%s %q is not known", path, v)
	}
	if v == "" {
		return bad(code, path, schema.Description, "%s is empty", path)
	}
	reason := "does not fit"
	var se *openapi3.SchemaError
	if errors.As(err, &se) {
		reason = "does not fit: " + se.Reason
	}
	return bad(code, path, schema.Description, "%s %s", path, reason)
}

func least(schema *openapi3.Schema) string {
	if schema.Min == nil {
		return "0"
	}
	return strconv.FormatFloat(*schema.Min, 'f', -1, 64)
}

// quoted is `"a", "b" or "c"`.
func quoted(names []string) string {
	q := make([]string, len(names))
	for i, n := range names {
		q[i] = strconv.Quote(n)
	}
	if len(q) < 2 {
		return strings.Join(q, "")
	}
	return strings.Join(q[:len(q)-1], ", ") + " or " + q[len(q)-1]
}

func wrongType(schema *openapi3.Schema, path string, v any) error {
	return bad("field_type", path, "", "field %q must be %s, it is %s", path, wanted(schema), kindOf(v))
}

// kindWanted is kindOf of the values that schema takes.
func kindWanted(schema *openapi3.Schema) string {
	switch {
	case schema.Type.Is("string"):
		return "a string"
	case schema.Type.Is("boolean"):
		return "a boolean"
	case schema.Type.Is("array"):
		return "a list"
	case schema.Type.Is("object"):
		return "an object"
	}
	return "a number"
}

func wanted(schema *openapi3.Schema) string {
	if schema.Type.Is("array") {
		return "a list of " + strings.TrimPrefix(strings.TrimPrefix(kindWanted(schema.Items.Value), "a "), "an ") + "s"
	}
	return kindWanted(schema)
}

// unknown is the refusal of a name that is none of valid.
func unknown(what, name string, valid []string) error {
	hint := "known: " + strings.Join(valid, ", ")
	if len(valid) == 0 {
		hint = "this operation takes no " + what + "s"
	}
	if n := query.Nearest(name, valid); n != "" {
		hint = "did you mean " + strconv.Quote(n) + "?"
	}
	return bad("unknown_"+what, name, hint, "%s %q is not known", what, name)
}
