package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// ErrNotInstalled is wrapped by Find when this machine has no PostgreSQL server.
var ErrNotInstalled = errors.New("no PostgreSQL server is installed")

// BinEnv names the folder of postgres and initdb, before anything else.
const BinEnv = "FROSTLINE_PG_BIN"

// Find is the folder that holds postgres and initdb: $FROSTLINE_PG_BIN, `pg_config --bindir`, the newest of
// /usr/lib/postgresql, /usr/pgsql-*, Homebrew's and Postgres.app's, PATH, then what FindOrInstall downloaded.
func Find() (string, error) {
	if dir := os.Getenv(BinEnv); dir != "" {
		if !complete(dir) {
			return "", fmt.Errorf("find PostgreSQL: %s=%s holds no postgres and initdb", BinEnv, dir)
		}
		return dir, nil
	}
	var dirs []string
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin",
		"/opt/homebrew/opt/postgresql@*/bin", "/opt/homebrew/opt/postgresql/bin",
		"/usr/local/opt/postgresql@*/bin", "/usr/local/opt/postgresql/bin",
		"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
		"/usr/local/pgsql/bin", "/usr/local/bin", "/usr/bin",
	} {
		found, _ := filepath.Glob(pattern)
		slices.SortStableFunc(found, func(a, b string) int { return versionIn(b) - versionIn(a) })
		dirs = append(dirs, found...)
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	if dir, err := downloadDir(); err == nil {
		dirs = append(dirs, filepath.Join(dir, "bin"))
	}
	for _, dir := range dirs {
		if complete(dir) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("find PostgreSQL: %w; %s, or set %s", ErrNotInstalled, installLine(), BinEnv)
}

func complete(dir string) bool {
	for _, name := range []string{"postgres", "initdb"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.IsDir() {
			return false
		}
	}
	return true
}

// versionIn is the last number in a path: 16 of /usr/lib/postgresql/16/bin.
func versionIn(path string) int {
	fields := strings.FieldsFunc(path, func(r rune) bool { return r < '0' || r > '9' })
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(fields[len(fields)-1])
	return n
}

func installLine() string {
	if runtime.GOOS == "darwin" {
		return "install it with: brew install postgresql@17"
	}
	if _, err := exec.LookPath("dnf"); err == nil {
		return "install it with: sudo dnf install -y postgresql-server"
	}
	return "install it with: sudo apt-get install -y postgresql"
}

// FindOrInstall is Find, and when there is none: as root on Debian or Ubuntu it installs the package, as another user it
// downloads a server into the user's cache folder. log gets a line for what it does. The error ends with the line that
// installs a server by hand.
func FindOrInstall(ctx context.Context, log func(string)) (string, error) {
	dir, err := Find()
	if !errors.Is(err, ErrNotInstalled) {
		return dir, err
	}
	if os.Geteuid() == 0 {
		if _, lookErr := exec.LookPath("apt-get"); lookErr != nil {
			return "", err
		}
		log("installing PostgreSQL: apt-get install -y postgresql")
		for _, args := range [][]string{{"update", "-q"}, {"install", "-y", "-q", "postgresql"}} {
			cmd := exec.CommandContext(ctx, "apt-get", args...)
			cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
			if out, runErr := cmd.CombinedOutput(); runErr != nil {
				return "", fmt.Errorf("%w (apt-get %s: %w: %s)", err, args[0], runErr, tail(out))
			}
		}
		return Find()
	}
	if downloadErr := download(log); downloadErr != nil {
		return "", fmt.Errorf("%w (download: %w)", err, downloadErr)
	}
	return Find()
}

func downloadDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "frostline", "postgres"), nil
}

// download fetches server binaries by starting and stopping an embedded server once. It cannot work as root.
func download(log func(string)) error {
	dir, err := downloadDir()
	if err != nil {
		return err
	}
	runtimeDir, err := os.MkdirTemp("", "fpg")
	if err != nil {
		return err
	}
	defer os.RemoveAll(runtimeDir)
	port, err := FreePort()
	if err != nil {
		return err
	}
	log("downloading PostgreSQL into " + dir)
	pg := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		BinariesPath(dir).CachePath(filepath.Join(runtimeDir, "cache")).RuntimePath(filepath.Join(runtimeDir, "run")).
		Port(uint32(port)).StartTimeout(time.Minute).Logger(nil))
	if err := pg.Start(); err != nil {
		return err
	}
	return pg.Stop()
}
