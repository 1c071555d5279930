package restore

import (
	"context"
	"fmt"
	"strings"

	"frostline/parquetio"
)

// A unit is at most this many row groups, about half a million rows, so that a killed load loses little.
const maxGroups = 4

// groupRows is about how many rows a row group has.
const groupRows = 120_000

// unit is what one COPY loads and its transaction checkpoints.
type unit struct {
	file     *parquetio.File
	path     string
	from, to int // row groups
}

func (u unit) name() string { return fmt.Sprintf("%s#%d-%d", u.path, u.from, u.to) }

// unitSize is how many row groups a unit has: so few that every worker has several units, and they end at about the same time.
func unitSize(rows int64, workers int) int {
	return int(min(max(rows/groupRows/int64(2*workers), 1), maxGroups))
}

// checkpointed are the row groups, by path, that earlier runs have loaded, whatever their units were.
type checkpointed map[string]map[int]bool

// add adds the unit of that name.
func (c checkpointed) add(name string) error {
	i := strings.LastIndexByte(name, '#')
	var from, to int
	if i >= 0 {
		if _, err := fmt.Sscanf(name[i:], "#%d-%d", &from, &to); err != nil {
			i = -1
		}
	}
	if i < 0 || from < 0 || to <= from {
		return fmt.Errorf("%w: the checkpoint %q names no row groups; nothing was loaded, drop the staging table and run again", ErrExists, name)
	}
	groups := c[name[:i]]
	if groups == nil {
		groups = map[int]bool{}
		c[name[:i]] = groups
	}
	for g := from; g < to; g++ {
		groups[g] = true
	}
	return nil
}

// units are those of a file that are left to load.
func (c checkpointed) units(f *parquetio.File, path string, groups, size int) (left []unit) {
	done := c[path]
	for from := 0; from < groups; {
		to := from
		for to < groups && to-from < size && !done[to] {
			to++
		}
		if to > from {
			left = append(left, unit{f, path, from, to})
		}
		from = max(to, from+1)
	}
	return left
}

// loaded reads the checkpoints, and counts them.
func (r *Restorer) loaded(ctx context.Context, p *plan) (c checkpointed, units int, err error) {
	rows, err := r.DB.QueryText(ctx, "read checkpoints", "SELECT unit FROM "+p.checkpoints().String())
	if err != nil {
		return nil, 0, fmt.Errorf("load %s: %w", p.label(), err)
	}
	c = checkpointed{}
	for _, row := range rows {
		if err := c.add(*row[0]); err != nil {
			return nil, 0, fmt.Errorf("load %s: %w", p.label(), err)
		}
	}
	return c, len(rows), nil
}
