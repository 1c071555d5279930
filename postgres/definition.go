package postgres

import (
	"context"
	"encoding/json"
	"fmt"
)

// Definition is the definition bundle of one relation, enough to make it again. It is stored as JSON in the archive record. Expressions
// and types are as PostgreSQL deparses them with search_path pg_catalog, so every name that a user gave is qualified.
type Definition struct {
	ServerVersion int      `json:"server_version"`
	Name          Name     `json:"name"`
	Kind          string   `json:"kind"`        // relkind: r, p, f
	Persistence   string   `json:"persistence"` // p, u, t
	Owner         string   `json:"owner"`
	Tablespace    string   `json:"tablespace,omitempty"` // "" is the database's default
	AccessMethod  string   `json:"access_method,omitempty"`
	Options       []string `json:"options,omitempty"` // storage parameters, name=value
	ToastOptions  []string `json:"toast_options,omitempty"`
	Comment       *string  `json:"comment,omitempty"`

	Columns     []DefColumn     `json:"columns"` // the root's order and numbers
	Constraints []DefConstraint `json:"constraints,omitempty"`
	Indexes     []DefIndex      `json:"indexes,omitempty"`
	Triggers    []DefTrigger    `json:"triggers,omitempty"` // the relation's own, not those of its parents
	Policies    []DefPolicy     `json:"policies,omitempty"`
	Grants      []DefGrant      `json:"grants,omitempty"`
	Statistics  []DefStatistics `json:"statistics,omitempty"`
	Publication []DefPublished  `json:"publications,omitempty"`
	Collations  []DefCollation  `json:"collations,omitempty"` // of the columns, types and indexes
	Types       []DefType       `json:"types,omitempty"`      // of the columns, and what they are made of, in the order to create
	Extensions  []string        `json:"extensions,omitempty"` // that own types of the columns
	Sequences   []DefSequence   `json:"sequences,omitempty"`  // that defaults call

	RowSecurity      bool   `json:"row_security,omitempty"`
	ForceRowSecurity bool   `json:"force_row_security,omitempty"`
	ReplicaIdentity  string `json:"replica_identity"` // d, n, f, i (then an index has ReplicaIdentity)

	Key              *PartitionKey `json:"key,omitempty"`    // of a partitioned table
	Parent           *Name         `json:"parent,omitempty"` // the direct parent, and its key
	ParentKey        *PartitionKey `json:"parent_key,omitempty"`
	Root             *Name         `json:"root,omitempty"`
	Bound            string        `json:"bound,omitempty"`
	Constraint       string        `json:"constraint,omitempty"`        // pg_get_partition_constraintdef, all levels
	ParentConstraint string        `json:"parent_constraint,omitempty"` // the same of the parent
}

// DefColumn is a column. Identity and its sequence are the root's: partitions have none of their own.
type DefColumn struct {
	Name        string       `json:"name"`
	AttNum      int          `json:"attnum"`
	Type        string       `json:"type"` // format_type
	Collation   string       `json:"collation,omitempty"`
	NotNull     bool         `json:"not_null,omitempty"`
	Default     *string      `json:"default,omitempty"`   // or the generation expression
	Generated   string       `json:"generated,omitempty"` // s stored, v virtual
	Identity    string       `json:"identity,omitempty"`  // a ALWAYS, d BY DEFAULT
	Sequence    *DefSequence `json:"sequence,omitempty"`  // of the identity, or owned by the column
	Storage     string       `json:"storage,omitempty"`   // p e m x, "" the type's own
	Compression string       `json:"compression,omitempty"`
	Statistics  *int         `json:"statistics,omitempty"`
	Options     []string     `json:"options,omitempty"`
	Comment     *string      `json:"comment,omitempty"`
}

// DefSequence is a sequence with its last value, nil when it was never called or may not be read.
type DefSequence struct {
	Name      Name   `json:"name"`
	Type      string `json:"type"`
	Start     int64  `json:"start"`
	Increment int64  `json:"increment"`
	Min       int64  `json:"min"`
	Max       int64  `json:"max"`
	Cache     int64  `json:"cache"`
	Cycle     bool   `json:"cycle,omitempty"`
	Last      *int64 `json:"last,omitempty"`
}

// DefConstraint is a constraint; Type is pg_constraint.contype: c, f, p, u, x.
type DefConstraint struct {
	Name      string  `json:"name"`
	Type      string  `json:"type"`
	Def       string  `json:"def"` // pg_get_constraintdef
	Validated bool    `json:"validated"`
	Inherited bool    `json:"inherited,omitempty"` // from the parent
	Index     string  `json:"index,omitempty"`
	Comment   *string `json:"comment,omitempty"`
}

// DefIndex is an index. Body is its definition from USING on.
type DefIndex struct {
	Name            string        `json:"name"`
	Body            string        `json:"body"`
	Unique          bool          `json:"unique,omitempty"`
	Constraint      string        `json:"constraint,omitempty"`
	ConstraintType  string        `json:"constraint_type,omitempty"`
	ConstraintDef   string        `json:"constraint_def,omitempty"`
	Inherited       bool          `json:"inherited,omitempty"`
	Clustered       bool          `json:"clustered,omitempty"`
	ReplicaIdentity bool          `json:"replica_identity,omitempty"`
	Valid           bool          `json:"valid"`
	Tablespace      string        `json:"tablespace,omitempty"`
	Statistics      []DefIndexCol `json:"statistics,omitempty"`
	Comment         *string       `json:"comment,omitempty"`
}

// DefIndexCol is the statistics target of an expression in an index.
type DefIndexCol struct {
	Number int `json:"number"`
	Target int `json:"target"`
}

// DefTrigger is a trigger; Enabled is pg_trigger.tgenabled: O, D, R, A.
type DefTrigger struct {
	Name     string  `json:"name"`
	Def      string  `json:"def"`
	Enabled  string  `json:"enabled"`
	Function string  `json:"function,omitempty"` // as regprocedure prints it
	Comment  *string `json:"comment,omitempty"`
}

// DefPolicy is a row security policy; Command is *, r, a, w, d; no Roles means PUBLIC.
type DefPolicy struct {
	Name       string   `json:"name"`
	Permissive bool     `json:"permissive"`
	Command    string   `json:"command"`
	Roles      []string `json:"roles,omitempty"`
	Using      *string  `json:"using,omitempty"`
	Check      *string  `json:"check,omitempty"`
}

// DefGrant is a privilege that somebody else than the owner has; Grantee "" is PUBLIC, Column "" the whole table.
type DefGrant struct {
	Grantee   string `json:"grantee"`
	Privilege string `json:"privilege"`
	Grantable bool   `json:"grantable,omitempty"`
	Column    string `json:"column,omitempty"`
}

// DefStatistics is an extended statistics object.
type DefStatistics struct {
	Name   Name    `json:"name"`
	Def    string  `json:"def"`
	Target *int    `json:"target,omitempty"`
	Note   *string `json:"comment,omitempty"`
}

// DefPublished is a publication that lists the relation by name.
type DefPublished struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns,omitempty"`
	Filter  string   `json:"filter,omitempty"`
}

// DefType is a type that a user made: e enum, d domain, c composite, r range.
type DefType struct {
	Name       Name        `json:"name"`
	Kind       string      `json:"kind"`
	Labels     []string    `json:"labels,omitempty"` // enum
	Base       string      `json:"base,omitempty"`   // domain: base type; range: subtype
	Collation  string      `json:"collation,omitempty"`
	NotNull    bool        `json:"not_null,omitempty"`
	Default    *string     `json:"default,omitempty"`
	Checks     []string    `json:"checks,omitempty"` // CONSTRAINT name CHECK (…)
	Attributes []DefColumn `json:"attributes,omitempty"`
	Range      *DefRange   `json:"range,omitempty"`
}

// Definition reads the bundle of a leaf, or of a plain table: ErrNoTable.
func (db *DB) Definition(ctx context.Context, leaf uint32) (*Definition, error) {
	name, err := db.NameOf(ctx, leaf)
	if err != nil {
		return nil, err
	}
	op := "read the definition of " + name.plain()
	rows, err := db.QueryText(ctx, op, definitionSQL(db.version), leaf)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s: %w: it was dropped just now", op, ErrNoTable)
	}
	d := &Definition{ServerVersion: db.version}
	for _, part := range rows[0] {
		if part != nil {
			if err := json.Unmarshal([]byte(*part), d); err != nil {
				return nil, fmt.Errorf("%s: %w", op, err)
			}
		}
	}
	return d, db.readCollations(ctx, op, leaf, d)
}
