package coltype

import "testing"

func TestAddMonths(t *testing.T) {
	for _, c := range []struct {
		day    string
		months int64
		want   string
	}{
		{"2024-01-31", 1, "2024-02-29"},
		{"2023-01-31", 1, "2023-02-28"},
		{"2024-03-31", -1, "2024-02-29"},
		{"2024-12-15", 1, "2025-01-15"},
		{"2024-01-15", -1, "2023-12-15"},
		{"2024-02-29", 12, "2025-02-28"},
		{"2024-02-29", -48, "2020-02-29"},
		{"0001-01-31", -1, "0001-12-31 BC"},
		{"0004-03-01 BC", 1200, "0097-03-01"},
	} {
		day, err := ParseText(Type{Kind: Date}, c.day)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(AppendDate(nil, AddMonths(day.I, c.months))); got != c.want {
			t.Errorf("%s and %d months: got %s, want %s", c.day, c.months, got, c.want)
		}
	}
}
