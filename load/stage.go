package load

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"frostline/postgres"
)

// fewRows is up to how many rows one INSERT does as well as a COPY.
const fewRows = 100

// Columns of the staging table of an existing target, beside the target's: where a row came from.
const (
	fileColumn = "frostline file"
	rowColumn  = "frostline row"
)

// choose decides on the method, and says what becomes of triggers, keys, indexes and conflicts.
func (l *Loader) choose(ctx context.Context, p *plan) error {
	pooler, loses, err := l.DB.Pooler(ctx)
	if err != nil {
		return err
	}
	switch {
	case p.req.Method == Copy || p.req.Method == Insert:
		p.method, p.result.Reason = p.req.Method, "asked for"
	case pooler != "":
		p.method, p.result.Reason = Insert, pooler+" is between: some refuse COPY; connect to the server itself for bulk work"
	case p.src.rows <= fewRows:
		p.method, p.result.Reason = Insert, fmt.Sprintf("%d rows: one INSERT does it", p.src.rows)
	default:
		p.method, p.result.Reason = Copy, fmt.Sprintf("%d rows over a direct connection", p.src.rows)
	}
	p.result.Method = p.method
	say := func(format string, args ...any) { p.result.Plan = append(p.result.Plan, fmt.Sprintf(format, args...)) }
	if loses {
		say("%s changes the server process between transactions: two loads of one target at once are not kept apart", pooler)
	}
	if !p.exists {
		say("load into a staging table, then rename it: the table appears with all its rows")
		return nil
	}
	say("load into an unlogged staging table, then INSERT … SELECT in one transaction")
	switch p.req.OnConflict {
	case "skip":
		say("rows in conflict with a unique key are skipped")
	case "update":
		say("rows in conflict with the primary key overwrite")
	}
	f := &p.facts
	switch n := len(f.triggers); {
	case n > 0 && p.req.SkipTriggers:
		say("%s do not fire, and are as before after", count(n, "trigger"))
	case n > 0:
		say("%s fire for every row", count(n, "trigger"))
	}
	if !p.req.RebuildIndexes {
		f.indexes, f.keys = nil, nil
		return nil
	}
	if p.req.DeadLetter != "" && len(f.keys) > 0 {
		say("%s stay, to reject rows one by one", count(len(f.keys), "foreign key"))
		f.keys = nil
	}
	if len(f.indexes)+len(f.keys) > 0 {
		say("%s and %s are dropped and made again in the same transaction: the table is locked for readers too", count(len(f.indexes), "index"), count(len(f.keys), "foreign key"))
	}
	if f.stays > 0 {
		say("%s stay: unique, or with more to them than a definition", count(f.stays, "index"))
	}
	return nil
}

func count(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case what == "index":
		what = "indexe"
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// names derives the staging table's name and its checkpoints' from the target and the source, so that a rerun finds them.
func (p *plan) names() {
	sum := sha256.Sum256([]byte(p.req.Target.Schema + "\x00" + p.req.Target.Table + "\x00" + p.src.location))
	id := hex.EncodeToString(sum[:6])
	p.stage = postgres.Name{Schema: p.req.Target.Schema, Table: "frostline_rows_" + id}
	p.checks = postgres.Name{Schema: p.req.Target.Schema, Table: "frostline_load_" + id}
}

// fingerprint is of what must be the same for a load to go on.
func (p *plan) fingerprint() string {
	text, _ := json.Marshal([]any{p.result.Mapping, p.exists, p.req.Unlogged, p.req.SRID})
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// setup is what the load's transactions begin with: functions of triggers, checks and domains find what they find in the
// target's schema, and keys that are deferrable are checked at each row.
func (p *plan) setup() string {
	path := postgres.Quote(p.req.Target.Schema)
	if p.req.Target.Schema != "public" {
		path += ", public"
	}
	return "SET LOCAL search_path = " + path + "; SET CONSTRAINTS ALL IMMEDIATE"
}

// stage makes the staging table and its checkpoints, or takes up what an earlier run left.
func (l *Loader) stage(ctx context.Context, p *plan) error {
	if _, loses, err := l.DB.Pooler(ctx); err != nil {
		return err
	} else if !loses {
		release, ok, err := l.DB.TryLock(ctx, "frostline load "+p.result.Target)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("%w; nothing was done", ErrBusy)
		}
		p.unlock = release
	}
	resumed, err := l.resume(ctx, p)
	if err != nil || resumed {
		return err
	}
	lines := make([]string, len(p.columns))
	for i, c := range p.columns {
		lines[i] = postgres.Quote(c.target) + " " + c.ddl
	}
	kind := "TABLE "
	if p.exists || p.req.Unlogged {
		kind = "UNLOGGED TABLE "
	}
	if p.exists {
		lines = append(lines, postgres.Quote(fileColumn)+" integer", postgres.Quote(rowColumn)+" bigint")
	}
	return l.DB.RunStep(ctx, postgres.Step{Name: "create staging", Tx: true, SQL: []string{
		postgres.EnsureSchema(p.req.Target.Schema),
		"DROP TABLE IF EXISTS " + p.stage.String() + ", " + p.checks.String(),
		"CREATE " + kind + p.stage.String() + " (\n\t" + strings.Join(lines, ",\n\t") + "\n)",
		"CREATE " + kind + p.checks.String() + " (file pg_catalog.text PRIMARY KEY, id pg_catalog.int4, version pg_catalog.text NOT NULL, " +
			"rows pg_catalog.int8, rejects pg_catalog.text NOT NULL DEFAULT '')",
		"INSERT INTO " + p.checks.String() + " (file, version) VALUES ('', " + postgres.Literal(p.fingerprint()) + ")",
	}})
}

// resume reads the checkpoints of an earlier run. One of other files or another mapping is no beginning of this load.
func (l *Loader) resume(ctx context.Context, p *plan) (bool, error) {
	for _, n := range []postgres.Name{p.checks, p.stage} {
		if there, err := l.DB.Exists(ctx, n); err != nil || !there {
			return false, err
		}
	}
	rows, err := l.DB.QueryText(ctx, "read checkpoints", "SELECT file, coalesce(id, -1), version, coalesce(rows, 0), rejects FROM "+p.checks.String())
	if err != nil {
		return false, err
	}
	same, done := false, map[string]*file{}
	for _, f := range p.src.files {
		done[f.key] = f
	}
	var loaded []*file
	for _, r := range rows {
		if *r[0] == "" {
			same = *r[2] == p.fingerprint()
			continue
		}
		f := done[*r[0]]
		if f == nil || fmt.Sprint(f.id) != *r[1] || f.version != *r[2] {
			same = false
			break
		}
		loaded = append(loaded, f)
	}
	if !same {
		l.Log.Warn("what an earlier load left does not fit the files or the mapping of now; beginning anew", "staging", p.stage.String())
		return false, nil
	}
	for _, f := range loaded {
		f.done = true
	}
	p.result.Resumed = len(loaded)
	return true, nil
}
