package postgres

import (
	"io"
	"testing"

	"frostline/internal/pgtest"
)

// BenchmarkCopyOut is COPY to nowhere, 200 000 rows of about 100 bytes: the ceiling of archiving.
func BenchmarkCopyOut(b *testing.B) {
	pg := pgtest.Start(b).Database(b)
	pg.Exec(b, `CREATE TABLE t AS SELECT i AS id, i * 1.5 AS amount, now() + i * interval '1 s' AS at, md5(i::text) AS name, md5(i::text) AS other FROM generate_series(1, 200000) i`)
	db, err := Open(b.Context(), Config{DSN: pg.DSN})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	var sent int64
	w := writerFunc(func(p []byte) (int, error) { sent += int64(len(p)); return len(p), nil })
	for b.Loop() {
		sent = 0
		if n, err := db.CopyOut(b.Context(), "SELECT * FROM public.t", w); err != nil || n != 200000 {
			b.Fatal(n, err)
		}
	}
	b.SetBytes(sent)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

var _ io.Writer = writerFunc(nil)
