package archive_test

import (
	"strings"
	"testing"

	"frostline/archive"
	"frostline/iceberg"
	"frostline/restore"
)

// What somebody has restored is not dropped again by the next night's run, unless it changed, or is named, or the run is told to.
func TestRestoredPartitionsAreKept(t *testing.T) {
	b := fourDays(t)
	got, batch := b.older(dropDays(), 1)
	equal(t, "first night", got, "success, archived day=2024-01-01 dropped, archived day=2024-01-02 dropped, archived day=2024-01-03 dropped, archived day=2024-01-04 dropped")
	restorer := &restore.Restorer{DB: b.a.DB, Store: b.a.Store, Catalog: iceberg.NewCatalog(b.a.Store)}
	for _, r := range batch.Results[:3] {
		if _, err := restorer.Run(t.Context(), restore.Request{SourcePath: r.Location, Attach: true}); err != nil {
			t.Fatal(err)
		}
	}

	req := dropDays()
	req.DryRun = true
	got, _ = b.older(req, 1)
	equal(t, "dry run", got, "success, skipped day=2024-01-01, skipped day=2024-01-02, skipped day=2024-01-03")
	got, batch = b.older(dropDays(), 1)
	equal(t, "second night", got, "success, skipped day=2024-01-01, skipped day=2024-01-02, skipped day=2024-01-03")
	if why := batch.Skipped[0].Reason; !strings.Contains(why, "restored since") || !strings.Contains(why, "--include-restored") {
		t.Errorf("reason %q", why)
	}
	equal(t, "rows", b.sql.One(t, `SELECT count(*) FROM d`), "300")
	policy, err := archive.ParsePolicy([]byte("tables:\n  - table: public.d\n    older_than: 1 day\n    retire: drop\n"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := b.a.RunPolicy(t.Context(), archive.PolicyRun{Policy: policy})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "a policy", told(*res.Tables[0]), "success, skipped day=2024-01-01, skipped day=2024-01-02, skipped day=2024-01-03")

	// One that changed is taken as any other that changed.
	b.sql.Exec(t, `UPDATE d SET n = -1 WHERE day = '2024-01-02' AND n = 5`)
	got, _ = b.older(dropDays(), 1)
	equal(t, "changed", got, "partial, skipped day=2024-01-01, skipped day=2024-01-03, failed day=2024-01-02")
	req = dropDays()
	req.Replace = true
	got, _ = b.older(req, 1)
	equal(t, "changed, to be replaced", got, "success, replaced day=2024-01-02 dropped, skipped day=2024-01-01, skipped day=2024-01-03")

	// A run that names it, and one that is told to.
	one := request("d", "day", "2024-01-01")
	one.Retire = archive.Drop
	done, err := b.a.Run(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "named", done.Action+" "+done.Retired, "unchanged dropped")
	req = dropDays()
	req.IncludeRestored = true
	got, _ = b.older(req, 1)
	equal(t, "told to", got, "success, unchanged day=2024-01-03 dropped")
}
