package load

import (
	"strings"
	"testing"

	"frostline/internal/pgtest"
	"frostline/postgres"
)

// A real PgBouncer in both modes: it is found, rows go by INSERT, the reason and what is lost are said, and the load is exact.
func TestPooler(t *testing.T) {
	dir := parts(t, 3, 100)
	for mode, plan := range map[string]string{
		"transaction": "changes the server process between transactions: two loads of one target at once are not kept apart",
		"session":     "load into a staging table, then rename it",
	} {
		t.Run(mode, func(t *testing.T) {
			pg := pgtest.Start(t).Database(t)
			db, err := postgres.Open(t.Context(), postgres.Config{DSN: pg.PgBouncer(t, mode), Application: "frostline test"})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			l := &Loader{DB: db, Workers: 2}
			r := mustLoad(t, l, Request{Source: dir, Target: target("t")})
			if r.Method != Insert || !strings.HasSuffix(r.Reason, "is between: some refuse COPY; connect to the server itself for bulk work") || !strings.Contains(strings.Join(r.Plan, "; "), plan) {
				t.Errorf("method %s: %s; plan %q", r.Method, r.Reason, r.Plan)
			}
			sameRows(t, pg, "SELECT count(*), count(DISTINCT id), sum(id) FROM t", "300|300|45150")
			mustLoad(t, l, Request{Source: dir, Target: target("t"), Method: Copy}) // asked for: PgBouncer lets it through
			sameRows(t, pg, "SELECT count(*), count(DISTINCT id) FROM t", "600|300")
			nothingLeft(t, pg)
		})
	}
}
