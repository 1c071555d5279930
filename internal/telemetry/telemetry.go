// Package telemetry sends traces and metrics by OTLP over HTTP, as OpenTelemetry's environment says
// (https://opentelemetry.io/docs/specs/otel/protocol/exporter/). It is off unless one of OTEL_EXPORTER_OTLP_ENDPOINT,
// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT and OTEL_EXPORTER_OTLP_METRICS_ENDPOINT is set. OTEL_SDK_DISABLED=true, and
// OTEL_TRACES_EXPORTER or OTEL_METRICS_EXPORTER none, turn it off or a part of it.
//
// Metrics are those of a Prometheus registry: archive_query_count is sent as archive.query.count, and so on. What cannot be sent is
// dropped and logged; nothing waits for the receiver but Stop.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// ErrConfig is wrapped by errors of the environment.
var ErrConfig = errors.New("OpenTelemetry's environment")

// Telemetry is what runs.
type Telemetry struct {
	Traces trace.TracerProvider // nil: no traces are sent
	ends   []func(context.Context) error
}

// Options of Start.
type Options struct {
	Service, Version string              // OTEL_SERVICE_NAME wins over Service
	Metrics          prometheus.Gatherer // what is sent; nil is nothing
	Log              *slog.Logger        // what could not be sent
}

// Start begins to send. Stop it.
func Start(ctx context.Context, o Options) (*Telemetry, error) {
	t := &Telemetry{}
	traces, err := wanted("TRACES")
	if err != nil {
		return nil, err
	}
	metrics, err := wanted("METRICS")
	if err != nil {
		return nil, err
	}
	if !traces && !metrics {
		return t, nil
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { o.Log.Warn("telemetry not sent", "error", err) }))
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(attribute.String("service.name", o.Service), attribute.String("service.version", o.Version)), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if traces {
		exporter, err := otlptracehttp.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("%w: traces: %w", ErrConfig, err)
		}
		p := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
		t.Traces = p
		t.ends = append(t.ends, p.Shutdown)
	}
	if metrics && o.Metrics != nil {
		exporter, err := otlpmetrichttp.New(ctx)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%w: metrics: %w", ErrConfig, err), t.Stop(ctx))
		}
		reader := metric.NewPeriodicReader(exporter, metric.WithProducer(dotted{bridge.NewMetricProducer(bridge.WithGatherer(o.Metrics))}))
		p := metric.NewMeterProvider(metric.WithReader(reader), metric.WithResource(about))
		t.ends = append(t.ends, p.Shutdown)
	}
	return t, nil
}

// Stop sends what is left.
func (t *Telemetry) Stop(ctx context.Context) error {
	var errs []error
	for _, end := range t.ends {
		errs = append(errs, end(ctx))
	}
	return errors.Join(errs...)
}

// wanted reports whether the environment names a receiver of a signal.
func wanted(signal string) (bool, error) {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return false, nil
	}
	of := func(name string) string { // the signal's own variable wins
		if v := os.Getenv("OTEL_EXPORTER_OTLP_" + signal + "_" + name); v != "" {
			return v
		}
		return os.Getenv("OTEL_EXPORTER_OTLP_" + name)
	}
	if of("ENDPOINT") == "" {
		return false, nil
	}
	switch v := os.Getenv("OTEL_" + signal + "_EXPORTER"); v {
	case "", "otlp":
	case "none":
		return false, nil
	default:
		return false, fmt.Errorf("%w: OTEL_%s_EXPORTER is %q; otlp and none are possible", ErrConfig, signal, v)
	}
	if v := of("PROTOCOL"); v != "" && v != "http/protobuf" {
		return false, fmt.Errorf("%w: OTEL_EXPORTER_OTLP_PROTOCOL is %q; http/protobuf is possible, which receivers have on port 4318", ErrConfig, v)
	}
	return true, nil
}

// dotted gives our metrics their names with dots.
type dotted struct{ metric.Producer }

// Produce implements metric.Producer.
func (d dotted) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	scopes, err := d.Producer.Produce(ctx)
	for _, s := range scopes {
		for i, m := range s.Metrics {
			for _, prefix := range []string{"archive_query_", "archive_http_", "archive_s3_", "archive_"} {
				if rest, ok := strings.CutPrefix(m.Name, prefix); ok {
					s.Metrics[i].Name = strings.ReplaceAll(prefix, "_", ".") + rest
					break
				}
			}
		}
	}
	return scopes, err
}
