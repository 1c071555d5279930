package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/agnivade/levenshtein"
)

// serverError prints what the server said: message, detail, hint, SQLSTATE.
type serverError struct{ *pgconn.PgError }

func (e *serverError) Error() string {
	s := brief(e.Message)
	if e.Detail != "" {
		s += "; " + brief(strings.TrimSuffix(e.Detail, "."))
	}
	if e.Hint != "" {
		s += "; hint: " + brief(strings.TrimSuffix(e.Hint, "."))
	}
	return s + " (SQLSTATE " + e.Code + ")"
}

// maxSaid is how much of one text of the server's is printed: it can quote a value of any length.
const maxSaid = 1000

// brief cuts a long text in its middle: the end often says what was wrong.
func brief(s string) string {
	if len(s) <= maxSaid {
		return s
	}
	head, tail := maxSaid*3/4, len(s)-maxSaid/4
	for head > 0 && !utf8.RuneStart(s[head]) {
		head--
	}
	for tail < len(s) && !utf8.RuneStart(s[tail]) {
		tail++
	}
	return fmt.Sprintf("%s … (%d bytes left out) … %s", s[:head], tail-head, s[tail:])
}

func (e *serverError) Unwrap() error { return e.PgError }

// wrap gives an error its operation and its kind.
func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", op, err)
	}
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		said := &serverError{pgErr}
		if kind := kindOf(pgErr.Code); kind != nil {
			return fmt.Errorf("%s: %w: %w", op, kind, said)
		}
		return fmt.Errorf("%s: %w", op, said)
	}
	var netErr net.Error
	var connErr *pgconn.ConnectError
	if errors.As(err, &netErr) || errors.As(err, &connErr) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, pgconn.ErrConnClosed) {
		return fmt.Errorf("%s: %w: %w", op, ErrUnreachable, err)
	}
	return fmt.Errorf("%s: %w", op, err)
}

// kindOf maps SQLSTATEs (manual, appendix A) to our errors.
func kindOf(code string) error {
	switch code {
	case "42501":
		return ErrPrivilege
	case "55P03":
		return ErrLockTimeout
	case "42P01", "3F000":
		return ErrNoTable
	case "42703":
		return ErrNoColumn
	case "23503":
		return ErrForeignKey
	case "57P01", "57P02", "57P03", "53300":
		return ErrUnreachable
	}
	switch code[:min(2, len(code))] {
	case "08", "28", "3D":
		return ErrUnreachable
	case "22":
		return ErrBadValue
	}
	return nil
}

// sqlState is the server's code, "" for other errors.
func sqlState(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}

// nearest are up to n of names that resemble want most, for messages.
func nearest(want string, names []string, n int) []string {
	type scored struct {
		name string
		d    int
	}
	var all []scored
	for _, name := range names {
		d := levenshtein.ComputeDistance(strings.ToLower(want), strings.ToLower(name))
		if strings.Contains(strings.ToLower(name), strings.ToLower(want)) {
			d = min(d, 1)
		}
		if d <= max(2, len(want)/3) {
			all = append(all, scored{name, d})
		}
	}
	var out []string
	for want := 0; len(out) < n && want <= 64; want++ {
		for _, s := range all {
			if s.d == want && len(out) < n {
				out = append(out, s.name)
			}
		}
	}
	return out
}

// Nearest ends the message that want is not there: it names those of names that resemble it, and is empty where none does.
func Nearest(want string, names []string) string { return didYouMean(nearest(want, names, 3)) }

func didYouMean(near []string) string {
	if len(near) == 0 {
		return ""
	}
	return "; nearest: " + strings.Join(near, ", ")
}
