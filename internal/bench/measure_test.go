package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"frostline/internal/progress"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []float64
		want float64
	}{
		{"one", []float64{3}, 3},
		{"odd, unsorted", []float64{9, 1, 2}, 2},
		{"even: the mean of the middle two", []float64{4, 1, 100, 2}, 3},
	} {
		if got := median(c.in); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestStep(t *testing.T) {
	var p process
	p.result.Steps = []progress.Step{{Step: "plan", Seconds: 1}, {Step: "copy", Seconds: 2}, {Step: "verify", Seconds: 4}, {Step: "commit", Seconds: 8}}
	if got := p.step("plan", "copy", "commit"); got != 11 {
		t.Errorf("plan, copy and commit took %v, want 11", got)
	}
	if got := p.step("retire"); got != 0 {
		t.Errorf("a step that was not there took %v", got)
	}
}

// The table is for people, the last line for scripts; both show the same figures.
func TestReport(t *testing.T) {
	r := report{Rows: 1000, Runs: 1, Cores: 2, PostgreSQL: "15.1", DuckDB: "1.5", Stream: 2_500_000, Files: 1}
	r.add("archive", "archive, whole process", "COPY TO", "s", 3, 2)
	r.add("archive_rss", "peak memory", "", "bytes", 64e6, 0)
	r.add("query_point", "point lookup", "DuckDB", "ms", 1.5, 3)
	var b bytes.Buffer
	r.print(&b)
	var got []string
	for _, l := range strings.Split(b.String(), "\n") {
		if l = strings.Join(strings.Fields(l), " "); l != "" {
			got = append(got, l)
		}
	}
	want := []string{
		"1000 rows, 2 MB as COPY binary, 1 files, median of 1 runs, 2 cores, PostgreSQL 15.1, DuckDB 1.5",
		"what against ours peer ratio",
		"archive, whole process COPY TO 3.00 s 2.00 s 1.50",
		"peak memory 64.0 MB",
		"point lookup DuckDB 1.5 ms 3.0 ms 0.50",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("printed\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	line, err := json.Marshal(r.Lines[0])
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"name":"archive","what":"archive, whole process","against":"COPY TO","unit":"s","ours":3,"peer":2,"ratio":1.5}`; string(line) != want {
		t.Errorf("as JSON %s, want %s", line, want)
	}
}
