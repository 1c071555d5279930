package query

import (
	"context"
	"errors"
	"fmt"
	"time"

	"frostline/iceberg"
	"frostline/objstore"
	"frostline/parquetio"
	"frostline/predicate"
)

// Code is the class of an error.
type Code string

// The codes.
const (
	BadRequest  Code = "bad_request"       // the caller's mistake; Reason says which
	NotFound    Code = "not_found"         // no such table or partition
	Outside     Code = "outside_warehouse" // a path that this server does not serve
	Unreadable  Code = "unreadable_file"   // a file or metadata is missing or corrupt
	Unreachable Code = "store_unreachable"
	Timeout     Code = "timeout"
	Canceled    Code = "canceled" // by the caller
	TooLarge    Code = "result_too_large"
	TooMuch     Code = "scan_too_large" // the query would read more bytes or rows than one may
	Busy        Code = "busy"           // the queue is full or memory is short: ask again after RetryAfter
	Forbidden   Code = "forbidden"      // the caller's rights do not reach so far
	Internal    Code = "internal"
)

// Error is every error of an Engine.
type Error struct {
	Code   Code
	Reason string // of a BadRequest: "syntax", "unknown_column", "type_mismatch" … as predicate.Error, "bad_limit", "ambiguous_partition" …; of a NotFound "unknown_snapshot" or ""
	Field  string // the request's field, "" without
	Pos    int    // 1-based position in the field's text, 0 without
	Msg    string
	Hint   string // what to do, "" without
	Err    error  // the cause, nil without

	RetryAfter time.Duration // of Busy
}

// Error is the message with the cause and the hint.
func (e *Error) Error() string {
	s := e.Msg
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

func badRequest(reason, field, hint, format string, args ...any) *Error {
	return &Error{Code: BadRequest, Reason: reason, Field: field, Hint: hint, Msg: fmt.Sprintf(format, args...)}
}

// failed classifies err, which ended work on path.
func (e *Engine) failed(ctx context.Context, path string, err error) error {
	if err == nil {
		return nil
	}
	var typed *Error
	if errors.As(err, &typed) && (typed.Code != Unreadable || ctx.Err() == nil) {
		return typed
	}
	var pe *predicate.Error
	if errors.As(err, &pe) && pe.Code == predicate.CodeGuard {
		return &Error{Code: Forbidden, Reason: pe.Code, Field: "archivePath", Msg: pe.Msg + "; no rows were returned", Hint: "have the filter adapted"}
	}
	if errors.As(err, &pe) {
		return &Error{Code: BadRequest, Reason: pe.Code, Field: pe.Field, Pos: pe.Pos, Msg: pe.Msg, Hint: pe.Hint}
	}
	// The context first: what it cut off looks like a broken connection.
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &Error{Code: Timeout, Msg: fmt.Sprintf("query %s: not finished within %s", path, e.timeout(ctx)),
			Hint: "filter more, ask for one partition, or set count to none", Err: nil}
	case ctx.Err() != nil:
		return &Error{Code: Canceled, Msg: "query " + path + ": cancelled by the caller"}
	case errors.Is(err, objstore.ErrOutside):
		return &Error{Code: Outside, Field: "archivePath", Msg: fmt.Sprintf("%q is not a path of this server's warehouse", path),
			Hint: "give a path under " + e.store.Root()}
	case errors.Is(err, iceberg.ErrNoSnapshot):
		return &Error{Code: NotFound, Reason: "unknown_snapshot", Field: "snapshotId", Msg: "query " + path, Err: err,
			Hint: "snapshots expire; list those that are left, or leave it out"}
	case errors.Is(err, iceberg.ErrNoTable):
		return &Error{Code: NotFound, Field: "archivePath", Msg: fmt.Sprintf("no archived table at %q", path)}
	case errors.Is(err, iceberg.ErrNoPartition):
		return &Error{Code: NotFound, Field: "archivePath", Msg: fmt.Sprintf("no archived partition at %q", path)}
	case errors.Is(err, objstore.ErrUnreachable):
		return &Error{Code: Unreachable, Msg: "query " + path + ": the warehouse cannot be reached", Err: err}
	case errors.Is(err, parquetio.ErrCorrupt), errors.Is(err, objstore.ErrCorrupt), errors.Is(err, iceberg.ErrCorrupt),
		errors.Is(err, objstore.ErrNotExist):
		return &Error{Code: Unreadable, Msg: "query " + path + ": a file of the archive cannot be read; no rows were returned", Err: err}
	}
	return &Error{Code: Internal, Msg: "query " + path, Err: err}
}

// unreadable is the failure of one data file. Causes that are not the file's keep their class.
func unreadable(location string, err error) error {
	var filter *predicate.Error // a value that the filter cannot compute with is no fault of the file
	if errors.As(err, &filter) {
		return err
	}
	if errors.Is(err, objstore.ErrUnreachable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("read %s: %w", location, err)
	}
	return &Error{Code: Unreadable, Msg: "read " + location + ": the query failed and no rows were returned", Err: err}
}
