package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"frostline/internal/cli"
	"frostline/internal/telemetry"
	"frostline/query"
)

// watching are the flags of how the server is watched, and of how it ends.
type watching struct {
	DebugListen string        `help:"Address that serves profiles, /debug/pprof/, to whoever reaches it; loopback only." placeholder:"ADDRESS" env:"QUERYD_DEBUG_LISTEN"`
	DebugPublic bool          `help:"Let --debug-listen be another address than loopback. Profiles show memory and statements."`
	DrainWait   time.Duration `help:"On SIGTERM, how long /readyz fails before connections are refused. The default is 5s, and none on loopback." default:"-1s" placeholder:"DURATION" env:"QUERYD_DRAIN_WAIT"`
	Grace       time.Duration `help:"On SIGTERM, how long running requests and long queries may go on after that." default:"20s" env:"QUERYD_GRACE"`
}

// drainWait is the wait of a server that listens on listen.
func (w watching) drainWait(listen string) time.Duration {
	host, _, _ := net.SplitHostPort(listen)
	switch {
	case w.DrainWait >= 0:
		return w.DrainWait
	case isLoopback(host):
		return 0
	}
	return 5 * time.Second
}

// debug serves profiles until stop is called.
func (w watching) debug(stderr io.Writer) (stop func(), err error) {
	if w.DebugListen == "" {
		return func() {}, nil
	}
	host, _, err := net.SplitHostPort(w.DebugListen)
	if err == nil && !w.DebugPublic && !isLoopback(host) {
		return nil, fmt.Errorf("%w: --debug-listen %s is not a loopback address: profiles show memory; listen on 127.0.0.1, or say --debug-public", cli.ErrUsage, w.DebugListen)
	}
	l, err := net.Listen("tcp", w.DebugListen)
	if err != nil {
		return nil, fmt.Errorf("%w: --debug-listen: %w", cli.ErrUsage, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.Serve(l) }() // until it is closed
	fmt.Fprintf(stderr, "queryd: profiles on http://%s/debug/pprof/\n", l.Addr())
	return func() { s.Close() }, nil
}

// telemetry starts to send traces and metrics where the environment of OpenTelemetry says so. stop sends the rest.
func startTelemetry(ctx context.Context, metrics prometheus.Gatherer, log *slog.Logger) (t *telemetry.Telemetry, stop func(), err error) {
	t, err = telemetry.Start(ctx, telemetry.Options{Service: "queryd", Version: cli.Version, Metrics: metrics, Log: log})
	if errors.Is(err, telemetry.ErrConfig) {
		err = fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	if err != nil {
		return nil, nil, err
	}
	return t, func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := t.Stop(last); err != nil {
			log.Warn("last telemetry not sent", "error", err)
		}
	}, nil
}

// s3Metrics counts requests to S3, each attempt for itself.
type s3Metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newS3Metrics() s3Metrics {
	return s3Metrics{
		prometheus.NewCounterVec(prometheus.CounterOpts{Name: "archive_s3_requests",
			Help: "Requests to S3, each attempt for itself, by operation and HTTP status; status 0: no answer."}, []string{"operation", "status"}),
		prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "archive_s3_duration", Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
			Help: "Seconds to the head of the answer."}, []string{"operation"}),
	}
}

// observe is an objstore.Observe.
func (m s3Metrics) observe(operation string, status int, took time.Duration) {
	m.requests.WithLabelValues(operation, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(operation).Observe(took.Seconds())
}

// engineMetrics show what the engines take at this moment: "api", and "long" where long queries have one of their own.
type engineMetrics map[string]*query.Engine

var (
	queriesNow = prometheus.NewDesc("archive_query_now", "Queries by engine (api, long) and state (running, waiting).", []string{"engine", "state"}, nil)
	memoryNow  = prometheus.NewDesc("archive_query_memory_bytes", "Memory that queries have reserved, by engine.", []string{"engine"}, nil)
	lookups    = prometheus.NewDesc("archive_query_metadata_lookups", "Lookups of footers and Bloom filters, by engine and by whether they were in memory (hit, miss).",
		[]string{"engine", "cache", "result"}, nil)
	kept      = prometheus.NewDesc("archive_query_metadata_bytes", "Footers and Bloom filters in memory, by engine.", []string{"engine", "cache"}, nil)
	buildInfo = prometheus.NewDesc("archive_build_info", "1, with the version of the program, of Go, and of the sources.", []string{"version", "go", "revision"}, nil)
)

// Describe implements prometheus.Collector.
func (m engineMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{queriesNow, memoryNow, lookups, kept, buildInfo} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (m engineMetrics) Collect(out chan<- prometheus.Metric) {
	for name, e := range m {
		u := e.Usage()
		out <- prometheus.MustNewConstMetric(queriesNow, prometheus.GaugeValue, float64(u.Running), name, "running")
		out <- prometheus.MustNewConstMetric(queriesNow, prometheus.GaugeValue, float64(u.Waiting), name, "waiting")
		out <- prometheus.MustNewConstMetric(memoryNow, prometheus.GaugeValue, float64(u.Memory), name)
		for _, c := range e.Caches() {
			out <- prometheus.MustNewConstMetric(lookups, prometheus.CounterValue, float64(c.Hits), name, c.Name, "hit")
			out <- prometheus.MustNewConstMetric(lookups, prometheus.CounterValue, float64(c.Misses), name, c.Name, "miss")
			out <- prometheus.MustNewConstMetric(kept, prometheus.GaugeValue, float64(c.Bytes), name, c.Name)
		}
	}
	out <- prometheus.MustNewConstMetric(buildInfo, prometheus.GaugeValue, 1, cli.Version, runtime.Version(), revision())
}

// revision is the commit that the program was built from, "" where that is not known.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
