package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"gopkg.in/yaml.v3"

	"frostline/objstore"
)

// Policy is a policy file: which tables are archived, what of them is cold, and how it is kept.
type Policy struct {
	Path      string
	Warehouse string // "" takes the environment's
	Jobs      int    // runs at once, 0 is 1
	Tables    []PolicyTable
}

// PolicyTable is one entry of tables, the defaults filled in.
type PolicyTable struct {
	Line      int     // of the entry
	Pattern   Pattern // the tables that it is for
	OlderThan string  // leaves of this age, or
	Mode      Export  // a date export
	Column    string

	Retire    Retire
	Replace   bool
	Verify    bool
	SortBy    []string
	Bloom     []string
	FileBytes int64
	Workers   int
	MaxRate   int64 // bytes a second
	Storage   objstore.Storage
}

// ReadPolicy reads a policy file. It is strict: an unknown key, a value of another type, a key given twice or two keys that exclude
// each other are errors with the line and, for a key, the nearest valid one. Errors wrap ErrBadInput.
func ReadPolicy(path string) (*Policy, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read policy: %w: %w", ErrBadInput, err)
	}
	p, err := ParsePolicy(data)
	if err != nil {
		return nil, fmt.Errorf("read policy %s: %w: %w; nothing was archived", path, ErrBadInput, err)
	}
	p.Path = path
	return p, nil
}

// ParsePolicy is ReadPolicy of a file's bytes.
func ParsePolicy(data []byte) (*Policy, error) {
	d := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty; it needs tables")
	} else if err != nil {
		return nil, err
	}
	if err := d.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("the file has more than one YAML document, or something behind the first")
	}
	p := &Policy{}
	var defaults, tables *yaml.Node
	err := mapping(doc.Content[0], "the file", []key{
		{"warehouse", text(&p.Warehouse)},
		{"jobs", number(&p.Jobs, 1, maxJobs)},
		{"defaults", node(&defaults)},
		{"tables", node(&tables)},
	})
	if err != nil {
		return nil, err
	}
	if tables == nil || tables.Kind != yaml.SequenceNode || len(tables.Content) == 0 {
		return nil, fmt.Errorf("line %d: tables is missing, or no list with an entry for each table or pattern", doc.Content[0].Line)
	}
	var base PolicyTable
	if defaults != nil {
		if err := mapping(defaults, "defaults", base.keys()); err != nil {
			return nil, err
		}
	}
	seen := map[Pattern]int{}
	for _, n := range tables.Content {
		t, err := policyTable(n, base)
		if err != nil {
			return nil, err
		}
		if line := seen[t.Pattern]; line > 0 {
			return nil, fmt.Errorf("line %d: table %s has an entry in line %d already", t.Line, t.Pattern, line)
		}
		seen[t.Pattern] = t.Line
		p.Tables = append(p.Tables, t)
	}
	return p, nil
}

// policyTable reads one entry. What is cold is taken from the defaults only where the entry does not say it itself.
func policyTable(n *yaml.Node, base PolicyTable) (PolicyTable, error) {
	t := base
	t.Line = n.Line
	var own PolicyTable
	name := key{"table", func(v *yaml.Node) (err error) {
		t.Pattern, err = patternNode(v)
		return err
	}}
	ignored := name
	ignored.set = func(*yaml.Node) error { return nil }
	if err := mapping(n, "the entry of a table", append([]key{name}, t.keys()...)); err != nil {
		return t, err
	}
	if err := mapping(n, "the entry of a table", append([]key{ignored}, own.keys()...)); err != nil {
		return t, err
	}
	switch {
	case own.OlderThan != "" && own.Mode != "":
	case own.OlderThan != "":
		t.Mode = ""
	case own.Mode != "":
		t.OlderThan = ""
	}
	return t, t.check()
}

// check says what does not go together.
func (t PolicyTable) check() error {
	var why string
	switch {
	case t.Pattern == Pattern{}:
		why = "table is missing: schema.table, or a pattern such as audit.*"
	case t.OlderThan != "" && t.Mode != "":
		why = "older_than and mode exclude each other: partitions by age, or a date export"
	case t.OlderThan == "" && t.Mode == "":
		why = "it does not say what is cold: older_than (partitions by age) or mode (incremental or full date export)"
	case t.Mode == Incremental && t.Column == "":
		why = "mode incremental needs column, the date or timestamp column whose day is exported"
	case t.Mode == Full && t.Column != "":
		why = "mode full takes no column"
	case t.Mode != "" && t.Retire != Keep:
		why = "retire " + string(t.Retire) + ": a date export copies rows, and nothing is deleted; only partitions (older_than) can be retired"
	default:
		if err := t.Storage.Check(); err != nil {
			why = err.Error()
		}
	}
	if why != "" {
		return fmt.Errorf("line %d: %s", t.Line, why)
	}
	return nil
}

// keys are those of an entry and of the defaults.
func (t *PolicyTable) keys() []key {
	return []key{
		{"older_than", text(&t.OlderThan)},
		{"mode", choice(&t.Mode, Incremental, Full)},
		{"column", text(&t.Column)},
		{"retire", func(n *yaml.Node) error {
			var r Retire
			if err := choice(&r, "keep", Detach, Drop)(n); err != nil {
				return err
			}
			if t.Retire = r; r == "keep" {
				t.Retire = Keep
			}
			return nil
		}},
		{"replace", boolean(&t.Replace)},
		{"verify", boolean(&t.Verify)},
		{"sort_by", texts(&t.SortBy)},
		{"bloom", texts(&t.Bloom)},
		{"file_size", size(&t.FileBytes, 1<<20, 1<<34)},
		{"workers", number(&t.Workers, 1, 32)},
		{"max_rate", size(&t.MaxRate, 1<<10, 1<<40)},
		{"storage_class", text(&t.Storage.Class)},
		{"encryption", text(&t.Storage.Encryption)},
		{"kms_key", text(&t.Storage.KMSKey)},
		{"object_lock", func(n *yaml.Node) error {
			t.Storage.LockMode, t.Storage.LockDays = "", 0
			return mapping(n, "object_lock", []key{
				{"mode", text(&t.Storage.LockMode)},
				{"days", number(&t.Storage.LockDays, 1, 36500)},
			})
		}},
	}
}

// Pattern names tables: each part a name, or with * and ? a pattern; a part in double quotes is always a name.
type Pattern struct {
	Schema, Table       string
	wildSchema, wildTab bool
}

// ParsePattern reads "schema.table", "audit.*", "\"My Schema\".\"a.b\"".
func ParsePattern(s string) (Pattern, error) {
	var p Pattern
	var rest string
	var ok bool
	if p.Schema, p.wildSchema, rest, ok = patternPart(s); ok && strings.HasPrefix(rest, ".") {
		if p.Table, p.wildTab, rest, ok = patternPart(rest[1:]); ok && rest == "" {
			return p, nil
		}
	}
	return Pattern{}, fmt.Errorf(`%q is not schema.table; quote names that have a dot: "my.schema"."table"`, s)
}

func patternPart(s string) (part string, wild bool, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		i := strings.IndexByte(s, '.')
		if i < 0 {
			i = len(s)
		}
		part = s[:i]
		return part, strings.ContainsAny(part, "*?"), s[i:], part != "" && !strings.Contains(part, `"`)
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] == '"' {
			if i+1 == len(s) || s[i+1] != '"' {
				return b.String(), false, s[i+1:], b.Len() > 0
			}
			i++
		}
		b.WriteByte(s[i])
	}
	return "", false, "", false
}

// Wild says whether it can name several tables.
func (p Pattern) Wild() bool { return p.wildSchema || p.wildTab }

func (p Pattern) String() string { return p.Schema + "." + p.Table }

func (p Pattern) match(schema, table string) bool {
	return matchPart(p.Schema, p.wildSchema, schema) && matchPart(p.Table, p.wildTab, table)
}

func matchPart(pattern string, wild bool, name string) bool {
	if !wild {
		return pattern == name
	}
	return glob([]rune(pattern), []rune(name))
}

// glob matches * and ?.
func glob(pattern, name []rune) bool {
	star, from := -1, 0
	i, j := 0, 0
	for j < len(name) {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, from = i, j
			i++
		case i < len(pattern) && (pattern[i] == '?' || pattern[i] == name[j]):
			i, j = i+1, j+1
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	for i < len(pattern) && pattern[i] == '*' {
		i++
	}
	return i == len(pattern)
}
