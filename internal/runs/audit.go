package runs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"time"

	"frostline/iceberg"
	"frostline/objstore"
	"frostline/parquetio"
	"frostline/pgcopy"
	"frostline/postgres"
)

// AuditTimeout bounds the writing of an audit line, which goes on when the run was interrupted.
const AuditTimeout = 15 * time.Second

// Audit is the audit line of one run.
type Audit struct {
	RunID     string    `json:"run_id"` // names the files of the run, also those that a failed run has left
	Started   time.Time `json:"started_at"`
	Ended     time.Time `json:"ended_at"`
	Seconds   float64   `json:"seconds"`
	OSUser    string    `json:"os_user"`
	Host      string    `json:"host"`
	PID       int       `json:"pid"`
	DBUser    string    `json:"db_user"` // session_user, "" when the server could not be asked any more
	Tool      string    `json:"tool_version"`
	Outcome   string    `json:"outcome"` // "success" or "failure"
	Action    string    `json:"action"`  // Result's; "" after a failure
	ErrorCode string    `json:"error_code,omitempty"`
	Error     string    `json:"error,omitempty"`
	Schema    string    `json:"schema"`
	Table     string    `json:"table"`
	Partition string    `json:"partition"` // column=value
	Leaf      string    `json:"leaf,omitempty"`
	Replace   bool      `json:"replace_asked"`
	Retire    string    `json:"retire_asked,omitempty"`
	Retired   string    `json:"retired,omitempty"`
	Records   int64     `json:"total_records"`
	Files     int       `json:"total_files"`
	Bytes     int64     `json:"total_bytes"`
	Digest    string    `json:"digest,omitempty"`
	Snapshot  int64     `json:"snapshot_id,omitempty"`
	Location  string    `json:"location,omitempty"`
}

// End fills in who ran what since Started and how it ended, now. db may be nil; a server that hangs leaves time for the line.
func (au *Audit) End(ctx context.Context, db *postgres.DB, errorCode string, err error) {
	au.Ended, au.PID, au.Outcome = time.Now().UTC(), os.Getpid(), "success"
	au.Seconds = au.Ended.Sub(au.Started).Seconds()
	if err != nil {
		au.Outcome, au.Action, au.ErrorCode, au.Error = "failure", "", errorCode, err.Error()
	}
	au.OSUser = fmt.Sprintf("uid %d", os.Getuid())
	if u, err := user.Current(); err == nil && u.Username != "" {
		au.OSUser = u.Username
	}
	au.Host, _ = os.Hostname()
	if db == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, AuditTimeout/3)
	defer cancel()
	if rows, err := db.QueryText(ctx, "audit", "SELECT session_user"); err == nil {
		au.DBUser = *rows[0][0]
	}
}

// Columns are the columns of the audit table, in its order: one table takes the rows of all kinds of runs.
func (au Audit) Columns() []postgres.AuditColumn {
	text := func(name, value string) postgres.AuditColumn {
		return postgres.AuditColumn{Name: name, Type: "text", Value: value}
	}
	number := func(name string, value any) postgres.AuditColumn {
		return postgres.AuditColumn{Name: name, Type: "bigint", Value: fmt.Sprint(value)}
	}
	when := func(name string, t time.Time) postgres.AuditColumn {
		return postgres.AuditColumn{Name: name, Type: "timestamptz", Value: t.Format(time.RFC3339Nano)}
	}
	return []postgres.AuditColumn{
		text("run_id", au.RunID), when("started_at", au.Started), when("ended_at", au.Ended),
		{Name: "seconds", Type: "double precision", Value: fmt.Sprint(au.Seconds)},
		text("os_user", au.OSUser), text("host", au.Host), text("db_user", au.DBUser), text("tool_version", au.Tool),
		text("outcome", au.Outcome), text("action", au.Action), text("error_code", au.ErrorCode), text("error", au.Error),
		text("source_schema", au.Schema), text("source_table", au.Table), text("partition", au.Partition), text("leaf", au.Leaf),
		text("retire_asked", au.Retire), text("retired", au.Retired),
		number("total_records", au.Records), number("total_files", au.Files), number("total_bytes", au.Bytes),
		text("digest", au.Digest), number("snapshot_id", au.Snapshot), text("location", au.Location),
	}
}

// Kind is one word for an error, which must not change with the wording.
type Kind struct {
	Err  error
	Code string
}

// ErrorCode is one word for the kind of an error, "" for none. A story's own kinds come before those of what it calls.
func ErrorCode(err error, own ...Kind) string {
	if err == nil {
		return ""
	}
	for _, kinds := range [][]Kind{{
		{iceberg.ErrUnknownOutcome, "unknown_outcome"},
		{context.Canceled, "interrupted"},
		{context.DeadlineExceeded, "timeout"},
	}, own, {
		{postgres.ErrBadValue, "bad_input"},
		{postgres.ErrAmbiguous, "ambiguous"},
		{postgres.ErrNoTable, "not_found"},
		{postgres.ErrNoColumn, "not_found"},
		{postgres.ErrNoPartition, "not_found"},
		{postgres.ErrUnreachable, "no_server"},
		{postgres.ErrLockTimeout, "lock_timeout"},
		{postgres.ErrForeignKey, "foreign_key"},
		{postgres.ErrPrivilege, "privilege"},
		{objstore.ErrNoConditional, "no_conditional_puts"},
		{objstore.ErrUnreachable, "no_store"},
		{iceberg.ErrPartitionExists, "exists"},
		{iceberg.ErrCorrupt, "damaged"},
		{objstore.ErrCorrupt, "damaged"},
		{objstore.ErrNotExist, "damaged"},
		{parquetio.ErrCorrupt, "damaged"},
		{pgcopy.ErrCorrupt, "damaged"},
	}} {
		for _, k := range kinds {
			if errors.Is(err, k.Err) {
				return k.Code
			}
		}
	}
	return "internal"
}
