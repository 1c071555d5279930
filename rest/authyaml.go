package rest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"

	"frostline/query"
)

// readYAML reads one strict document into v, a pointer to a struct: every key is known and stands once, and there are no
// anchors. Errors give the line.
func readYAML(data []byte, v any) error {
	d := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := d.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("the file is empty")
		}
		return err
	}
	if err := d.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return errors.New("the file has more than one document")
	}
	if err := checkYAML(doc.Content[0], reflect.TypeOf(v).Elem()); err != nil {
		return err
	}
	return doc.Decode(v)
}

// checkYAML refuses keys that t does not have.
func checkYAML(n *yaml.Node, t reflect.Type) error {
	wrong := func(n *yaml.Node, format string, args ...any) error {
		return fmt.Errorf("line %d: %s", n.Line, fmt.Sprintf(format, args...))
	}
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return wrong(n, "anchors and aliases are not supported")
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t.Kind() == reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			return wrong(n, "a list is needed here")
		}
		for _, item := range n.Content {
			if err := checkYAML(item, t.Elem()); err != nil {
				return err
			}
		}
	case t.Kind() == reflect.Map:
		if n.Kind != yaml.MappingNode {
			return wrong(n, "a mapping is needed here")
		}
		for i := 1; i < len(n.Content); i += 2 {
			if err := checkYAML(n.Content[i], t.Elem()); err != nil {
				return err
			}
		}
	case t.Kind() == reflect.Struct:
		if n.Kind != yaml.MappingNode {
			return wrong(n, "a mapping is needed here")
		}
		fields := map[string]reflect.Type{}
		var names []string
		for i := range t.NumField() {
			name := t.Field(i).Tag.Get("yaml")
			fields[name] = t.Field(i).Type
			names = append(names, name)
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			field, ok := fields[key.Value]
			if !ok {
				if near := query.Nearest(key.Value, names); near != "" {
					return wrong(key, "%q is not known; did you mean %s?", key.Value, near)
				}
				return wrong(key, "%q is not known; the keys are %s", key.Value, strings.Join(names, ", "))
			}
			if err := checkYAML(n.Content[i+1], field); err != nil {
				return err
			}
		}
	default:
		if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
			return wrong(n, "a single value is needed here")
		}
	}
	return nil
}
