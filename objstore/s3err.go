package objstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// fail describes err, of op on key. It repeats no header, query or body of the request.
func (s *s3Store) fail(ctx context.Context, op, key string, err error) error {
	if err == nil || classified(err) {
		return err
	}
	f := &failure{op: op, location: Location(s, key), cause: err}
	if ctx.Err() != nil {
		f.why, f.cause = ctx.Err().Error(), ctx.Err()
		return f
	}
	code, status := "", 0
	var api smithy.APIError
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	switch {
	case code == "" && status == 0:
		f.kind, f.why = s.explainNetwork(err)
	default:
		f.kind, f.why = s.explainAnswer(code, status, err)
	}
	return f
}

// explainAnswer sorts an answer of the store by its error code, or its status where a HEAD has no code.
func (s *s3Store) explainAnswer(code string, status int, err error) (kind error, why string) {
	switch code {
	case "NoSuchKey", "NotFound":
		return ErrNotExist, ""
	case "PreconditionFailed":
		return ErrExist, ""
	case "NoSuchBucket":
		return ErrUnreachable, fmt.Sprintf("bucket %s does not exist at %s; make it or correct the warehouse", s.bucket, s.endpoint)
	case "AccessDenied", "Forbidden", "AllAccessDisabled", "AccountProblem":
		return ErrUnreachable, fmt.Sprintf("access denied at %s; the credentials need this permission on bucket %s", s.endpoint, s.bucket)
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired":
		return ErrUnreachable, fmt.Sprintf("the credentials have expired (%s); renew them", code)
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidSecurity", "NotSignedUp",
		"XAdminUserNotFound": // versitygw's word for InvalidAccessKeyId
		return ErrUnreachable, fmt.Sprintf("%s refused the credentials (%s); check the access key and its secret", s.endpoint, code)
	case "RequestTimeTooSkewed":
		return ErrUnreachable, "the clock of this machine is wrong; set it"
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "MovedPermanently", "IllegalLocationConstraintException":
		return ErrUnreachable, fmt.Sprintf("bucket %s is in another region (%s); set AWS_REGION to it", s.bucket, code)
	case "InvalidRange":
		return ErrCorrupt, "the range lies beyond the end of the object"
	case "BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch":
		return ErrCorrupt, "the data arrived damaged at the store (" + code + "); nothing was written"
	case "NotImplemented":
		return ErrNoConditional, s.endpoint + " does not implement the request"
	case "InvalidObjectState":
		return nil, "the object is in an archival storage class; restore it in S3 first"
	}
	if status == 0 {
		var e *deleteError
		if errors.As(err, &e) {
			return nil, e.Error()
		}
		status = http.StatusOK // an error inside an answer that began well
	}
	switch {
	case status == http.StatusNotFound && code == "":
		return ErrNotExist, ""
	case status == http.StatusPreconditionFailed && code == "":
		return ErrExist, ""
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return s.explainAnswer("AccessDenied", status, err)
	case status == http.StatusMovedPermanently || status == http.StatusTemporaryRedirect:
		return s.explainAnswer("PermanentRedirect", status, err)
	case status >= 500:
		return ErrUnreachable, fmt.Sprintf("%s answered %d %s, %d times", s.endpoint, status, code, s.o.MaxAttempts)
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return nil, strings.TrimSpace(fmt.Sprintf("%s answered %d %s %s", s.endpoint, status, code, api.ErrorMessage()))
	}
	return nil, fmt.Sprintf("%s answered %d and nothing that S3 would", s.endpoint, status)
}

// explainNetwork sorts an error without an answer.
func (s *s3Store) explainNetwork(err error) (kind error, why string) {
	var dns *net.DNSError
	var sent *smithyhttp.RequestSendError
	var u *url.Error
	switch {
	case errors.As(err, &dns):
		return ErrUnreachable, fmt.Sprintf("no address for host %s (endpoint %s)", dns.Name, s.endpoint)
	case errors.Is(err, syscall.ECONNREFUSED):
		return ErrUnreachable, fmt.Sprintf("%s refused the connection; is it running?", s.endpoint)
	case isTimeout(err):
		return ErrUnreachable, fmt.Sprintf("%s gave no answer in time", s.endpoint)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return ErrUnreachable, s.endpoint + " closed the connection without an answer"
	case errors.As(err, &u):
		return ErrUnreachable, fmt.Sprintf("%s: %v", s.endpoint, u.Err)
	case errors.As(err, &sent):
		return ErrUnreachable, fmt.Sprintf("%s: %v", s.endpoint, sent.Err)
	case strings.Contains(err.Error(), "credential"):
		return ErrUnreachable, "no AWS credentials were found in the environment, a profile or a role"
	}
	return nil, err.Error()
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

// deleteError is the error of one key of a batch, as an API error.
type deleteError struct{ e types.Error }

func (d *deleteError) Error() string {
	return d.ErrorCode() + ": " + d.ErrorMessage()
}
func (d *deleteError) ErrorCode() string             { return aws.ToString(d.e.Code) }
func (d *deleteError) ErrorMessage() string          { return aws.ToString(d.e.Message) }
func (d *deleteError) ErrorFault() smithy.ErrorFault { return smithy.FaultServer }
