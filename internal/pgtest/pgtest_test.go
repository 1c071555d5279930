package pgtest

import (
	"reflect"
	"testing"
)

func TestDatabase(t *testing.T) {
	srv := Start(t)
	owner := srv.Role(t, "owner", "NOSUPERUSER")
	db := srv.Database(t)
	db.Exec(t, `CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x'), (2, NULL)`)

	if got, want := db.Query(t, "SELECT * FROM t WHERE a >= $1 ORDER BY a", "1"), [][]string{{"1", "x"}, {"2", Null}}; !reflect.DeepEqual(got, want) {
		t.Errorf("Query = %q, want %q", got, want)
	}
	copied := db.CopyOut(t, "SELECT * FROM t")
	if len(copied) < 21 || string(copied[:11]) != "PGCOPY\n\xff\r\n\x00" {
		t.Fatalf("CopyOut = %q, want a binary COPY stream", copied)
	}
	db.CopyIn(t, "COPY t FROM STDIN (FORMAT binary)", copied)
	if got := db.One(t, "SELECT count(*) FROM t"); got != "4" {
		t.Errorf("count after CopyIn = %s, want 4", got)
	}
	as := &DB{DSN: db.DSNAs(owner, "")}
	if got := as.One(t, "SELECT current_user"); got != owner {
		t.Errorf("current_user = %s, want %s", got, owner)
	}
	as.conn.Close(t.Context())
}
