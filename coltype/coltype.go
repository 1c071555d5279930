// Package coltype is the one lossless mapping between PostgreSQL types, Arrow, Iceberg and
// Parquet. It knows types, columns, scalar values and their bounds; it does no I/O and imports
// no project package.
//
// A column has a typed form wherever Iceberg has a type that holds its values; otherwise its
// form is the exact text that PostgreSQL prints. A single cell that its typed column cannot hold
// (infinity, a far timestamp, NaN in numeric(p,s), 24:00:00, an array of several dimensions or
// with an odd lower bound) is NULL there and stands as exact text in the side column [ExactName].
package coltype

// PGType is a type as PostgreSQL's catalogs describe it.
type PGType struct {
	OID       uint32
	Schema    string   // pg_namespace.nspname
	Name      string   // pg_type.typname
	Typmod    int32    // -1 without a modifier; a domain's own is in Base
	TypType   byte     // pg_type.typtype: b, c, d, e, r, m, p
	Formatted string   // format_type(oid, typmod), read with search_path = pg_catalog
	Send      string   // proname of typsend, "" without
	Delim     byte     // pg_type.typdelim
	Elem      *PGType  // of a true array: typsubscript array_subscript_handler, typlen -1, typsend array_send (which int2vector has not); else nil
	Base      *PGType  // of a domain, with the domain's typtypmod
	Labels    []string // of an enum, in enumsortorder
}

// Type is a column's mapped type. It is stored as JSON in the archive record and in the Iceberg
// table's properties.
type Type struct {
	Kind      Kind     `json:"kind"`
	Wire      Wire     `json:"wire"`
	Precision int      `json:"precision,omitempty"` // Decimal
	Scale     int      `json:"scale,omitempty"`     // Decimal
	Elem      *Type    `json:"elem,omitempty"`      // List
	Delim     string   `json:"delim,omitempty"`     // List: the element's delimiter in array literals: ",", ";" (box) or ":" (geometry)
	Name      string   `json:"name"`                // as declared, format_type: "numeric(12,2)", "public.mood"
	Base      string   `json:"base"`                // the typname under all domains: "numeric", "bpchar", "interval", "mood"
	Labels    []string `json:"labels,omitempty"`    // enum labels in PostgreSQL's order
}

// Column is one column of an archived table.
type Column struct {
	Name      string `json:"name"`                // PostgreSQL's
	FieldName string `json:"field_name"`          // Iceberg's; differs only where Name cannot be addressed there
	AttNum    int    `json:"attnum"`              // of the partitioned parent, or of the table itself
	NotNull   bool   `json:"not_null,omitempty"`  // in the record; every Iceberg field is optional
	Generated bool   `json:"generated,omitempty"` // GENERATED ALWAYS AS: archived, never loaded
	Type      Type   `json:"type"`
	FieldID   int    `json:"field_id,omitempty"` // Iceberg's, 0 until the table has assigned it
	ElemID    int    `json:"elem_id,omitempty"`  // Iceberg's element id of a List
}

// ExactName is the side column map<string, string>: column name → exact text of a cell that its
// typed column cannot hold. A user's column of this name gets another FieldName.
const ExactName = "_pg_exact"

// Schema is what one Iceberg schema holds: the columns, then the side column. The zero ids mean
// that the table has not assigned them yet.
type Schema struct {
	Columns      []Column `json:"columns"`
	ExactID      int      `json:"exact_id"`
	ExactKeyID   int      `json:"exact_key_id"`
	ExactValueID int      `json:"exact_value_id"`
}

// Bounds are what is known of one column's values in a file, a row group or a page. Unknown
// statistics keep the data.
type Bounds struct {
	Rows  int64  // rows covered
	Nulls int64  // NULLs in the typed column, including cells kept as exact text; -1 unknown
	NaNs  int64  // -1 unknown; NaN is outside Min and Max
	Exact int64  // cells that may stand in the side column for any column; -1 unknown
	Min   *Value // a lower bound, not necessarily attained; nil unknown
	Max   *Value // an upper bound, not necessarily attained; nil unknown
}
