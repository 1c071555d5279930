package postgres

import (
	"context"
)

func (db *DB) DetachPlan(ctx context.Context, leaf Leaf) ([]Step, error) { panic("stub") }

type AttachOptions struct {
	Staging    Name
	Parent     Name        // direct parent
	Final      Name        // the name that staging gets
	Bound      string      // FOR VALUES …
	Definition *Definition // of the archived leaf: what only it had (own indexes, grants, comments, triggers, storage …)
}

func (db *DB) AttachPlan(ctx context.Context, o AttachOptions) ([]Step, error) { panic("stub") }
