// Command queryd answers filtered queries over an archive by HTTP.
//
// Exit codes: 0 stopped on request, 1 internal, 2 usage, 5 the warehouse cannot be reached,
// 6 the warehouse ignores conditional puts.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"frostline/iceberg"
	"frostline/objstore"
	"frostline/query"
	"frostline/rest"
)

// Main is the program. Tests run it in-process with Listen "127.0.0.1:0".
type Main struct {
	Listen    string        `help:"Address to listen on; port 0 takes a free one." default:":8080" env:"QUERYD_LISTEN"`
	Warehouse string        `help:"Warehouse: s3://bucket/prefix or file:///dir." env:"ARCHIVE_WAREHOUSE"`
	Bucket    string        `name:"s3-bucket" help:"Bucket of the warehouse, without --warehouse." env:"ARCHIVE_S3_BUCKET"`
	Prefix    string        `name:"s3-prefix" help:"Prefix of the warehouse in the bucket." env:"ARCHIVE_S3_PREFIX" default:"aurora-archives"`
	Region    string        `help:"AWS region." env:"AWS_REGION" default:"eu-west-1"`
	Timeout   time.Duration `help:"Longest time of one query." default:"300s"`
	MaxLimit  int64         `help:"Largest number of rows of one answer." default:"100000"`
	Queries   int           `help:"Queries that run at once; others wait." default:"16"`
	LogLevel  string        `help:"debug, info, warn or error." enum:"debug,info,warn,error" default:"info" env:"LOG_LEVEL"`
	ReadyFile string        `help:"File to write the listening address to, as one JSON line." type:"path"`

	Stdout io.Writer `kong:"-"`
	Stderr io.Writer `kong:"-"`
}

// usageError is a mistake in flags or environment.
type usageError struct{ error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Run parses args, serves until ctx ends, and returns the exit code.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	m := &Main{Stdout: stdout, Stderr: stderr}
	exited := -1
	parser, err := kong.New(m, kong.Name("queryd"), kong.Writers(stdout, stderr), kong.Exit(func(code int) { exited = code }),
		kong.Description("Answers filtered queries over an archive by HTTP. It has no authentication: keep it on loopback or behind a proxy that has.\n\n"+
			"Exit codes: 0 stopped on request, 1 internal, 2 usage, 5 warehouse cannot be reached, 6 warehouse ignores conditional puts."))
	if err != nil {
		return report(stderr, err)
	}
	_, err = parser.Parse(args)
	if exited >= 0 { // --help
		return exited
	}
	if err == nil {
		err = m.Run(ctx)
	} else {
		err = usageError{nearestFlag(parser, err, args)}
	}
	return report(stderr, err)
}

// report prints err as one line and gives its exit code.
func report(stderr io.Writer, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "queryd: %v\n", err)
	var usage usageError
	switch {
	case errors.As(err, &usage):
		return 2
	case errors.Is(err, objstore.ErrNoConditional):
		return 6
	case errors.Is(err, objstore.ErrUnreachable):
		return 5
	}
	return 1
}

// nearestFlag adds the flag that an unknown one was likely meant to be.
func nearestFlag(k *kong.Kong, err error, args []string) error {
	if !strings.Contains(err.Error(), "unknown flag") || strings.Contains(err.Error(), "did you mean") {
		return err
	}
	var names []string
	for _, group := range k.Model.AllFlags(false) {
		for _, f := range group {
			names = append(names, f.Name)
		}
	}
	for _, a := range args {
		name, ok := strings.CutPrefix(a, "--")
		name, _, _ = strings.Cut(name, "=")
		if ok && strings.Contains(err.Error(), "--"+name) {
			if n := query.Nearest(name, names); n != "" && n != name {
				return fmt.Errorf("%w, did you mean \"--%s\"?", err, n)
			}
		}
	}
	return err
}

// Run opens the warehouse, listens and serves until ctx ends.
func (m *Main) Run(ctx context.Context) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(m.LogLevel)); err != nil {
		return usageError{err}
	}
	log := slog.New(slog.NewJSONHandler(m.Stderr, &slog.HandlerOptions{Level: level}))

	location, err := m.location()
	if err != nil {
		return err
	}
	store, err := objstore.Open(ctx, location, objstore.Options{Region: m.Region})
	if err != nil {
		return fmt.Errorf("open warehouse %s: %w", location, err)
	}
	engine := query.New(iceberg.NewCatalog(store), store, query.Options{Timeout: m.Timeout, MaxLimit: m.MaxLimit, Queries: m.Queries})
	probe, cancel := context.WithTimeout(ctx, 30*time.Second)
	err = engine.Ready(probe)
	cancel()
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("open warehouse %s: %w: %w", location, objstore.ErrUnreachable, err)
	}

	l, err := net.Listen("tcp", m.Listen)
	if err != nil {
		return usageError{fmt.Errorf("listen on %s: %w", m.Listen, err)}
	}
	if err := m.announce(l.Addr(), location); err != nil {
		l.Close()
		return err
	}
	return rest.New(engine, rest.Options{Log: log}).Serve(ctx, l)
}

// location is the warehouse that flags and environment name.
func (m *Main) location() (string, error) {
	switch {
	case m.Warehouse != "":
		return m.Warehouse, nil
	case m.Bucket != "":
		return strings.TrimRight("s3://"+m.Bucket+"/"+strings.Trim(m.Prefix, "/"), "/"), nil
	}
	return "", usageError{errors.New("no warehouse: give --warehouse (ARCHIVE_WAREHOUSE) or --s3-bucket (ARCHIVE_S3_BUCKET)")}
}

// announce says where the server listens: for people on stderr, for scripts as one JSON line on stdout and in the ready file.
func (m *Main) announce(addr net.Addr, location string) error {
	fmt.Fprintf(m.Stderr, "queryd: serving %s on http://%s\n", location, addr)
	if tcp, ok := addr.(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		fmt.Fprintf(m.Stderr, "queryd: warning: %s is not a loopback address and there is no authentication: whoever reaches it can read the archive\n", addr)
	}
	line, err := json.Marshal(map[string]string{"listening": addr.String()})
	if err != nil {
		return err
	}
	line = append(line, '\n')
	fmt.Fprintf(m.Stdout, "%s", line)
	if m.ReadyFile == "" {
		return nil
	}
	tmp := m.ReadyFile + ".tmp" // readers never see half a line
	if err := os.WriteFile(tmp, line, 0o644); err != nil {
		return usageError{fmt.Errorf("write ready file: %w", err)}
	}
	if err := os.Rename(tmp, m.ReadyFile); err != nil {
		return usageError{fmt.Errorf("write ready file: %w", err)}
	}
	return nil
}
