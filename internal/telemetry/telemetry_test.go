package telemetry

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// What the environment says decides what runs; what cannot be done is refused. That spans and metrics arrive is tested with queryd.
func TestStart(t *testing.T) {
	for _, tt := range []struct {
		name   string
		env    map[string]string
		traces bool
		ends   int // senders
		fails  bool
	}{
		{"nothing", nil, false, 0, false},
		{"both", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, true, 2, false},
		{"disabled", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}, false, 0, false},
		{"traces alone", map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1/v1/traces"}, true, 1, false},
		{"no traces", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"}, false, 1, false},
		{"no metrics", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_METRICS_EXPORTER": "none"}, true, 1, false},
		{"gRPC", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, false, 0, true},
		{"another exporter", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "zipkin"}, false, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for k, v := range tt.env {
				t.Setenv(k, v)
			}
			got, err := Start(t.Context(), Options{Service: "x", Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)})
			if errors.Is(err, ErrConfig) != tt.fails {
				t.Fatalf("error %v", err)
			}
			if tt.fails {
				return
			}
			if (got.Traces != nil) != tt.traces || len(got.ends) != tt.ends {
				t.Errorf("traces %v, %d senders", got.Traces != nil, len(got.ends))
			}
			_ = got.Stop(t.Context()) // nobody listens there
		})
	}
}
