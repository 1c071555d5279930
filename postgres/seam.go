package postgres

import (
	"context"
	"encoding/json"
)

type Definition struct {
	Raw json.RawMessage `json:"-"`
}

func (db *DB) Definition(ctx context.Context, leaf uint32) (*Definition, error) { panic("stub") }

type StagingOptions struct {
	Target     Name
	Unlogged   bool
	Tablespace string
}

func (d *Definition) CreateStaging(o StagingOptions) (string, error) { panic("stub") }

func (db *DB) DetachPlan(ctx context.Context, leaf Leaf) ([]Step, error) { panic("stub") }

type AttachOptions struct {
	Staging    Name
	Parent     Name        // direct parent
	Final      Name        // the name that staging gets
	Bound      string      // FOR VALUES …
	Definition *Definition // of the archived leaf: what only it had (own indexes, grants, comments, triggers, storage …)
}

func (db *DB) AttachPlan(ctx context.Context, o AttachOptions) ([]Step, error) { panic("stub") }
