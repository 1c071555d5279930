package load

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/user"
	"time"

	"frostline/iceberg"
	"frostline/objstore"
	"frostline/postgres"
)

// auditTimeout bounds the writing of an audit line, which goes on when the run was interrupted.
const auditTimeout = 15 * time.Second

// audit leaves the audit line of a run that has ended: a line of the log, and a row of AuditTable with the columns that archive's
// rows have, so that one table takes both. Its own failure is a warning: what the run did is done. A dry run leaves none.
func (l *Loader) audit(ctx context.Context, req Request, r Result, started time.Time, err error) {
	ended := time.Now().UTC()
	name := fmt.Sprintf("uid %d", os.Getuid())
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	host, _ := os.Hostname()
	outcome, action, text := "success", "loaded", ""
	if err != nil {
		outcome, action, text = "failure", "", err.Error()
	}
	source := req.Source
	if r.Source != "" {
		source = r.Source
	}
	l.Log.Info("load ended", "outcome", outcome, "source", source, "target", req.Target.Schema+"."+req.Target.Table, "rows", r.Records, "rejected", r.Rejected,
		"skipped", r.Skipped, "files", r.Files, "bytes", r.Bytes, "retries", r.Retries, "seconds", ended.Sub(started).Seconds(), "os_user", name, "host", host, "error_code", errorCode(err))
	if l.AuditTable.Table == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTimeout)
	defer cancel()
	dbUser := ""
	if rows, err := l.DB.QueryText(ctx, "audit", "SELECT session_user"); err == nil {
		dbUser = *rows[0][0]
	}
	column := func(name, typ string, value any) postgres.AuditColumn {
		return postgres.AuditColumn{Name: name, Type: typ, Value: fmt.Sprint(value)}
	}
	row := []postgres.AuditColumn{
		column("run_id", "text", "load-"+started.Format("20060102T150405Z")+"-"+rand.Text()[:8]),
		column("started_at", "timestamptz", started.Format(time.RFC3339Nano)), column("ended_at", "timestamptz", ended.Format(time.RFC3339Nano)),
		column("seconds", "double precision", ended.Sub(started).Seconds()),
		column("os_user", "text", name), column("host", "text", host), column("db_user", "text", dbUser), column("tool_version", "text", l.Version),
		column("outcome", "text", outcome), column("action", "text", action), column("error_code", "text", errorCode(err)), column("error", "text", text),
		column("source_schema", "text", req.Target.Schema), column("source_table", "text", req.Target.Table),
		column("partition", "text", ""), column("leaf", "text", ""), column("retire_asked", "text", ""), column("retired", "text", ""),
		column("total_records", "bigint", r.Records), column("total_files", "bigint", r.Files), column("total_bytes", "bigint", r.Bytes),
		column("digest", "text", ""), column("snapshot_id", "bigint", ""), column("location", "text", source),
	}
	if err := l.DB.WriteAudit(ctx, l.AuditTable, row); err != nil {
		l.Log.Warn("the audit row could not be written; the run is not affected", "table", l.AuditTable.String(), "error", err)
	}
}

// errorCode is one word for the kind of an error, "" for none.
func errorCode(err error) string {
	if err == nil {
		return ""
	}
	for _, c := range []struct {
		err  error
		code string
	}{
		{context.Canceled, "interrupted"}, {context.DeadlineExceeded, "timeout"}, {ErrBadInput, "bad_input"}, {ErrNoSource, "not_found"},
		{ErrRejected, "rejected"}, {ErrMismatch, "differs"}, {ErrCorrupt, "damaged"}, {ErrExists, "exists"}, {ErrBusy, "busy"}, {ErrProof, "unproven"},
		{postgres.ErrNoTable, "not_found"}, {postgres.ErrUnreachable, "no_server"}, {postgres.ErrLockTimeout, "lock_timeout"}, {postgres.ErrPrivilege, "privilege"},
		{objstore.ErrUnreachable, "no_store"}, {objstore.ErrCorrupt, "damaged"}, {iceberg.ErrCorrupt, "damaged"},
	} {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	return "internal"
}
