package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"frostline/iceberg"
	"frostline/internal/cli"
	"frostline/internal/restio"
	"frostline/query"
	"frostline/rest"
	"frostline/rest/api"
)

// queryCmd answers one query. Without --server it is its own server, over a connection inside the process: both ways are one.
type queryCmd struct {
	Filter string `arg:"" optional:"" help:"Filter expression, as in SQL's WHERE; absent is all rows."`

	Table     string   `help:"Table, as schema.table; a name with a dot stands in double quotes." placeholder:"NAME" xor:"what" required:""`
	Path      string   `help:"Archive path or table location, instead of --table." placeholder:"PATH" xor:"what" required:""`
	Partition string   `help:"One partition of --table: column=value, or the value." placeholder:"VALUE"`
	Columns   []string `help:"Columns, with commas between." sep:"," placeholder:"NAME"`
	GroupBy   []string `help:"Columns to group by." sep:"," placeholder:"NAME"`
	Aggregate []string `help:"Aggregate: count(*), sum(column), count(distinct column), min, max, avg; may be repeated." sep:"none" placeholder:"FUNC"`
	OrderBy   []string `help:"Column, or name of an aggregate, to order by; with ' desc' behind it downwards." sep:"," placeholder:"NAME"`
	Limit     *int64   `help:"Rows; the default is 100 for a table, 1000 for json, all for the other formats." placeholder:"N"`
	Offset    int64    `help:"Matching rows to skip."`
	Snapshot  string   `help:"Snapshot of the table; the default is the newest." placeholder:"ID"`
	Explain   bool     `help:"Tell what the query would read, as JSON."`
	Format    string   `help:"table, json, jsonl, csv, arrow or parquet; the default is table on a terminal, else jsonl." enum:",table,json,jsonl,csv,arrow,parquet" default:""`
	Server    string   `help:"Server to ask, as http://host:port; without it the warehouse is read here. The key in the variable QUERYD_KEY is sent along." placeholder:"URL" env:"QUERYD_SERVER"`
}

// tableLimit is how many rows a table on a terminal shows where nothing else is asked.
const tableLimit = 100

func (q *queryCmd) run(ctx context.Context, f *flags, _ *kong.Context, stdout, stderr io.Writer) error {
	if q.Format == "" {
		q.Format = "jsonl"
		if file, ok := stdout.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
			q.Format = "table"
		}
	}
	path, body, err := q.request()
	if err != nil {
		return err
	}
	client, base := http.DefaultClient, strings.TrimRight(q.Server, "/")
	if q.Server == "" {
		var stop func()
		if client, stop, err = q.here(ctx, f, stderr); err != nil {
			return err
		}
		defer stop()
		base = "http://queryd"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: --server: %w", cli.ErrUsage, err)
	}
	req.Header.Set("Content-Type", "application/json")
	if key := os.Getenv("QUERYD_KEY"); key != "" && q.Server != "" { // no flag: other users of the host see flags
		req.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("query: %w: %w", errNoServer, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return refusal(res)
	}
	if q.Format == "table" && !q.Explain {
		err = printTable(stdout, res.Body)
	} else {
		_, err = io.Copy(stdout, res.Body)
	}
	if err != nil {
		return fmt.Errorf("query: the answer did not come to its end: what was printed is not the whole of it: %w", err)
	}
	return nil
}

// request is the path and the body of the request.
func (q *queryCmd) request() (path string, body []byte, err error) {
	b := map[string]any{}
	set := func(name string, v any, given bool) {
		if given {
			b[name] = v
		}
	}
	set("filterExpression", q.Filter, q.Filter != "")
	set("columns", q.Columns, len(q.Columns) > 0)
	set("groupBy", q.GroupBy, len(q.GroupBy) > 0)
	set("offset", q.Offset, q.Offset != 0)
	set("snapshotId", q.Snapshot, q.Snapshot != "")
	set("limit", q.Limit, q.Limit != nil)
	format := q.Format
	if format == "table" {
		format = "json"
		set("limit", tableLimit, q.Limit == nil)
	}
	b["format"] = format
	var orders []api.Order
	for _, o := range q.OrderBy {
		orders = append(orders, orderOf(o))
	}
	set("orderBy", orders, len(orders) > 0)
	var aggregates []api.Aggregate
	for _, text := range q.Aggregate {
		a, err := aggregateOf(text)
		if err != nil {
			return "", nil, err
		}
		aggregates = append(aggregates, a)
	}
	set("aggregates", aggregates, len(aggregates) > 0)

	path = "/api/v1/archives/query"
	if q.Explain {
		path = "/api/v1/archives/explain"
		delete(b, "format")
	}
	schema, table, err := q.names()
	switch {
	case err != nil:
		return "", nil, err
	case q.Path != "" && q.Partition != "":
		return "", nil, fmt.Errorf("%w: --partition goes with --table; give the archive path of the partition", cli.ErrUsage)
	case q.Path != "":
		b["archivePath"] = q.Path
	case q.Partition == "":
		b["archivePath"] = iceberg.TableKey(schema, table)
	case q.Explain && strings.Contains(q.Partition, "="):
		b["archivePath"] = iceberg.PartitionKey(schema, table, q.Partition)
	case q.Explain:
		return "", nil, fmt.Errorf("%w: --explain needs --partition as column=value", cli.ErrUsage)
	default:
		path += "/" + url.PathEscape(schema) + "/" + url.PathEscape(table) + "/" + url.PathEscape(q.Partition)
	}
	body, err = json.Marshal(b)
	return path, body, err
}

// names splits --table at the dot; a name in double quotes may hold one.
func (q *queryCmd) names() (schema, table string, err error) {
	if q.Table == "" {
		return "", "", nil
	}
	m := tableName.FindStringSubmatch(q.Table)
	if m == nil {
		return "", "", fmt.Errorf("%w: --table %q is not schema.table", cli.ErrUsage, q.Table)
	}
	return unquote(m[1]), unquote(m[2]), nil
}

var (
	tableName = regexp.MustCompile(`^("(?:[^"]|"")+"|[^".]+)\.("(?:[^"]|"")+"|[^".]+)$`)
	aggregate = regexp.MustCompile(`(?i)^\s*(count|sum|min|max|avg)\s*\(\s*(distinct\s)?\s*(.*?)\s*\)\s*$`)
)

func unquote(name string) string {
	if inner, ok := strings.CutPrefix(name, `"`); ok && len(name) > 1 {
		return strings.ReplaceAll(strings.TrimSuffix(inner, `"`), `""`, `"`)
	}
	return name
}

func orderOf(text string) api.Order {
	text = strings.TrimSpace(text)
	lower := strings.ToLower(text)
	switch {
	case strings.HasSuffix(lower, " desc"):
		return api.Order{Column: unquote(strings.TrimSpace(text[:len(text)-len(" desc")])), Direction: api.OrderDirectionDesc}
	case strings.HasSuffix(lower, " asc"):
		text = strings.TrimSpace(text[:len(text)-len(" asc")])
	}
	return api.Order{Column: unquote(text)}
}

func aggregateOf(text string) (api.Aggregate, error) {
	m := aggregate.FindStringSubmatch(text)
	if m == nil {
		return api.Aggregate{}, fmt.Errorf("%w: --aggregate %q is not count(*), sum(column) or the like", cli.ErrUsage, text)
	}
	a := api.Aggregate{Function: api.AggregateFunction(strings.ToLower(m[1])), Distinct: m[2] != "", Column: unquote(m[3])}
	if m[3] == "*" {
		a.Column = ""
	}
	return a, nil
}

// here is a client of a server inside this process, over the warehouse of f.
func (q *queryCmd) here(ctx context.Context, f *flags, stderr io.Writer) (client *http.Client, stop func(), err error) {
	location, err := f.Location()
	if err != nil {
		return nil, nil, err
	}
	store, err := f.Open(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("open warehouse %s: %w", location, err)
	}
	const patience = 30 * 24 * time.Hour // the reader may be a pager, and who asks can end it
	engine := query.New(iceberg.NewCatalog(store), store, query.Options{Timeout: patience})
	f.Quiet = true // the log of a server is for operators; only what failed is of use here
	server := rest.New(engine, rest.Options{Log: f.Logger(stderr), Parquet: restio.Parquet, WriteTimeout: patience})
	ctx, cancel := context.WithCancel(ctx)
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(ctx, l)
	}()
	client = &http.Client{Transport: &http.Transport{DisableCompression: true, DialContext: l.dial}}
	return client, func() {
		client.CloseIdleConnections()
		cancel()
		<-served
	}, nil
}

// pipes is a listener for connections inside the process.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener; it is called once.
func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

// Addr implements net.Listener.
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "queryd", Net: "pipe"} }

var errNoServer = errors.New("the server cannot be reached")

// problemError is an answer that is not 200.
type problemError struct{ api.Problem }

// Error says what was wrong and what to do.
func (e *problemError) Error() string {
	s := "query: " + e.Detail
	if e.Detail == "" {
		s = fmt.Sprintf("query: the server answered %d %s", e.Status, e.Title)
	}
	if e.Position > 0 {
		s += fmt.Sprintf(" (at character %d)", e.Position)
	}
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// refusal reads the problem of an answer.
func refusal(res *http.Response) error {
	e := &problemError{}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&e.Problem); err != nil || e.Code == "" {
		e.Problem = api.Problem{Status: res.StatusCode, Title: http.StatusText(res.StatusCode)}
	}
	return e
}

// exitCode is the exit code of err.
func exitCode(err error) int {
	var p *problemError
	switch {
	case errors.Is(err, errNoServer):
		return cli.NoStore
	case !errors.As(err, &p):
		return cli.ExitCode(err)
	case p.Code == string(query.Unreachable):
		return cli.NoStore
	case p.Code == string(query.Unreadable):
		return cli.Damaged
	case p.Status == http.StatusNotFound:
		return cli.NotFound
	case p.Status >= 500:
		return cli.Internal
	}
	return cli.Usage
}
