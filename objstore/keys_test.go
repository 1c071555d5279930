package objstore

import (
	"reflect"
	"strings"
	"testing"
)

func TestSegment(t *testing.T) {
	for name, want := range map[string]string{
		"":                      ".empty",
		"orders_2024-01":        "orders_2024-01",
		"transaction=2024":      "transaction=2024",
		".":                     ".2E",
		"..":                    ".2E.2E",
		".2E":                   ".2E2E",
		".empty":                ".2Eempty",
		"a/b":                   "a.2Fb",
		`quo"te'`:               "quo.22te.27",
		"Ü z":                   ".C3.9C.20z",
		"2024-01-01 00:00:00+0": "2024-01-01.2000.3A00.3A00.2B0",
		"a\x00\xff":             "a.00.FF",
		"%41":                   ".2541",
	} {
		if got := Segment(name); got != want {
			t.Errorf("Segment(%q): %q, want %q", name, got, want)
		}
	}
}

func FuzzSegment(f *testing.F) {
	f.Add("a.2E", "a.")
	f.Add("", ".empty")
	f.Fuzz(func(t *testing.T, a, b string) {
		sa, sb := Segment(a), Segment(b)
		if (a == b) != (sa == sb) {
			t.Errorf("%q and %q become %q and %q", a, b, sa, sb)
		}
		if err := checkKey(sa); err != nil || strings.Contains(sa, "/") || sa == tempDir {
			t.Errorf("Segment(%q) = %q is no segment: %v", a, sa, err)
		}
	})
}

func TestCoalesce(t *testing.T) {
	for _, test := range []struct {
		name   string
		ranges []Range
		want   []span
	}{
		{"none", nil, nil},
		{"empty ones", []Range{{5, 0}, {9, 0}}, nil},
		{"a gap of the limit", []Range{{0, 100}, {100 + 256<<10, 100}}, []span{{Range{0, 200 + 256<<10}, []int{0, 1}}}},
		{"a gap above the limit", []Range{{0, 100}, {101 + 256<<10, 100}},
			[]span{{Range{0, 100}, []int{0}}, {Range{101 + 256<<10, 100}, []int{1}}}},
		{"joined up to 8 MiB", []Range{{0, 5 << 20}, {5 << 20, 3 << 20}, {8 << 20, 1}},
			[]span{{Range{0, 8 << 20}, []int{0, 1}}, {Range{8 << 20, 1}, []int{2}}}},
		{"sorted", []Range{{900, 10}, {0, 10}}, []span{{Range{0, 910}, []int{1, 0}}}},
		{"long, with one inside and one across its end", []Range{{0, 20 << 20}, {19 << 20, 2 << 20}, {1 << 20, 1 << 20}},
			[]span{{Range{0, 20 << 20}, []int{0, 2}}, {Range{19 << 20, 2 << 20}, []int{1}}}},
	} {
		if got := coalesce(test.ranges); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}
