package postgres

import (
	"errors"
	"strings"
	"testing"
)

// What fails under Try leaves the transaction as it was; what the caller fails leaves nothing at all.
func TestTransaction(t *testing.T) {
	db, pg := start(t, "CREATE TABLE t (id int PRIMARY KEY, name text)")
	ctx, table := t.Context(), Name{"public", "t"}
	load := func(tx *Tx, lines string) error {
		_, err := tx.CopyIn(ctx, table, `"id", "name"`, "text", strings.NewReader(lines))
		return err
	}
	stop := errors.New("stop")
	for _, c := range []struct {
		name, want string
		end        error
	}{{"rolled back", "0", stop}, {"committed", "2", nil}} {
		t.Run(c.name, func(t *testing.T) {
			err := db.Transaction(ctx, "test", "SET LOCAL search_path = public", func(tx *Tx) error {
				if n, err := tx.Exec(ctx, "INSERT INTO t VALUES (1, 'a')"); n != 1 || err != nil {
					t.Errorf("%d rows, %v", n, err)
				}
				if err := tx.Try(ctx, func() error { return load(tx, "2\tb\n1\tagain\n") }); !Rejected(err) || Transient(err) || SQLState(err) != "23505" {
					t.Errorf("a duplicate key is %v", err)
				}
				if err := tx.Try(ctx, func() error { return load(tx, "3\t\\N\n") }); err != nil {
					t.Error(err)
				}
				rows, err := tx.Query(ctx, "SELECT id, name FROM t ORDER BY id")
				if err != nil || len(rows) != 2 || *rows[1][0] != "3" || rows[1][1] != nil {
					t.Errorf("%d rows, %v", len(rows), err)
				}
				return c.end
			})
			if !errors.Is(err, c.end) {
				t.Errorf("got %v, want %v", err, c.end)
			}
			if n := pg.One(t, "SELECT count(*) FROM t"); n != c.want {
				t.Errorf("%s rows, want %s", n, c.want)
			}
		})
	}
	if what, loses, err := db.Pooler(ctx); what != "" || loses || err != nil {
		t.Errorf("a direct connection has a pooler: %q %v %v", what, loses, err)
	}
	err := db.Exec(ctx, "test", "SELECT pg_terminate_backend(pg_backend_pid())")
	if !Transient(err) || Rejected(err) {
		t.Errorf("a connection that was cut is %v", err)
	}
}
