package query

import (
	"context"
	"errors"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
)

var errUnbuilt = errors.New("not there yet")

// Stream answers r row by row: start is called once before the first batch, each for every batch in the rows' order, on
// the caller's goroutine. A batch is released when each returns. The memory is bounded however large the result is;
// Options.MaxLimit and MaxResultBytes do not apply, and a Limit below 0 is all rows. An error of start or each ends the
// query and is returned as it is. The Result has no batches.
func (e *Engine) Stream(ctx context.Context, r Request, start func(cols []coltype.Column, snapshot int64) error,
	each func(b arrow.RecordBatch) error) (*Result, error) {
	return nil, e.failed(ctx, r.Path, errUnbuilt)
}
