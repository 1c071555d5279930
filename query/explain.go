package query

import "context"

// Explanation is what a query would read, by what metadata says of it.
type Explanation struct {
	Path     string        `json:"path"`
	Snapshot int64         `json:"snapshot"`
	Filter   string        `json:"filter"` // as it was understood, "" without
	Rows     int64         `json:"rows"`   // that could match, at most
	Bytes    int64         `json:"bytes"`  // that would be read of data files, estimated from above
	Requests int64         `json:"requests"`
	Cost     float64       `json:"cost"` // USD for Bytes
	Pruning  Pruning       `json:"pruning"`
	Files    []FileVerdict `json:"files"` // at most explainFiles of them
	Warnings []string      `json:"warnings,omitempty"`
}

// FileVerdict is what is known of a data file.
type FileVerdict struct {
	Partition string         `json:"partition"`
	File      string         `json:"file"` // below the table's location
	Rows      int64          `json:"rows"`
	Bytes     int64          `json:"bytes"`
	Verdict   string         `json:"verdict"` // none: no row can match; all: every row matches; some: unknown
	By        string         `json:"by"`      // "partition", "bounds", "bloom", "page", "" when nothing decided
	RowGroups []GroupVerdict `json:"rowGroups,omitempty"`
}

// GroupVerdict is what is known of a row group.
type GroupVerdict struct {
	Rows    int64  `json:"rows"`
	Verdict string `json:"verdict"`
	By      string `json:"by"`
	Pages   Level  `json:"pages"` // of the filter's columns
	Left    int64  `json:"left"`  // rows that the pages' bounds leave
	Bytes   int64  `json:"bytes"` // estimated to be read
}

// Explain says what r would read, from manifests, footers, Bloom filters and page indexes, and reads no data page.
func (e *Engine) Explain(ctx context.Context, r Request) (*Explanation, error) {
	return nil, e.failed(ctx, r.Path, errUnbuilt)
}
