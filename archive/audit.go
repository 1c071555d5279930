package archive

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"frostline/internal/runs"
	"frostline/objstore"
)

// Audit is the audit line of one run: <warehouse>/_audit/<date>/<run id>.json, never overwritten. Dry runs, benchmarks, and runs of a
// batch that had nothing to do leave none; nor does a run that is killed, or that could not reach the server or the store at all.
type Audit = runs.Audit

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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), runs.AuditTimeout)
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
		if err := a.DB.WriteAudit(ctx, a.AuditTable, au.Columns()); err != nil {
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
		RunID: cmp.Or(t.runID, newRunID(t.started)), Started: t.started, Tool: a.Version, Action: res.Action,
		Schema: req.Table.Schema, Table: req.Table.Table, Partition: cmp.Or(res.Partition, req.label()), Leaf: res.Leaf,
		Replace: req.Replace, Retire: string(req.Retire), Retired: res.Retired,
		Records: res.Records, Files: res.Files, Bytes: res.Bytes, Digest: res.Digest, Snapshot: res.SnapshotID, Location: res.Location,
	}
	au.End(ctx, a.DB, ErrorCode(err), err)
	return au
}

// ErrorCode is one word for the kind of an error, "" for none: for audit lines and metrics, which must not change with the wording.
func ErrorCode(err error) string {
	return runs.ErrorCode(err, runs.Kind{Err: ErrProof, Code: "unproven"}, runs.Kind{Err: ErrDiffers, Code: "differs"}, runs.Kind{Err: ErrBusy, Code: "busy"},
		runs.Kind{Err: ErrNotRetire, Code: "not_retirable"}, runs.Kind{Err: ErrBadInput, Code: "bad_input"})
}
