package cli

import (
	"fmt"
	"strings"

	"frostline/postgres"
)

// TableName reads schema.table; a name with dots or other marks stands in double quotes, and without a schema it is public. Names are taken
// as they are, as by --table: nothing is folded to lower case.
func TableName(s string) (postgres.Name, error) {
	var parts []string
	for rest := s; ; {
		part, after, err := identifier(rest)
		if err != nil {
			return postgres.Name{}, fmt.Errorf("%w: %q: %w", ErrUsage, s, err)
		}
		parts = append(parts, part)
		if after == "" {
			break
		}
		rest = after[1:]
	}
	switch len(parts) {
	case 1:
		return postgres.Name{Schema: "public", Table: parts[0]}, nil
	case 2:
		return postgres.Name{Schema: parts[0], Table: parts[1]}, nil
	}
	return postgres.Name{}, fmt.Errorf("%w: %q has %d parts, want schema.table", ErrUsage, s, len(parts))
}

// identifier takes the first name off s; after is empty or starts with a dot.
func identifier(s string) (name, after string, err error) {
	if !strings.HasPrefix(s, `"`) {
		i := strings.IndexByte(s, '.')
		if i < 0 {
			i = len(s)
		}
		name, after = s[:i], s[i:]
	} else {
		end := 1
		for ; end < len(s); end++ {
			if s[end] != '"' {
				continue
			}
			if end+1 == len(s) || s[end+1] != '"' {
				break
			}
			end++
		}
		if end == len(s) {
			return "", "", fmt.Errorf("a quote is not closed")
		}
		name, after = strings.ReplaceAll(s[1:end], `""`, `"`), s[end+1:]
		if after != "" && after[0] != '.' {
			return "", "", fmt.Errorf("%q stands after a quoted name", after)
		}
	}
	if name == "" {
		return "", "", fmt.Errorf("a name is empty")
	}
	return name, after, nil
}
