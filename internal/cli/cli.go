// Package cli is what the three commands share: flags with their environment variables, exit codes,
// and the one line that an error ends in.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/agnivade/levenshtein"
	"github.com/alecthomas/kong"

	"frostline/iceberg"
	"frostline/internal/rdsauth"
	"frostline/objstore"
	"frostline/parquetio"
	"frostline/pgcopy"
	"frostline/postgres"
)

// Version is the tool's, set by the linker.
var Version = "dev"

// The exit codes, as the commands' help lists them.
const (
	OK            = 0
	Internal      = 1
	Usage         = 2  // a wrong flag or value
	NotFound      = 3  // no such table, column, partition or archive
	NoServer      = 4  // PostgreSQL cannot be reached
	NoStore       = 5  // the warehouse cannot be reached
	NoConditional = 6  // the store ignores conditional puts
	Unproven      = 7  // digests or counts differ
	Conflict      = 8  // exists already, differs, or another run is at work
	LockTimeout   = 9  // a lock was not granted in time
	Unknown       = 10 // the outcome of a commit is unknown: run again
	Privilege     = 11 // a privilege is missing in PostgreSQL
	Damaged       = 12 // an archived object is corrupt or missing
	Interrupted   = 130
)

// ExitCodes is the table for the help of every command.
const ExitCodes = `Exit codes: 0 success, 1 internal error, 2 wrong flag or value, 3 no such table, column, partition or archive,
4 PostgreSQL cannot be reached, 5 the warehouse cannot be reached, 6 the store ignores conditional puts,
7 the proof failed, 8 exists already, differs, or another run is at work, 9 a lock was not granted in time,
10 the outcome of a commit is unknown (run again), 11 a privilege is missing, 12 an archived object is damaged,
130 interrupted.`

// ErrUsage is wrapped by errors of flags and environment.
var ErrUsage = errors.New("usage")

// ExitCode is the exit code of an error of the nouns.
func ExitCode(err error) int {
	for _, c := range []struct {
		err  error
		code int
	}{
		{nil, OK},
		{iceberg.ErrUnknownOutcome, Unknown},
		{context.Canceled, Interrupted},
		{ErrUsage, Usage},
		{postgres.ErrBadValue, Usage},
		{postgres.ErrAmbiguous, Usage},
		{objstore.ErrOutside, Usage},
		{postgres.ErrNoTable, NotFound},
		{postgres.ErrNoColumn, NotFound},
		{postgres.ErrNoPartition, NotFound},
		{iceberg.ErrNoTable, NotFound},
		{iceberg.ErrNoPartition, NotFound},
		{postgres.ErrUnreachable, NoServer},
		{objstore.ErrNoConditional, NoConditional},
		{objstore.ErrUnreachable, NoStore},
		{iceberg.ErrPartitionExists, Conflict},
		{postgres.ErrForeignKey, Conflict},
		{postgres.ErrLockTimeout, LockTimeout},
		{postgres.ErrPrivilege, Privilege},
		{objstore.ErrCorrupt, Damaged},
		{objstore.ErrNotExist, Damaged},
		{iceberg.ErrCorrupt, Damaged},
		{parquetio.ErrCorrupt, Damaged},
		{pgcopy.ErrCorrupt, Damaged},
	} {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	return Internal
}

// Warehouse are the flags that say where the archive is.
type Warehouse struct {
	Warehouse string `help:"Warehouse: file:///folder or s3://bucket/prefix." env:"ARCHIVE_WAREHOUSE" placeholder:"URL"`
	Bucket    string `help:"S3 bucket of the warehouse." env:"ARCHIVE_S3_BUCKET"`
	Prefix    string `help:"Prefix in the bucket." env:"ARCHIVE_S3_PREFIX" default:"aurora-archives"`
	Region    string `help:"AWS region." env:"AWS_REGION" default:"eu-west-1"`
}

// Location is the warehouse's.
func (w Warehouse) Location() (string, error) {
	switch {
	case w.Warehouse != "":
		return strings.TrimRight(w.Warehouse, "/"), nil
	case w.Bucket != "":
		return strings.TrimRight("s3://"+w.Bucket+"/"+strings.Trim(w.Prefix, "/"), "/"), nil
	}
	return "", fmt.Errorf("%w: no warehouse: set ARCHIVE_S3_BUCKET, or ARCHIVE_WAREHOUSE (--warehouse) to file:///folder or s3://bucket/prefix", ErrUsage)
}

// Open opens it; nothing is asked of the network yet.
func (w Warehouse) Open(ctx context.Context) (objstore.Store, error) {
	return w.OpenWith(ctx, objstore.Options{})
}

// OpenWith opens it with options; the region is w's.
func (w Warehouse) OpenWith(ctx context.Context, o objstore.Options) (objstore.Store, error) {
	loc, err := w.Location()
	if err != nil {
		return nil, err
	}
	o.Region = w.Region
	return objstore.Open(ctx, loc, o)
}

// Server are the flags that say which PostgreSQL server. The password comes from AURORA_PASSWORD, PGPASSWORD,
// ~/.pgpass or IAM, never from a flag, which every user of the machine could read.
type Server struct {
	DSN      string `name:"dsn" help:"libpq URL or key=value string, instead of the AURORA_ variables." env:"DATABASE_URL" placeholder:"URL"`
	Host     string `help:"PostgreSQL or Aurora host." env:"AURORA_HOST"`
	Port     string `help:"Port." env:"AURORA_PORT" default:"5432"`
	Database string `help:"Database." env:"AURORA_DATABASE"`
	User     string `help:"User." env:"AURORA_USER"`
	IAM      bool   `name:"iam" help:"Sign in by an RDS IAM token of the AWS credentials, over TLS, instead of a password." env:"AURORA_IAM"`
}

// Open connects.
func (s Server) Open(ctx context.Context, application string) (*postgres.DB, error) {
	dsn, err := s.dsn()
	if err != nil {
		return nil, err
	}
	return postgres.Open(ctx, postgres.Config{DSN: dsn, Application: application, IAM: s.IAM, Token: rdsauth.Token})
}

func (s Server) dsn() (string, error) {
	if s.DSN != "" && s.Host == "" {
		return s.DSN, nil
	}
	if s.DSN != "" {
		return "", fmt.Errorf("%w: both a DSN (DATABASE_URL, --dsn) and AURORA_HOST (--host) are set; unset one", ErrUsage)
	}
	if s.Host == "" {
		if os.Getenv("PGHOST") == "" && os.Getenv("PGSERVICE") == "" {
			return "", fmt.Errorf("%w: no server: set AURORA_HOST, AURORA_DATABASE and AURORA_USER, or DATABASE_URL, or the PG* variables", ErrUsage)
		}
		return "", nil // all of it from the PG* variables
	}
	for _, v := range []struct{ name, value string }{{"AURORA_DATABASE (--database)", s.Database}, {"AURORA_USER (--user)", s.User}} {
		if v.value == "" {
			return "", fmt.Errorf("%w: %s is not set", ErrUsage, v.name)
		}
	}
	dsn := ""
	for _, v := range []struct{ key, value string }{
		{"host", s.Host}, {"port", s.Port}, {"dbname", s.Database}, {"user", s.User}, {"password", os.Getenv("AURORA_PASSWORD")},
	} {
		if v.value != "" {
			dsn += fmt.Sprintf("%s='%s' ", v.key, strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v.value))
		}
	}
	return dsn, nil
}

// Log are the flags of the log on stderr.
type Log struct {
	LogFormat string `help:"Log format on stderr: text or json." enum:"text,json" default:"text"`
	Quiet     bool   `short:"q" help:"No progress, and no log below warnings."`
}

// Logger is the log.
func (l Log) Logger(w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: slog.LevelInfo}
	if l.Quiet {
		o.Level = slog.LevelWarn
	}
	if l.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// Parse reads args into flags. done is true when all is said (--help, --version).
func Parse(flags any, name, description string, args []string, stdout io.Writer) (k *kong.Context, done bool, err error) {
	parser, err := kong.New(flags, kong.Name(name), kong.Description(description+"\n\n"+ExitCodes),
		kong.Writers(stdout, stdout), kong.Exit(func(int) { done = true }), kong.Vars{"version": Version})
	if err != nil {
		return nil, false, err
	}
	k, err = parser.Parse(args)
	if done {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w: %w%s", name, ErrUsage, err, meant(err, parser.Model))
	}
	return k, false, nil
}

// meant names the commands after an argument that is none of them: kong does so for flags only where one command is the default.
func meant(err error, app *kong.Application) string {
	arg, ok := strings.CutPrefix(err.Error(), "unexpected argument ")
	if !ok || len(arg) > 64 {
		return ""
	}
	var names []string
	best, least := "", 1+len(arg)/3
	for _, c := range app.Children {
		if c.Hidden {
			continue
		}
		names = append(names, c.Name)
		if d := levenshtein.ComputeDistance(strings.ToLower(arg), c.Name); d < least {
			best, least = c.Name, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("; did you mean %q?", best)
	case len(names) > 0:
		return "; the commands are " + strings.Join(names, ", ")
	}
	return ""
}

// PrintJSON writes v as one JSON object on a line.
func PrintJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// Exit ends the process with run's exit code. SIGINT and SIGTERM end its context.
func Exit(run func(ctx context.Context, args []string, stdout, stderr io.Writer) int) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Fail prints the one line of err and gives its exit code.
func Fail(stderr io.Writer, err error, code int) int {
	fmt.Fprintln(stderr, strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; "))
	return code
}
