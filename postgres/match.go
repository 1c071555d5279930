package postgres

import (
	"context"
	"fmt"
	"strings"
)

// KeyMatch is the primary key of a table and the condition under which two aliases of its columns hold the same key, with the
// operators of the key's own index: "=" alone would find another one for types that are not PostgreSQL's own. No columns where
// there is no primary key.
func (db *DB) KeyMatch(ctx context.Context, table uint32, left, right string) (columns []string, condition string, err error) {
	rows, err := db.QueryText(ctx, "read a primary key", `SELECT a.attname, format('OPERATOR(%I.%s)', n.nspname, o.oprname)
		FROM pg_index i, unnest(i.indkey::int2[], i.indclass::oid[]) WITH ORDINALITY AS k(num, class, ord), pg_attribute a, pg_opclass c, pg_amop m, pg_operator o, pg_namespace n
		WHERE i.indrelid = $1::oid AND i.indisprimary AND k.ord <= i.indnkeyatts AND a.attrelid = i.indrelid AND a.attnum = k.num AND c.oid = k.class
			AND m.amopfamily = c.opcfamily AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype AND m.amopstrategy = 3 AND o.oid = m.amopopr AND n.oid = o.oprnamespace
		ORDER BY k.ord`, table)
	if err != nil {
		return nil, "", err
	}
	var terms []string
	for _, row := range rows {
		r := rowText(row)
		columns = append(columns, r[0])
		terms = append(terms, fmt.Sprintf("%s.%s %s %s.%s", left, Quote(r[0]), r[1], right, Quote(r[0])))
	}
	return columns, strings.Join(terms, " AND "), nil
}

// SequenceSteps move the identities and owned sequences of a live table past the values in a staging table, never back.
func (db *DB) SequenceSteps(live *Definition, staging Name) []Step {
	a := &attachment{AttachOptions: AttachOptions{Staging: staging}, parent: live, table: staging}
	a.sequences()
	return a.steps
}

// Blocks is the number of a table's pages.
func (db *DB) Blocks(ctx context.Context, n Name) (int64, error) {
	rows, err := db.QueryText(ctx, "measure "+n.plain(), "SELECT pg_relation_size($1::regclass) / current_setting('block_size')::int8", n.String())
	if err != nil {
		return 0, err
	}
	var blocks int64
	_, err = fmt.Sscan(*rows[0][0], &blocks)
	return blocks, err
}
