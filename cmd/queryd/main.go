// Command queryd answers filtered queries over an archive by HTTP. Package rest describes the API,
// package cli the exit codes.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"frostline/iceberg"
	"frostline/internal/cli"
	"frostline/objstore"
	"frostline/query"
	"frostline/rest"
)

// Main is the program. Tests run it in-process with Listen "127.0.0.1:0".
type Main struct {
	cli.Warehouse
	cli.Log
	Listen    string        `help:"Address to listen on; port 0 takes a free one." default:":8080" env:"QUERYD_LISTEN"`
	Timeout   time.Duration `help:"Longest time of one query." default:"300s"`
	MaxLimit  int64         `help:"Largest number of rows of one answer." default:"100000"`
	Queries   int           `help:"Queries that run at once; others wait." default:"16"`
	ReadyFile string        `help:"File that gets the listening address, as one JSON line." type:"path" placeholder:"FILE"`

	stdout, stderr io.Writer
}

func main() { cli.Exit(run) }

// run serves until ctx ends and gives the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	m := &Main{stdout: stdout, stderr: stderr}
	_, done, err := cli.Parse(m, "queryd", "Answers filtered queries over an archive by HTTP. There is no authentication: keep it on loopback, "+
		"or behind a proxy that has one.", args, stdout)
	if done {
		return cli.OK
	}
	if err == nil {
		err = m.Run(ctx)
	}
	if err != nil {
		return cli.Fail(stderr, err, cli.ExitCode(err))
	}
	return cli.OK
}

// startTimeout is how long the warehouse has to answer before the program gives up.
const startTimeout = 30 * time.Second

// Run opens the warehouse, listens, and serves until ctx ends.
func (m *Main) Run(ctx context.Context) error {
	location, err := m.Location()
	if err != nil {
		return err
	}
	if m.Timeout <= 0 || m.MaxLimit <= 0 || m.Queries <= 0 {
		return fmt.Errorf("%w: --timeout, --max-limit and --queries must be above 0", cli.ErrUsage)
	}
	store, err := m.Open(ctx)
	if err != nil {
		return fmt.Errorf("open warehouse %s: %w", location, err)
	}
	engine := query.New(iceberg.NewCatalog(store), store, query.Options{Timeout: m.Timeout, MaxLimit: m.MaxLimit, Queries: m.Queries})
	if err := m.reach(ctx, engine, location); err != nil {
		return err
	}
	l, err := net.Listen("tcp", m.Listen)
	if err != nil {
		return fmt.Errorf("%w: listen on %s: %w", cli.ErrUsage, m.Listen, err)
	}
	if err := m.announce(l.Addr(), location); err != nil {
		l.Close()
		return err
	}
	return rest.New(engine, rest.Options{Log: m.Logger(m.stderr)}).Serve(ctx, l)
}

// reach fails where the warehouse does not answer.
func (m *Main) reach(ctx context.Context, engine *query.Engine, location string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := engine.Ready(ctx); err != nil {
		return fmt.Errorf("open warehouse %s: %w: %w", location, objstore.ErrUnreachable, err)
	}
	return nil
}

// announce says where the server listens: for people on stderr, for scripts as one JSON line on stdout and in the
// ready file.
func (m *Main) announce(addr net.Addr, location string) error {
	fmt.Fprintf(m.stderr, "queryd: serving %s on http://%s\n", location, addr)
	if tcp, ok := addr.(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		fmt.Fprintf(m.stderr, "queryd: warning: %s is not a loopback address and there is no authentication: whoever reaches it can read the archive\n", addr)
	}
	line, err := json.Marshal(map[string]string{"listening": addr.String()})
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if _, err := m.stdout.Write(line); err != nil {
		return fmt.Errorf("write the listening address: %w", err)
	}
	if m.ReadyFile == "" {
		return nil
	}
	tmp := m.ReadyFile + ".tmp" // readers never see half a line
	if err := os.WriteFile(tmp, line, 0o644); err != nil {
		return fmt.Errorf("%w: ready file: %w", cli.ErrUsage, err)
	}
	if err := os.Rename(tmp, m.ReadyFile); err != nil {
		return fmt.Errorf("%w: ready file: %w", cli.ErrUsage, err)
	}
	return nil
}
