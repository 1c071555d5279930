package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"

	"frostline/iceberg"
	"frostline/internal/cli"
	"frostline/internal/restio"
	"frostline/objstore"
	"frostline/query"
	"frostline/rest"
)

// serveCmd serves the API. Tests run it in-process with Listen "127.0.0.1:0".
type serveCmd struct {
	Listen    string  `help:"Address to listen on; port 0 takes a free one." default:"127.0.0.1:8080" env:"QUERYD_LISTEN"`
	ReadyFile string  `help:"File that gets the listening address, as one JSON line." type:"path" placeholder:"FILE"`
	PageKeys  string  `help:"File of the keys that sign page tokens, one a line; the first one signs, all are valid. Without it tokens end with the process." type:"path" placeholder:"FILE" env:"QUERYD_PAGE_KEYS"`
	Streams   int     `help:"Answers in other formats than JSON that are sent at once; never all of --queries." default:"8"`
	Who       who     `embed:"" group:"Who may ask"`
	Limits    limits  `embed:""`
	Cache     caching `embed:"" group:"Cache"`
	Long      long    `embed:"" prefix:"long-" group:"Long queries"`

	Watching watching `embed:"" group:"Watching"`
}

// limits are the flags of the engine.
type limits struct {
	Timeout      time.Duration `help:"Longest time of one query." default:"300s"`
	MaxLimit     int64         `help:"Largest limit of an answer in JSON." default:"100000"`
	Queries      int           `help:"Queries that run at once; others wait." default:"16"`
	Queue        int           `help:"Queries that may wait; more are refused." default:"256"`
	MemoryBytes  int64         `help:"Memory of all running queries, beside the caches." default:"536870912"`
	MaxScanBytes int64         `help:"Bytes of data files that one query may read; 0 is no bound." default:"0"`
	MaxScanRows  int64         `help:"Rows that one query may look at; 0 is no bound." default:"0"`
	PricePerTB   float64       `help:"US dollars for 10^12 bytes read, for the cost that is told." default:"5" name:"price-per-tb"`
}

func (l limits) options() (query.Options, error) {
	if l.Timeout <= 0 || l.MaxLimit <= 0 || l.Queries <= 0 || l.MemoryBytes <= 0 {
		return query.Options{}, fmt.Errorf("%w: --timeout, --max-limit, --queries and --memory-bytes must be above 0", cli.ErrUsage)
	}
	if l.Queue < 0 || l.MaxScanBytes < 0 || l.MaxScanRows < 0 || l.PricePerTB < 0 {
		return query.Options{}, fmt.Errorf("%w: --queue, --max-scan-bytes, --max-scan-rows and --price-per-tb must not be below 0", cli.ErrUsage)
	}
	o := query.Options{Timeout: l.Timeout, MaxLimit: l.MaxLimit, Queries: l.Queries, Queue: l.Queue, MemoryBytes: l.MemoryBytes,
		MaxScanBytes: l.MaxScanBytes, MaxScanRows: l.MaxScanRows, PricePerTB: l.PricePerTB}
	if o.Queue == 0 { // the engine's zero values are its defaults
		o.Queue = -1
	}
	if o.PricePerTB == 0 {
		o.PricePerTB = -1
	}
	return o, nil
}

// startTimeout is how long the warehouse has to answer before the program gives up.
const startTimeout = 30 * time.Second

// run opens the warehouse, listens, and serves until ctx ends.
func (s *serveCmd) run(ctx context.Context, f *flags, _ *kong.Context, stdout, stderr io.Writer) error {
	location, err := f.Location()
	if err != nil {
		return err
	}
	limits, err := s.Limits.options()
	if err != nil {
		return err
	}
	if s.Streams <= 0 || s.Watching.Grace <= 0 {
		return fmt.Errorf("%w: --streams and --grace must be above 0", cli.ErrUsage)
	}
	o := rest.Options{Log: f.Logger(stderr), Parquet: restio.Parquet, Streams: min(s.Streams, max(1, s.Limits.Queries-1)),
		DrainWait: s.Watching.drainWait(s.Listen), Grace: s.Watching.Grace, Registry: prometheus.NewRegistry()}
	if o.PageKeys, err = readKeys(s.PageKeys); err != nil {
		return err
	}
	if err := s.Who.check(s.Listen); err != nil {
		return err
	}
	guard, err := s.Who.open(&o)
	if err != nil {
		return err
	}
	if guard.audit != nil {
		defer guard.audit.Close()
	}
	limits.NeedRights = guard.access != nil
	sent, last, err := startTelemetry(ctx, o.Registry, o.Log)
	if err != nil {
		return err
	}
	defer last()
	o.Tracing = sent.Traces
	requests := newS3Metrics()
	store, err := f.OpenWith(ctx, objstore.Options{Observe: requests.observe})
	if err != nil {
		return fmt.Errorf("open warehouse %s: %w", location, err)
	}
	if o.Long, err = s.Long.options(ctx, s.Listen, store); err != nil {
		return err
	}
	cached, done, collectors, err := s.Cache.before(store)
	if err != nil {
		return err
	}
	defer done()
	catalog := iceberg.NewCatalog(cached)
	engines := engineMetrics{}
	if o.Long.Folder != nil {
		limits.MemoryBytes -= limits.MemoryBytes / 4
		own := query.New(catalog, cached, s.Long.limits(limits))
		o.Long.Engine, engines["long"] = own, own
	}
	engine := query.New(catalog, cached, limits)
	engines["api"] = engine
	o.Collectors = append(collectors, engines, requests.requests, requests.seconds)
	if err := reach(ctx, engine, location); err != nil {
		return err
	}
	l, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return fmt.Errorf("%w: listen on %s: %w", cli.ErrUsage, s.Listen, err)
	}
	watched, stop := context.WithCancel(ctx)
	defer stop()
	server := rest.New(engine, o)
	guard.watch(watched, o.Log, s.pageKeys(server, o.Log))
	profiles, err := s.Watching.debug(stderr)
	if err != nil {
		l.Close()
		return err
	}
	defer profiles()
	if err := s.announce(l.Addr(), location, stdout, stderr); err != nil {
		l.Close()
		return err
	}
	return server.Serve(ctx, guard.listener(l))
}

// pageKeys reads the file of keys anew.
func (s *serveCmd) pageKeys(server *rest.Server, log *slog.Logger) func() error {
	return func() error {
		if s.PageKeys == "" {
			return nil
		}
		keys, err := readKeys(s.PageKeys)
		if err == nil {
			server.SetPageKeys(keys)
			log.Info("page keys reloaded", "file", s.PageKeys, "keys", len(keys))
		}
		return err
	}
}

// keyBytes is the least length of a key.
const keyBytes = 16

// readKeys reads the keys of page tokens, one a line.
func readKeys(file string) ([][]byte, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w: page keys: %w", cli.ErrUsage, err)
	}
	var keys [][]byte
	for line := range bytes.Lines(data) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if len(line) < keyBytes {
			return nil, fmt.Errorf("%w: page keys: a key in %s is shorter than %d characters; make one with: openssl rand -hex 32", cli.ErrUsage, file, keyBytes)
		}
		keys = append(keys, line)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: page keys: %s has none; make one with: openssl rand -hex 32", cli.ErrUsage, file)
	}
	return keys, nil
}

// reach fails where the warehouse does not answer.
func reach(ctx context.Context, engine *query.Engine, location string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := engine.Ready(ctx); err != nil {
		return fmt.Errorf("open warehouse %s: %w: %w", location, objstore.ErrUnreachable, err)
	}
	return nil
}

// announce says where the server listens: for people on stderr, for scripts as one JSON line on stdout and in the
// ready file.
func (s *serveCmd) announce(addr net.Addr, location string, stdout, stderr io.Writer) error {
	scheme := "http"
	if s.Who.TLSCert != "" {
		scheme = "https"
	}
	fmt.Fprintf(stderr, "queryd: serving %s on %s://%s\n", location, scheme, addr)
	if tcp, ok := addr.(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		switch {
		case s.Who.Principals == "":
			fmt.Fprintf(stderr, "queryd: WARNING: %s is not a loopback address and there is no authentication: whoever reaches it can read the archive\n", addr)
		case scheme == "http":
			fmt.Fprintf(stderr, "queryd: WARNING: %s is not a loopback address and there is no TLS: keys and rows can be read on the way; give --tls-cert, or put a proxy in front\n", addr)
		}
	}
	line, err := json.Marshal(map[string]string{"listening": addr.String()})
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if _, err := stdout.Write(line); err != nil {
		return fmt.Errorf("write the listening address: %w", err)
	}
	if s.ReadyFile == "" {
		return nil
	}
	tmp := s.ReadyFile + ".tmp" // readers never see half a line
	if err := os.WriteFile(tmp, line, 0o644); err != nil {
		return fmt.Errorf("%w: ready file: %w", cli.ErrUsage, err)
	}
	if err := os.Rename(tmp, s.ReadyFile); err != nil {
		return fmt.Errorf("%w: ready file: %w", cli.ErrUsage, err)
	}
	return nil
}
