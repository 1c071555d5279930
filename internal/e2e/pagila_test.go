package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"frostline/internal/pgtest"
)

const pagila = "../../../shared/data/pagila.sql"

// The definition of a partition as the catalogs have it: columns, constraints, indexes, in a form without OIDs.
const shape = `
	SELECT c.relname, 'column', a.attname::text, format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' NOT NULL ' ELSE ' ' END || COALESCE(pg_get_expr(d.adbin, d.adrelid), '')
	  FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	  LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum WHERE h.inhparent = 'public.payment'::regclass
	UNION ALL
	SELECT c.relname, 'constraint', k.conname, pg_get_constraintdef(k.oid) || ' ' || k.convalidated || ' ' || k.conislocal
	  FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid JOIN pg_constraint k ON k.conrelid = c.oid WHERE h.inhparent = 'public.payment'::regclass
	UNION ALL
	SELECT c.relname, 'index', i.relname, pg_get_indexdef(i.oid) || ' ' || x.indisvalid || ' ' || COALESCE((SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = i.oid), '')
	  FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid JOIN pg_index x ON x.indrelid = c.oid JOIN pg_class i ON i.oid = x.indexrelid WHERE h.inhparent = 'public.payment'::regclass
	UNION ALL
	SELECT c.relname, 'bound', '', pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid WHERE h.inhparent = 'public.payment'::regclass
	ORDER BY 1, 2, 3`

// All seven partitions of pagila's payment go to the archive, are dropped, queried, restored and attached; the table is what it was.
func TestPagila(t *testing.T) {
	if _, err := os.Stat(pagila); err != nil {
		t.Skipf("%s is not here: the test needs pagila", pagila)
	}
	onBoth(t, func(t *testing.T, w *world) {
		w.db.Load(t, pagila)
		w.db.Exec(t, `SET search_path = public`, `CREATE TABLE original AS SELECT * FROM payment`)
		before := pgtest.Table(w.db.Query(t, shape))
		var months []string
		for i := 1; i <= 7; i++ {
			months = append(months, fmt.Sprintf("2022-%02d", i))
		}

		var total float64
		for _, m := range months {
			res := w.run("archive", "--table", "payment", "--partition-column", "payment_date", "--partition-value", m, "--retire", "drop")
			if res["status"] != "success" || res["retired"] != "dropped" || res["partition"] != "payment_date="+m {
				t.Fatalf("archive %s: %v", m, res)
			}
			total += res["total_records"].(float64)
		}
		want := w.db.One(t, `SELECT count(*) FROM original`)
		if got := fmt.Sprint(int(total)); got != want {
			t.Errorf("%s rows archived, the table had %s", got, want)
		}
		if n := w.db.One(t, `SELECT count(*) FROM pg_inherits WHERE inhparent = 'payment'::regclass`); n != "0" {
			t.Fatalf("%s partitions are left", n)
		}

		url := w.serve()
		table := w.warehouse + "/public/payment"
		compareQuery(t, w, url, table+"/payment_date=2022-03", "amount > 5 AND staff_id = 2", "payment_date >= '2022-03-01' AND payment_date < '2022-04-01' AND amount > 5 AND staff_id = 2")
		compareQuery(t, w, url, table, "", "true")
		compareQuery(t, w, url, table, "payment_date >= '2022-02-20' AND payment_date < '2022-05-10' AND customer_id IN (1, 2, 269)", "payment_date >= '2022-02-20' AND payment_date < '2022-05-10' AND customer_id IN (1, 2, 269)")

		for _, m := range months {
			res := w.run("restore", "--source-path", table+"/payment_date="+m, "--attach")
			if res["status"] != "success" || res["action"] != "attached" {
				t.Fatalf("restore %s: %v", m, res)
			}
		}
		for _, sql := range []string{
			`SELECT count(*) FROM (SELECT * FROM payment EXCEPT ALL SELECT * FROM original) d`,
			`SELECT count(*) FROM (SELECT * FROM original EXCEPT ALL SELECT * FROM payment) d`,
		} {
			if n := w.db.One(t, sql); n != "0" {
				t.Errorf("%s: %s rows differ", sql, n)
			}
		}
		if after := pgtest.Table(w.db.Query(t, shape)); after != before {
			t.Errorf("the partitions are not defined as they were:\n%s", diff(before, after))
		}
	})
}

// compareQuery compares queryd's rows with PostgreSQL's.
func compareQuery(t *testing.T, w *world, url, path, filter, where string) {
	t.Helper()
	var got []string
	for offset := 0; ; {
		a := ask(t, url, map[string]any{"archivePath": path, "filterExpression": filter, "limit": 5000, "offset": offset, "columns": []string{"payment_id", "amount", "payment_date"}})
		for _, row := range a.Data {
			got = append(got, fmt.Sprintf("%v|%v|%v", row["payment_id"], row["amount"], row["payment_date"]))
		}
		if offset += len(a.Data); int64(offset) == a.TotalMatched {
			break
		} else if len(a.Data) == 0 {
			t.Fatalf("page at %d is empty, %d matched", offset, a.TotalMatched)
		}
	}
	rows := w.db.Query(t, `SELECT payment_id, amount, to_char(payment_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS') ||
		rtrim(rtrim(to_char(payment_date AT TIME ZONE 'UTC', '.US'), '0'), '.') || 'Z' FROM original WHERE `+where)
	want := map[string]int{}
	for _, r := range rows {
		want[strings.Join(r, "|")]++
	}
	for _, g := range got {
		if want[g] == 0 {
			t.Errorf("%s, %q: row %s is not in the table", path, filter, g)
			return
		}
		want[g]--
	}
	if len(got) != len(rows) {
		t.Errorf("%s, %q: %d rows, PostgreSQL has %d", path, filter, len(got), len(rows))
	}
}

// diff shows the lines that only one side has.
func diff(before, after string) string {
	var b strings.Builder
	one := func(sign, from, other string) {
		have := map[string]bool{}
		for _, l := range strings.Split(other, "\n") {
			have[l] = true
		}
		for _, l := range strings.Split(from, "\n") {
			if !have[l] {
				b.WriteString(sign + l + "\n")
			}
		}
	}
	one("- ", before, after)
	one("+ ", after, before)
	return b.String()
}
