package restore

import (
	"errors"
	"strings"
	"testing"
)

// What earlier runs have loaded is left out, however they had cut the files.
func TestUnits(t *testing.T) {
	for _, c := range []struct {
		name         string
		done         []string
		groups, size int
		want         string
	}{
		{"nothing loaded", nil, 6, 4, "f#0-4 f#4-6"},
		{"one group a unit", nil, 3, 1, "f#0-1 f#1-2 f#2-3"},
		{"the same units", []string{"f#4-6"}, 6, 4, "f#0-4"},
		{"smaller ones before", []string{"f#1-2", "f#4-5"}, 7, 4, "f#0-1 f#2-4 f#5-7"},
		{"larger ones before", []string{"f#0-4"}, 6, 1, "f#4-5 f#5-6"},
		{"of another file", []string{"g#0-4", "a#b#0-1"}, 2, 4, "f#0-2"},
		{"all loaded", []string{"f#0-4", "f#4-5"}, 5, 2, ""},
		{"no groups", nil, 0, 4, ""},
	} {
		d := checkpointed{}
		for _, name := range c.done {
			if err := d.add(name); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for _, u := range d.units(nil, "f", c.groups, c.size) {
			got = append(got, u.name())
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %q, want %q", c.name, s, c.want)
		}
	}
	for _, name := range []string{"", "f", "f#", "f#1", "f#2-2", "f#3-1", "f#-1-2", "f#x-y"} {
		if err := (checkpointed{}).add(name); !errors.Is(err, ErrExists) {
			t.Errorf("checkpoint %q: %v, want ErrExists", name, err)
		}
	}
}

func TestUnitSize(t *testing.T) {
	for _, c := range []struct {
		rows    int64
		workers int
		want    int
	}{{0, 2, 1}, {1_000_000, 2, 2}, {1_000_000, 8, 1}, {6_000_000, 2, 4}, {6_000_000, 8, 3}, {1_000_000_000, 8, 4}} {
		if got := unitSize(c.rows, c.workers); got != c.want {
			t.Errorf("%d rows, %d workers: %d row groups, want %d", c.rows, c.workers, got, c.want)
		}
	}
}
