package main

import (
	"context"
	"io"
	"os"

	"golang.org/x/term"

	"frostline/archive"
)

// scope names archived tables and partitions.
type scope struct {
	Table     string `help:"This table only."`
	Schema    string `help:"This schema only; with --table, public when it is not given."`
	Partition string `help:"This partition only, as column=value; with --table."`
}

func (s scope) selection() archive.Scope {
	if s.Table != "" && s.Schema == "" {
		s.Schema = "public"
	}
	return archive.Scope{Schema: s.Schema, Table: s.Table, Partition: s.Partition}
}

// listCmd lists what is archived. It needs no server.
type listCmd struct {
	scope
}

func (c *listCmd) run(ctx context.Context, f *flags, stderr io.Writer) (any, error) {
	a, err := f.warehouse(ctx, stderr)
	if err != nil {
		return nil, err
	}
	l, err := a.List(ctx, c.selection())
	if l == nil {
		return nil, err
	}
	if file, ok := stderr.(*os.File); ok && !f.Quiet && term.IsTerminal(int(file.Fd())) {
		if err := archive.WriteListing(stderr, l); err != nil {
			return nil, err
		}
	}
	return l, nil
}
