package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"

	"frostline/query"
)

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
