package objstore

import (
	"context"
	"strconv"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Observe hears of a request to S3 when its answer's head is there, each attempt for itself: the operation ("GetObject"), the
// HTTP status (0 where no answer came), and the time. It is called by many goroutines.
type Observe func(operation string, status int, took time.Duration)

// watched tells observe of every attempt, and makes it a span below the caller's where that is recorded. Keys stand in spans,
// host names and credentials do not.
func watched(observe Observe) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("Watched", func(ctx context.Context, in middleware.DeserializeInput,
			next middleware.DeserializeHandler) (out middleware.DeserializeOutput, meta middleware.Metadata, err error) {
			operation := awsmiddleware.GetOperationName(ctx)
			var span trace.Span
			if above := trace.SpanFromContext(ctx); above.IsRecording() {
				ctx, span = above.TracerProvider().Tracer("frostline/objstore").Start(ctx, "S3 "+operation, trace.WithSpanKind(trace.SpanKindClient))
			}
			begin := time.Now()
			out, meta, err = next.HandleDeserialize(ctx, in)
			status := 0
			if r, ok := out.RawResponse.(*smithyhttp.Response); ok && r != nil && r.Response != nil {
				status = r.StatusCode
			}
			if observe != nil {
				observe(operation, status, time.Since(begin))
			}
			if span != nil {
				if r, ok := in.Request.(*smithyhttp.Request); ok {
					span.SetAttributes(attribute.String("url.path", r.URL.Path))
					if of := r.Header.Get("Range"); of != "" {
						span.SetAttributes(attribute.String("aws.s3.range", of))
					}
				}
				span.SetAttributes(attribute.String("rpc.system", "aws-api"), attribute.String("rpc.method", operation), attribute.Int("http.response.status_code", status))
				if status == 0 || status >= 400 {
					span.SetStatus(codes.Error, strconv.Itoa(status))
				}
				span.End()
			}
			return out, meta, err
		}), middleware.After)
	}
}
