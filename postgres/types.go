package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"frostline/coltype"
)

// columnsSQL lists the columns of $1 in the order and with the numbers of its topmost partitioned ancestor.
const columnsSQL = `
WITH RECURSIVE up(oid, level) AS (
	SELECT $1::oid, 0
	UNION ALL
	SELECT i.inhparent, up.level + 1 FROM up JOIN pg_class c ON c.oid = up.oid AND c.relispartition JOIN pg_inherits i ON i.inhrelid = up.oid
), root AS (SELECT oid FROM up ORDER BY level DESC LIMIT 1)
SELECT a.attname, r.attnum, l.attnotnull, l.attgenerated <> '', l.atttypid, l.atttypmod, l.attname IS NOT NULL
FROM root JOIN pg_attribute r ON r.attrelid = root.oid AND r.attnum > 0 AND NOT r.attisdropped
JOIN pg_attribute a ON a.attrelid = r.attrelid AND a.attnum = r.attnum
LEFT JOIN pg_attribute l ON l.attrelid = $1::oid AND l.attname = r.attname AND NOT l.attisdropped
ORDER BY r.attnum`

func (db *DB) columns(ctx context.Context, op string, oid uint32) ([]coltype.Column, error) {
	rows, err := db.QueryText(ctx, op, columnsSQL, oid)
	if err != nil {
		return nil, err
	}
	var refs []typeRef
	columns := make([]coltype.Column, len(rows))
	for i, row := range rows {
		r := rowText(row)
		if r[6] != "t" {
			return nil, fmt.Errorf("%s: %w: the partition lacks its parent's column %q", op, ErrNoColumn, r[0])
		}
		columns[i] = coltype.Column{Name: r[0], NotNull: r[2] == "t", Generated: r[3] == "t"}
		columns[i].AttNum, _ = strconv.Atoi(r[1])
		typ, _ := strconv.ParseUint(r[4], 10, 32)
		mod, _ := strconv.ParseInt(r[5], 10, 32)
		refs = append(refs, typeRef{uint32(typ), int32(mod)})
	}
	types, err := db.types(ctx, op, refs)
	if err != nil {
		return nil, err
	}
	for i := range columns {
		if columns[i].Type, err = coltype.Map(types[i]); err != nil {
			return nil, fmt.Errorf("%s: column %q: %w", op, columns[i].Name, err)
		}
	}
	coltype.NameFields(columns)
	return columns, nil
}

// typeRef is a type with its modifier.
type typeRef struct {
	oid uint32
	mod int32
}

// typeRow is a row of pg_type that a type tree is made of.
type typeRow struct {
	OID, Elem, Base uint32
	Schema, Name    string
	TypType, Delim  string
	Send            string
	BaseMod         int32
	Labels          []string
}

// typesSQL finds the types $1 and all that they are arrays of or domains over. A true array is one whose subscripting is
// array_subscript_handler (14 and later); before, one of variable length with an element type.
func typesSQL(version int) string {
	array := "t.typlen = -1 AND t.typelem <> 0 AND t.typsubscript = 'array_subscript_handler'::regproc"
	if version < 140000 {
		array = "t.typlen = -1 AND t.typelem <> 0 AND t.typinput = 'array_in'::regproc"
	}
	return `
WITH RECURSIVE t AS (
	SELECT t.* FROM (SELECT DISTINCT unnest($1::oid[]) AS oid) want JOIN pg_type t USING (oid)
	UNION
	SELECT sub.* FROM t JOIN pg_type sub ON sub.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype WHEN ` + array + ` THEN t.typelem END
)
SELECT jsonb_agg(jsonb_build_object('OID', t.oid::int8, 'Schema', n.nspname, 'Name', t.typname, 'TypType', t.typtype, 'Delim', t.typdelim,
	'Send', coalesce((SELECT p.proname FROM pg_proc p WHERE p.oid = t.typsend), ''),
	'Elem', CASE WHEN ` + array + ` THEN t.typelem::int8 ELSE 0 END,
	'Base', CASE WHEN t.typtype = 'd' THEN t.typbasetype::int8 ELSE 0 END, 'BaseMod', t.typtypmod,
	'Labels', (SELECT jsonb_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid)))
FROM t JOIN pg_namespace n ON n.oid = t.typnamespace`
}

// types builds the type tree of each reference.
func (db *DB) types(ctx context.Context, op string, refs []typeRef) ([]coltype.PGType, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	oids := make([]string, len(refs))
	for i, r := range refs {
		oids[i] = strconv.FormatUint(uint64(r.oid), 10)
	}
	rows, err := db.QueryText(ctx, op, typesSQL(db.version), oids)
	if err != nil {
		return nil, err
	}
	var list []typeRow
	if text := rowText(rows[0])[0]; text != "" {
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			return nil, fmt.Errorf("%s: types: %w", op, err)
		}
	}
	b := treeBuilder{rows: map[uint32]typeRow{}, formatted: map[typeRef]string{}}
	for _, r := range list {
		b.rows[r.OID] = r
	}
	for _, r := range refs { // first round: which (type, modifier) pairs the trees need
		if _, err := b.tree(r); err != nil {
			return nil, fmt.Errorf("%s: %w", op, err)
		}
	}
	var mods []string
	oids = oids[:0]
	var pairs []typeRef
	for ref := range b.formatted {
		pairs = append(pairs, ref)
		oids, mods = append(oids, strconv.FormatUint(uint64(ref.oid), 10)), append(mods, strconv.Itoa(int(ref.mod)))
	}
	rows, err = db.QueryText(ctx, op, `SELECT format_type(o, m) FROM unnest($1::oid[], $2::int4[]) WITH ORDINALITY AS x(o, m, i) ORDER BY i`, oids, mods)
	if err != nil {
		return nil, err
	}
	for i, ref := range pairs {
		b.formatted[ref] = rowText(rows[i])[0]
	}
	trees := make([]coltype.PGType, len(refs))
	for i, r := range refs {
		t, err := b.tree(r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", op, err)
		}
		trees[i] = *t
	}
	return trees, nil
}

type treeBuilder struct {
	rows      map[uint32]typeRow
	formatted map[typeRef]string
}

func (b *treeBuilder) tree(ref typeRef) (*coltype.PGType, error) {
	r, ok := b.rows[ref.oid]
	if !ok {
		return nil, fmt.Errorf("type with OID %d is not in pg_type", ref.oid)
	}
	b.formatted[ref] += ""
	t := &coltype.PGType{OID: r.OID, Schema: r.Schema, Name: r.Name, Typmod: ref.mod, Formatted: b.formatted[ref], Send: r.Send, Labels: r.Labels}
	if r.TypType != "" {
		t.TypType = r.TypType[0]
	}
	if r.Delim != "" {
		t.Delim = r.Delim[0]
	}
	var err error
	if r.Elem != 0 { // an array's modifier belongs to its elements
		if t.Elem, err = b.tree(typeRef{r.Elem, ref.mod}); err != nil {
			return nil, err
		}
	}
	if r.Base != 0 {
		if t.Base, err = b.tree(typeRef{r.Base, r.BaseMod}); err != nil {
			return nil, err
		}
	}
	return t, nil
}
