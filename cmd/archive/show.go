package main

import (
	"context"
	"io"

	"frostline/archive"
	"frostline/iceberg"
)

// showCmd shows the record of an archived partition. It needs no server.
type showCmd struct {
	Table     string `help:"Archived table." required:""`
	Schema    string `help:"Its schema." default:"public"`
	Partition string `help:"Archived partition, as column=value." required:""`
	Text      bool   `help:"Text for people instead of JSON."`
}

func (c *showCmd) run(ctx context.Context, f *flags, stderr io.Writer) (any, error) {
	a, err := f.warehouse(ctx, stderr)
	if err != nil {
		return nil, err
	}
	r, err := a.Show(ctx, archive.Scope{Schema: c.Schema, Table: c.Table, Partition: c.Partition})
	if err != nil {
		return nil, err
	}
	if c.Text {
		return recordText{r}, nil
	}
	return r, nil
}

// recordText is a record that is printed as text.
type recordText struct{ record *iceberg.Record }

func (r recordText) print(w io.Writer) error { return archive.WriteRecord(w, r.record) }
