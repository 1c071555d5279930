package archive

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/agnivade/levenshtein"
)

// key is a key of a mapping in a policy file and what its value sets.
type key struct {
	name string
	set  func(*yaml.Node) error
}

// mapping reads a mapping with these keys and no others, each once.
func mapping(n *yaml.Node, what string, keys []key) error {
	if n.Kind != yaml.MappingNode {
		return wrong(n, what+" is not a mapping of keys to values")
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		j := slices.IndexFunc(keys, func(known key) bool { return k.Kind == yaml.ScalarNode && known.name == k.Value })
		if j < 0 {
			return wrong(k, fmt.Sprintf("%s has no key %q; %s", what, k.Value, meant(k.Value, keys)))
		}
		if line := seen[k.Value]; line > 0 {
			return wrong(k, fmt.Sprintf("%s stands in line %d already", k.Value, line))
		}
		seen[k.Value] = k.Line
		if v.Kind == yaml.AliasNode || v.Anchor != "" {
			return wrong(v, k.Value+": anchors and aliases are not supported; use defaults")
		}
		if err := keys[j].set(v); err != nil {
			return err
		}
	}
	return nil
}

func wrong(n *yaml.Node, why string) error { return fmt.Errorf("line %d: %s", n.Line, why) }

// meant names the nearest key, or all of them when none is near.
func meant(name string, keys []key) string {
	best, score := "", 1+len(name)/2
	var all []string
	for _, k := range keys {
		all = append(all, k.name)
		if d := levenshtein.ComputeDistance(plain(name), plain(k.name)); d < score {
			best, score = k.name, d
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	return "the keys are " + strings.Join(all, ", ")
}

// plain is a key without regard to case and to the sort of separator.
func plain(s string) string {
	return strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(s))
}

func node(to **yaml.Node) func(*yaml.Node) error {
	return func(n *yaml.Node) error { *to = n; return nil }
}

// text takes a string that is not empty. A number or a date without quotes is one too: older_than: 90.
func text(to *string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || strings.TrimSpace(n.Value) == "" {
			return wrong(n, "a text is needed here")
		}
		*to = n.Value
		return nil
	}
}

// texts takes a list of strings, or one.
func texts(to *[]string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		items := []*yaml.Node{n}
		if n.Kind == yaml.SequenceNode {
			items = n.Content
		}
		*to = nil
		for _, item := range items {
			var s string
			if err := text(&s)(item); err != nil {
				return err
			}
			*to = append(*to, s)
		}
		return nil
	}
}

func choice[T ~string](to *T, allowed ...T) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.ScalarNode || !slices.Contains(allowed, T(n.Value)) {
			var names []string
			for _, a := range allowed {
				names = append(names, string(a))
			}
			return wrong(n, fmt.Sprintf("%q is none of %s", n.Value, strings.Join(names, ", ")))
		}
		*to = T(n.Value)
		return nil
	}
}

func boolean(to *bool) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Tag != "!!bool" {
			return wrong(n, fmt.Sprintf("%q is neither true nor false", n.Value))
		}
		return n.Decode(to)
	}
}

func number(to *int, low, high int) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		v, err := strconv.Atoi(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil || v < low || v > high {
			return wrong(n, fmt.Sprintf("%q is not a number from %d to %d", n.Value, low, high))
		}
		*to = v
		return nil
	}
}

// size takes bytes with a unit: "200 MiB", "1GB".
func size(to *int64, low, high int64) func(*yaml.Node) error {
	units := []struct {
		name  string
		bytes float64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}}
	return func(n *yaml.Node) error {
		for _, u := range units {
			digits, ok := strings.CutSuffix(n.Value, u.name)
			if !ok || n.Kind != yaml.ScalarNode {
				continue
			}
			v, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
			if err != nil || !(v*u.bytes >= float64(low) && v*u.bytes <= float64(high)) {
				break
			}
			*to = int64(v * u.bytes)
			return nil
		}
		return wrong(n, fmt.Sprintf("%q is not a size with a unit, such as 200 MiB, from %d to %d bytes", n.Value, low, high))
	}
}

func patternNode(n *yaml.Node) (p Pattern, err error) {
	var s string
	if err := text(&s)(n); err != nil {
		return p, err
	}
	if p, err = ParsePattern(s); err != nil {
		return p, wrong(n, err.Error())
	}
	return p, nil
}
