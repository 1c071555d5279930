package pgtest

import (
	"os"
	"testing"
)

// Missing ends a test that wants what is not installed: it skips it, and where FROSTLINE_REQUIRE_EXTRAS is set, as CI does, fails it.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("FROSTLINE_REQUIRE_EXTRAS") != "" {
		t.Fatalf("%s: not installed, and FROSTLINE_REQUIRE_EXTRAS is set (scripts/need postgis extras)", what)
	}
	t.Skipf("%s: not installed (scripts/need postgis extras)", what)
}
