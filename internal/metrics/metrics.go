// Package metrics tells the world outside of a process how its exports went, once, when the command ends: a Prometheus text file
// for node_exporter's textfile collector, a push to a Pushgateway, and lines of CloudWatch's embedded metric format. A command that
// is killed tells nothing: watch the age of the last success as well.
package metrics

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/push"
)

// Run is one export that has ended.
type Run struct {
	Table     string // schema.table
	Partition string // column=value
	Success   bool
	Rows      int64
	Bytes     int64 // in the store
	Duration  time.Duration
	Ended     time.Time
}

// Flags say where the metrics go; nowhere by default.
type Flags struct {
	MetricsFile  string `help:"Write the run's metrics to this Prometheus text file (*.prom), replaced as a whole." env:"ARCHIVE_METRICS_FILE" placeholder:"PATH"`
	MetricsPush  string `help:"Push the run's metrics to this Pushgateway. The variable hides a password in the URL from other users." env:"ARCHIVE_METRICS_PUSH" placeholder:"URL"`
	EMF          bool   `name:"emf" help:"Print CloudWatch embedded metric format lines on stderr." env:"ARCHIVE_METRICS_EMF"`
	EMFNamespace string `name:"emf-namespace" help:"CloudWatch namespace of these." env:"ARCHIVE_METRICS_NAMESPACE" default:"Frostline"`
}

const (
	job         = "frostline_archive"
	pushTimeout = 15 * time.Second
)

// Report tells of runs wherever the flags say, and goes on after an error; no run is nothing to tell. The errors repeat no password.
func (f Flags) Report(ctx context.Context, emf io.Writer, runs []Run) error {
	if len(runs) == 0 {
		return nil
	}
	var errs []error
	if f.MetricsFile != "" {
		if err := prometheus.WriteToTextfile(f.MetricsFile, registry(runs, true)); err != nil {
			errs = append(errs, fmt.Errorf("write metrics to %s: %w", f.MetricsFile, err))
		}
	}
	if f.MetricsPush != "" {
		if err := f.push(ctx, runs); err != nil {
			errs = append(errs, err)
		}
	}
	if f.EMF {
		for _, r := range runs {
			if err := f.line(emf, r); err != nil {
				errs = append(errs, fmt.Errorf("print metrics: %w", err))
			}
		}
	}
	return errors.Join(errs...)
}

// gauges are the Prometheus metrics of a run.
var gauges = []struct {
	name, help string
	value      func(Run) float64
}{
	{"data_export_success", "1 when the last run on the partition succeeded, else 0.", func(r Run) float64 { return flag(r.Success) }},
	{"data_export_failure", "1 when the last run on the partition failed, else 0.", func(r Run) float64 { return flag(!r.Success) }},
	{"data_export_rows", "Rows of the archived partition, 0 after a failure.", func(r Run) float64 { return float64(r.Rows) }},
	{"data_export_bytes", "Bytes of the archived partition in the store, 0 after a failure.", func(r Run) float64 { return float64(r.Bytes) }},
	{"data_export_duration_seconds", "Wall time of the run.", func(r Run) float64 { return r.Duration.Seconds() }},
	{"data_export_end_timestamp_seconds", "When the run ended.", func(r Run) float64 { return stamp(r.Ended) }},
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func stamp(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// registry holds the metrics of runs, the last run of a partition where there are several. withTable says whether the table is a label.
func registry(runs []Run, withTable bool) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	labels, tableLabel := []string{"partition"}, []string{}
	if withTable {
		labels, tableLabel = []string{"table", "partition"}, []string{"table"}
	}
	vector := func(name, help string, labels []string) *prometheus.GaugeVec {
		v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
		reg.MustRegister(v)
		return v
	}
	table := func(r Run) []string {
		if withTable {
			return []string{strings.ToValidUTF8(r.Table, "?")}
		}
		return nil
	}
	for _, g := range gauges {
		v := vector(g.name, g.help, labels)
		for _, r := range runs {
			v.WithLabelValues(append(table(r), strings.ToValidUTF8(r.Partition, "?"))...).Set(g.value(r))
		}
	}
	last := vector("data_export_last_success_timestamp_seconds", "When a run on the table last succeeded.", tableLabel)
	for _, r := range slices.SortedFunc(slices.Values(runs), func(x, y Run) int { return x.Ended.Compare(y.Ended) }) {
		if r.Success {
			last.WithLabelValues(table(r)...).Set(stamp(r.Ended))
		}
	}
	return reg
}

// push sends one group a table, so that commands for different tables do not replace each other's metrics. It adds (POST): the time of
// the last success outlives a failure.
func (f Flags) push(ctx context.Context, runs []Run) error {
	to := f.MetricsPush
	if !strings.Contains(to, "://") {
		to = "http://" + to
	}
	u, err := url.Parse(to)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("push metrics: --metrics-push is not an http or https URL; nothing was pushed")
	}
	user := u.User
	u.User = nil
	byTable := map[string][]Run{}
	for _, r := range runs {
		byTable[r.Table] = append(byTable[r.Table], r)
	}
	var errs []error
	for _, table := range slices.Sorted(maps.Keys(byTable)) {
		p := push.New(u.String(), job).Grouping("table", strings.ToValidUTF8(table, "?")).Gatherer(registry(byTable[table], false))
		if user != nil {
			password, _ := user.Password()
			p.BasicAuth(user.Username(), password)
		}
		pctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pushTimeout)
		if err := p.AddContext(pctx); err != nil {
			errs = append(errs, fmt.Errorf("push metrics of %s: %w", table, err))
		}
		cancel()
	}
	return errors.Join(errs...)
}

// metric is one entry of an EMF metric definition.
type metric struct {
	Name string
	Unit string
}

var emfMetrics = []metric{
	{"DataExportSuccess", "Count"}, {"DataExportFailure", "Count"}, {"Rows", "Count"}, {"Bytes", "Bytes"}, {"Seconds", "Seconds"},
}

// directive is the metric directive of the embedded metric format.
type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []metric
}

// line prints a run in the embedded metric format:
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
// The metrics stand twice: by table and partition, and by table alone, which is what an alarm watches. CloudWatch takes ASCII names
// only, so the dimensions are escaped; ExactTable and ExactPartition are not.
func (f Flags) line(w io.Writer, r Run) error {
	line, err := json.Marshal(map[string]any{
		"_aws": map[string]any{
			"Timestamp": r.Ended.UnixMilli(),
			"CloudWatchMetrics": []directive{{
				Namespace: cmp.Or(f.EMFNamespace, "Frostline"), Dimensions: [][]string{{"Table", "Partition"}, {"Table"}}, Metrics: emfMetrics,
			}},
		},
		"Table": dimension(r.Table), "Partition": dimension(r.Partition), "ExactTable": r.Table, "ExactPartition": r.Partition,
		"DataExportSuccess": flag(r.Success), "DataExportFailure": flag(!r.Success),
		"Rows": r.Rows, "Bytes": r.Bytes, "Seconds": r.Duration.Seconds(),
	})
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// dimension is a dimension value that CloudWatch takes: 1 to 1024 printable ASCII characters, not only spaces, no colon first.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html
func dimension(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r < 0x20 || r > 0x7e || r == ':' && i == 0:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	out := b.String()
	if strings.TrimSpace(out) == "" {
		return `\u0020`
	}
	return out[:min(len(out), 1024)]
}
