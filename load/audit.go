package load

import (
	"cmp"
	"context"
	"crypto/rand"
	"time"

	"frostline/internal/runs"
)

// audit leaves the audit line of a run that has ended: a line of the log, and a row of AuditTable with the columns that archive's
// rows have, so that one table takes both. Its own failure is a warning: what the run did is done. A dry run leaves none.
func (l *Loader) audit(ctx context.Context, req Request, r Result, started time.Time, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), runs.AuditTimeout)
	defer cancel()
	au := runs.Audit{RunID: "load-" + started.Format("20060102T150405Z") + "-" + rand.Text()[:8], Started: started, Tool: l.Version, Action: "loaded",
		Schema: req.Target.Schema, Table: req.Target.Table, Records: r.Records, Files: r.Files, Bytes: r.Bytes, Location: cmp.Or(r.Source, req.Source)}
	db := l.DB
	if l.AuditTable.Table == "" {
		db = nil // its user is not asked for
	}
	au.End(ctx, db, errorCode(err), err)
	l.Log.Info("load ended", "outcome", au.Outcome, "source", au.Location, "target", au.Schema+"."+au.Table, "rows", r.Records, "rejected", r.Rejected,
		"skipped", r.Skipped, "files", r.Files, "bytes", r.Bytes, "retries", r.Retries, "seconds", au.Seconds, "os_user", au.OSUser, "host", au.Host, "error_code", au.ErrorCode)
	if l.AuditTable.Table == "" {
		return
	}
	if err := l.DB.WriteAudit(ctx, l.AuditTable, au.Columns()); err != nil {
		l.Log.Warn("the audit row could not be written; the run is not affected", "table", l.AuditTable.String(), "error", err)
	}
}

// errorCode is one word for the kind of an error, "" for none.
func errorCode(err error) string {
	return runs.ErrorCode(err, runs.Kind{Err: ErrBadInput, Code: "bad_input"}, runs.Kind{Err: ErrNoSource, Code: "not_found"}, runs.Kind{Err: ErrRejected, Code: "rejected"},
		runs.Kind{Err: ErrMismatch, Code: "differs"}, runs.Kind{Err: ErrCorrupt, Code: "damaged"}, runs.Kind{Err: ErrExists, Code: "exists"},
		runs.Kind{Err: ErrBusy, Code: "busy"}, runs.Kind{Err: ErrProof, Code: "unproven"})
}
