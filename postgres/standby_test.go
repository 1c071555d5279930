package postgres

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"frostline/internal/pgserver"
	"frostline/internal/pgtest"
)

// A physical replica is read as the primary is: an exported snapshot, the replayed position, every row.
func TestReplica(t *testing.T) {
	srv := pgtest.Start(t)
	backup := filepath.Join(srv.BinDir, "pg_basebackup")
	if _, err := os.Stat(backup); err != nil {
		pgtest.Missing(t, "pg_basebackup")
	}
	pg := srv.Database(t)
	pg.Exec(t, `CREATE TABLE t AS SELECT i AS id, repeat('x', 200) AS pad FROM generate_series(1, 2000) i`)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	replica, err := pgserver.Start(ctx, pgserver.Options{BinDir: srv.BinDir, StandbyOf: srv.Server})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { replica.Stop() })

	db := open(t, replica.DSN(pg.Name))
	s, err := db.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !s.Parallel || s.LSN == "" {
		t.Errorf("snapshot on a replica: parallel %v (%s), LSN %q", s.Parallel, s.Message, s.LSN)
	}
	if n, err := s.CopyOut(t.Context(), "SELECT * FROM public.t", io.Discard); n != 2000 || err != nil {
		t.Errorf("%d rows, %v", n, err)
	}
	if tab := table(t, db, "public", "t"); tab.Bytes < 2000*200 {
		t.Errorf("table %+v", tab)
	}
	release, ok, err := db.TryLock(t.Context(), "x")
	if !ok || err != nil {
		t.Fatalf("advisory lock on a replica: %v %v", ok, err)
	}
	release()
}
