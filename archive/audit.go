package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"time"

	"frostline/iceberg"
	"frostline/objstore"
	"frostline/parquetio"
	"frostline/pgcopy"
	"frostline/postgres"
)

// auditTimeout bounds the writing of an audit line, which goes on when the run was interrupted.
const auditTimeout = 15 * time.Second

// Audit is the audit line of one run: <warehouse>/_audit/<date>/<run id>.json, never overwritten. Dry runs, benchmarks, and runs of a
// batch that had nothing to do leave none; nor does a run that is killed, or that could not reach the server or the store at all.
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
	Retire    Retire    `json:"retire_asked,omitempty"`
	Retired   string    `json:"retired,omitempty"`
	Records   int64     `json:"total_records"`
	Files     int       `json:"total_files"`
	Bytes     int64     `json:"total_bytes"`
	Digest    string    `json:"digest,omitempty"`
	Snapshot  int64     `json:"snapshot_id,omitempty"`
	Location  string    `json:"location,omitempty"`
}

// trail is what a run tells its audit line while it is at work.
type trail struct {
	runID   string
	started time.Time
}

// begin gives a plan its run id; the last plan of a run counts.
func (t *trail) begin(now time.Time) string {
	id := newRunID(now)
	if t != nil {
		t.runID = id
	}
	return id
}

// auditKey is the key of an audit line.
func auditKey(au Audit) string {
	return "_audit/" + au.Ended.Format(time.DateOnly) + "/" + objstore.Segment(au.RunID) + ".json"
}

// audit leaves the audit line of a run that has ended, and tells Ended of it. Its own failure is a warning: what the run did is done.
func (a *Archiver) audit(ctx context.Context, req Request, res Result, err error) {
	if req.DryRun || a.SkipProof || errors.Is(err, errSettled) || req.many && errors.Is(err, ErrBusy) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTimeout)
	defer cancel()
	au := a.newAudit(ctx, req, res, err)
	if !errors.Is(err, objstore.ErrUnreachable) { // the run has said that already
		line, err := json.Marshal(au)
		if err == nil {
			err = a.createOnce(ctx, auditKey(au), append(line, '\n'))
		}
		if err != nil {
			a.Log.Warn("the audit line could not be written; the run is not affected", "run", au.RunID, "error", err)
		}
	}
	if a.AuditTable.Table != "" {
		if err := a.DB.WriteAudit(ctx, a.AuditTable, au.columns()); err != nil {
			a.Log.Warn("the audit row could not be written; the run is not affected", "run", au.RunID, "table", a.AuditTable.String(), "error", err)
		}
	}
	if a.Ended != nil {
		a.Ended(au)
	}
}

// createOnce creates an object. After a lost answer it may be there already: with the same bytes it is ours.
func (a *Archiver) createOnce(ctx context.Context, key string, data []byte) error {
	err := a.Store.Create(ctx, key, data)
	if !errors.Is(err, objstore.ErrExist) {
		return err
	}
	body, _, readErr := a.Store.Get(ctx, key)
	if readErr != nil {
		return err
	}
	defer body.Close()
	if got, readErr := io.ReadAll(body); readErr != nil || !bytes.Equal(got, data) {
		return err
	}
	return nil
}

func (a *Archiver) newAudit(ctx context.Context, req Request, res Result, err error) Audit {
	t := req.trail
	au := Audit{
		RunID: t.runID, Started: t.started, Ended: time.Now().UTC(), PID: os.Getpid(), Tool: a.Version,
		Outcome: "success", Action: res.Action,
		Schema: req.Table.Schema, Table: req.Table.Table, Partition: req.label(), Leaf: res.Leaf,
		Replace: req.Replace, Retire: req.Retire, Retired: res.Retired,
		Records: res.Records, Files: res.Files, Bytes: res.Bytes, Digest: res.Digest, Snapshot: res.SnapshotID, Location: res.Location,
	}
	if au.RunID == "" {
		au.RunID = newRunID(t.started)
	}
	if res.Partition != "" {
		au.Partition = res.Partition
	}
	au.Seconds = au.Ended.Sub(au.Started).Seconds()
	if err != nil {
		au.Outcome, au.ErrorCode, au.Error = "failure", ErrorCode(err), err.Error()
	}
	au.OSUser, au.Host = whoami()
	if a.DB != nil {
		ctx, cancel := context.WithTimeout(ctx, auditTimeout/3) // a server that hangs leaves time for the line
		defer cancel()
		if rows, err := a.DB.QueryText(ctx, "audit", "SELECT session_user"); err == nil {
			au.DBUser = *rows[0][0]
		}
	}
	return au
}

// whoami is the user and the machine; a user that has no name stands as its number.
func whoami() (name, host string) {
	name = fmt.Sprintf("uid %d", os.Getuid())
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	host, _ = os.Hostname()
	return name, host
}

// columns are the columns of the audit table, in its order.
func (au Audit) columns() []postgres.AuditColumn {
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
		text("retire_asked", string(au.Retire)), text("retired", au.Retired),
		number("total_records", au.Records), number("total_files", au.Files), number("total_bytes", au.Bytes),
		text("digest", au.Digest), number("snapshot_id", au.Snapshot), text("location", au.Location),
	}
}

// ErrorCode is one word for the kind of an error, "" for none: for audit lines and metrics, which must not change with the wording.
func ErrorCode(err error) string {
	if err == nil {
		return ""
	}
	for _, c := range []struct {
		err  error
		code string
	}{
		{iceberg.ErrUnknownOutcome, "unknown_outcome"},
		{context.Canceled, "interrupted"},
		{context.DeadlineExceeded, "timeout"},
		{ErrProof, "unproven"},
		{ErrDiffers, "differs"},
		{ErrBusy, "busy"},
		{ErrNotRetire, "not_retirable"},
		{ErrBadInput, "bad_input"},
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
	} {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	return "internal"
}
