package runs_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"frostline/iceberg"
	"frostline/internal/runs"
	"frostline/postgres"
)

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		done, failed int
		want         string
	}{{0, 0, "success"}, {3, 0, "success"}, {0, 2, "failed"}, {1, 2, "partial"}} {
		if got := runs.Status(c.done, c.failed); got != c.want {
			t.Errorf("%d done, %d failed: %s, want %s", c.done, c.failed, got, c.want)
		}
	}
}

// An error can be of several kinds: an interruption is one whatever it interrupted, and a story's own kind says more than what it called.
func TestErrorCode(t *testing.T) {
	own := errors.New("own")
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{errors.New("another"), "internal"},
		{fmt.Errorf("read: %w", postgres.ErrNoTable), "not_found"},
		{errors.Join(postgres.ErrNoTable, own), "ours"},
		{errors.Join(own, context.Canceled), "interrupted"},
		{errors.Join(context.Canceled, iceberg.ErrUnknownOutcome), "unknown_outcome"},
	} {
		if got := runs.ErrorCode(c.err, runs.Kind{Err: own, Code: "ours"}); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}
