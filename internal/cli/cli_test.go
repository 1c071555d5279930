package cli

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestParseNamesTheCommandThatWasMeant(t *testing.T) {
	type nothing struct{}
	for arg, want := range map[string]string{
		"lisst":    `unexpected argument lisst; did you mean "list"?`,
		"VERIFY":   `unexpected argument VERIFY; did you mean "verify"?`,
		"whatever": "unexpected argument whatever; the commands are archive, list, verify",
		"--tabel":  `unknown flag --tabel, did you mean "--table"?`,
	} {
		flags := struct {
			Archive struct {
				Table string
			} `cmd:"" default:"withargs"`
			List   nothing `cmd:""`
			Verify nothing `cmd:""`
		}{}
		_, _, err := Parse(&flags, "archive", "", []string{arg}, io.Discard)
		if !errors.Is(err, ErrUsage) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want … %s", arg, err, want)
		}
	}
}
