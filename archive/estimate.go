package archive

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"frostline/coltype"
	"frostline/digest"
	"frostline/parquetio"
	"frostline/pgcopy"
	"frostline/postgres"
)

// sampleBytes of a partition's heap and toast are read and encoded for an estimate.
const sampleBytes = 16 << 20

// GiB is the unit of the monthly prices, as AWS bills a GB.
const GiB = 1 << 30

// Prices are in a currency of the caller's.
type Prices struct {
	DB  float64 `json:"db_gb_month"`     // database storage, GiB and month
	S3  float64 `json:"s3_gb_month"`     // of the objects' storage class, GiB and month
	Put float64 `json:"s3_put_thousand"` // 1000 PUT requests
}

// EstimateRequest names the table whose partitions are estimated.
type EstimateRequest struct {
	Table     postgres.Name
	Column    string // with OlderThan: the date column, "" is the key's
	OlderThan string // PostgreSQL interval: leaves all of whose rows are older; "" is every leaf
	Now       time.Time
	Prices    Prices
}

// Estimate is the JSON object of archive estimate.
type Estimate struct {
	Status   string         `json:"status"`
	Table    string         `json:"table"`
	Archived int            `json:"already_archived"` // leaves, not in the list
	Leaves   []LeafEstimate `json:"partitions"`
	Sizes    postgres.Sizes `json:"source"`
	Source   int64          `json:"source_bytes"`
	Parquet  int64          `json:"archive_bytes"`
	Ratio    float64        `json:"ratio"` // source to archive, 0 when nothing is left to archive
	Prices   Prices         `json:"prices"`
	Cost     Cost           `json:"cost"`
}

// LeafEstimate is one leaf that is not archived.
type LeafEstimate struct {
	Leaf    string         `json:"leaf"`
	Bounds  string         `json:"bounds,omitempty"`
	Sizes   postgres.Sizes `json:"source"`
	Source  int64          `json:"source_bytes"`
	Rows    int64          `json:"rows"`          // estimated from the sample; exact when Exact
	Parquet int64          `json:"archive_bytes"` // estimated from the sample; exact when Exact
	Sampled int64          `json:"sampled_rows"`
	Exact   bool           `json:"whole_partition_sampled"`
	Cost    Cost           `json:"cost"`
}

// Cost is what storing costs, before and after archiving and dropping.
type Cost struct {
	Before float64 `json:"month_before"`
	After  float64 `json:"month_after"`
	Once   float64 `json:"upload"` // requests of the upload, once
}

// Estimate says what archiving a table's leaves would save, of those that are not archived. It reads a sample of each and encodes it
// as the archive would, in memory. It writes nothing.
func (a *Archiver) Estimate(ctx context.Context, req EstimateRequest) (*Estimate, error) {
	a.defaults()
	if req.Table.Table == "" {
		return nil, fmt.Errorf("estimate: %w: a table is needed", ErrBadInput)
	}
	for _, p := range []float64{req.Prices.DB, req.Prices.S3, req.Prices.Put} {
		if p < 0 || math.IsNaN(p) || math.IsInf(p, 0) {
			return nil, fmt.Errorf("estimate %s: %w: a price is %v", req.Table, ErrBadInput, p)
		}
	}
	t, err := a.DB.Table(ctx, req.Table)
	if err != nil {
		return nil, fmt.Errorf("estimate: %w", err)
	}
	leaves, err := a.estimated(ctx, t, req)
	if err != nil {
		return nil, fmt.Errorf("estimate: %w", err)
	}
	archived, err := a.archivedLeaves(ctx, req.Table)
	if err != nil {
		return nil, err
	}
	var oids []uint32
	for _, l := range leaves {
		oids = append(oids, l.OID)
	}
	sizes, err := a.DB.Sizes(ctx, oids)
	if err != nil {
		return nil, fmt.Errorf("estimate %s: %w", req.Table, err)
	}
	e := &Estimate{Status: "success", Table: req.Table.Schema + "." + req.Table.Table, Leaves: []LeafEstimate{}, Prices: req.Prices}
	a.Progress.Begin("sample", -1)
	defer a.Progress.End()
	for _, l := range leaves {
		size, there := sizes[l.OID]
		if _, done := archived[leafID{l.Name.String(), l.Bound}]; done || !there {
			if done {
				e.Archived++
			}
			continue
		}
		le, err := a.estimateLeaf(ctx, t, l, size, req.Prices)
		if err != nil {
			return nil, fmt.Errorf("estimate %s: %w", l.Name, err)
		}
		e.add(le)
	}
	return e, nil
}

func (e *Estimate) add(l LeafEstimate) {
	e.Leaves = append(e.Leaves, l)
	e.Sizes.Heap, e.Sizes.Indexes, e.Sizes.Toast = e.Sizes.Heap+l.Sizes.Heap, e.Sizes.Indexes+l.Sizes.Indexes, e.Sizes.Toast+l.Sizes.Toast
	e.Source, e.Parquet = e.Source+l.Source, e.Parquet+l.Parquet
	e.Cost.Before, e.Cost.After, e.Cost.Once = e.Cost.Before+l.Cost.Before, e.Cost.After+l.Cost.After, e.Cost.Once+l.Cost.Once
	if e.Parquet > 0 {
		e.Ratio = float64(e.Source) / float64(e.Parquet)
	}
}

// estimated are the leaves that a request names; a table without partitions stands for itself.
func (a *Archiver) estimated(ctx context.Context, t *postgres.Table, req EstimateRequest) ([]postgres.Leaf, error) {
	switch {
	case req.OlderThan != "":
		if req.Now.IsZero() {
			req.Now = time.Now()
		}
		_, aged, err := a.DB.OlderLeaves(ctx, t, req.Column, req.OlderThan, req.Now)
		leaves := make([]postgres.Leaf, len(aged))
		for i, l := range aged {
			leaves[i] = l.Leaf
		}
		return leaves, err
	case t.Partitioned:
		return a.DB.Leaves(ctx, t)
	}
	return []postgres.Leaf{{OID: t.OID, Name: t.Name, Bytes: t.Bytes, Rows: t.Rows}}, nil
}

func (a *Archiver) estimateLeaf(ctx context.Context, t *postgres.Table, l postgres.Leaf, size postgres.Sizes, prices Prices) (LeafEstimate, error) {
	e := LeafEstimate{Leaf: l.Name.String(), Bounds: l.Bound, Sizes: size, Source: size.Total()}
	share := 1.0
	if data := size.Heap + size.Toast; data > sampleBytes {
		share = float64(sampleBytes) / float64(data)
	}
	for {
		rows, bytes, err := a.encodeSample(ctx, t, l, share)
		if err != nil {
			return e, err
		}
		e.Sampled, e.Exact = rows, share == 1
		if rows > 0 || share == 1 {
			e.Rows, e.Parquet = int64(float64(rows)/share), int64(float64(bytes)/share)
			break
		}
		share = min(1, share*20) // the sampled blocks hold no row
	}
	gib := func(n int64) float64 { return float64(n) / GiB }
	puts := math.Ceil(float64(e.Parquet)/(8<<20)) + 6 // the parts of the files, and the objects of the commit
	e.Cost = Cost{Before: gib(e.Source) * prices.DB, After: gib(e.Parquet) * prices.S3, Once: puts * prices.Put / 1000}
	return e, nil
}

// encodeSample encodes about a share of a leaf's blocks and counts the rows and the bytes. The same share gives the same sample.
func (a *Archiver) encodeSample(ctx context.Context, t *postgres.Table, l postgres.Leaf, share float64) (rows, bytes int64, err error) {
	s := coltype.Schema{Columns: t.Columns}
	from := " FROM ONLY " + l.Name.String()
	if share < 1 {
		from += fmt.Sprintf(" TABLESAMPLE SYSTEM (%.9f) REPEATABLE (0)", 100*share)
	}
	w, err := parquetio.NewWriter(io.Discard, s, a.Layout)
	if err != nil {
		return 0, 0, err
	}
	var d digest.Digest
	d, err = pgcopy.Stream(s, pgcopy.DecodeOptions{Rows: a.BatchRows}, func(out io.Writer) (int64, error) {
		return a.DB.CopyOut(ctx, "SELECT "+pgcopy.SelectList(s.Columns, "")+from, out)
	}, func(b batch) error {
		a.Progress.Add(b.NumRows(), 0)
		return w.Write(b)
	})
	if err != nil {
		w.Abort()
		return 0, 0, err
	}
	info, err := w.Close()
	if err != nil || d.Rows == 0 {
		return 0, 0, err
	}
	return d.Rows, info.Bytes, nil
}
