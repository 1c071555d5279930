package main

import (
	"fmt"
	"time"

	"frostline/internal/tpch"
)

// twelve is one of the twelve queries, as our API and as DuckDB take it.
type twelve struct {
	name, what string
	columns    []string // nil is all
	filter     string
	duck       string // the filter for DuckDB, where it is not ours: char(n) is padded there
	count      bool   // the number of rows alone
}

// SQL is the query for DuckDB over a table.
func (q *twelve) sql(list, table string) string {
	s := "SELECT " + list + " FROM " + table
	switch {
	case q.duck != "":
		s += " WHERE " + q.duck
	case q.filter != "":
		s += " WHERE " + q.filter
	}
	return s
}

func (q *twelve) list() string {
	switch {
	case q.count:
		return "count(*)"
	case q.columns == nil:
		return "*"
	}
	list := ""
	for i, c := range q.columns {
		if i > 0 {
			list += ", "
		}
		list += c
	}
	return list
}

// theTwelve are the queries for rows rows at a scale. Part keys are uniform in [1, 200 000 scale] and in no order, order keys ascend.
func theTwelve(scale float64, rows int64) []*twelve {
	parts := func(share float64) string {
		all := 200_000 * scale
		from := int64(all * 0.3)
		return fmt.Sprintf("l_partkey >= %d AND l_partkey < %d", from, from+max(int64(all*share), 1))
	}
	orders := int64(1_500_000 * scale)
	key := func(order int64) int64 { return order>>3<<5 | order&7 } // as dbgen numbers them
	three := []string{"l_orderkey", "l_extendedprice", "l_comment"}
	numbers := []string{"l_orderkey", "l_extendedprice", "l_shipdate"}
	return []*twelve{
		{name: "all_columns", what: "all 18 columns"},
		{name: "three_columns", what: "3 columns", columns: numbers},
		{name: "count_range", what: "count, 10 % integer range", filter: parts(0.1), count: true},
		{name: "count_equal", what: "count, string =", filter: "l_shipmode = 'AIR'", duck: "l_shipmode = 'AIR       '", count: true},
		{name: "count_like", what: "count, LIKE '%x%' on a comment", filter: "l_comment LIKE '%regular%'", count: true},
		{name: "filter_10", what: "filter 10 %, 3 columns", columns: three, filter: parts(0.1)},
		{name: "filter_01", what: "filter 0.1 %, 3 columns", columns: three, filter: parts(0.001)},
		{name: "filter_0001", what: "filter 0.001 %, 3 columns", columns: three, filter: parts(0.00001)},
		{name: "key_range", what: "1 % key range, 3 columns", columns: three,
			filter: fmt.Sprintf("l_orderkey BETWEEN %d AND %d", key(orders/2), key(orders/2+orders/100))},
		{name: "point_key", what: "point lookup, sorted key, all columns", filter: fmt.Sprintf("l_orderkey = %d", key(orders*2/3))},
		{name: "point_bloom", what: "point lookup by Bloom filter, all columns", filter: "l_ticket = '" + ticket(rows*2/5) + "'"},
		{name: "missing_key", what: "lookup of a missing key", filter: "l_ticket = '" + ticket(rows+12345) + "'"},
	}
}

// ticket is a text of its own for every row, in no order.
func ticket(row int64) string { return fmt.Sprintf("T%016X", mix(uint64(row))) }

// mix is the finaliser of splitmix64: one to one.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// createTwelve is lineitem with a text and a time that compress badly.
func createTwelve() string {
	return fmt.Sprintf(tpch.CreateLineitem, "public.lineitem") + " PARTITION BY RANGE (l_orderkey)"
}

const moreColumns = "ALTER TABLE public.lineitem ADD l_ticket text NOT NULL, ADD l_updated timestamp NOT NULL"

// widened adds the two columns to rows of COPY's text format.
type widened struct {
	to  interface{ Write([]byte) (int, error) }
	row int64
	buf []byte
}

var firstUpdate = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

func (w *widened) Write(p []byte) (int, error) {
	w.buf = w.buf[:0]
	for _, c := range p {
		if c == '\n' {
			at := firstUpdate.Add(time.Duration(mix(^uint64(w.row))%(300*24*3600*1e6)) * time.Microsecond)
			w.buf = append(append(w.buf, '\t'), ticket(w.row)...)
			w.buf = at.AppendFormat(append(w.buf, '\t'), "2006-01-02 15:04:05.000000")
			w.row++
		}
		w.buf = append(w.buf, c)
	}
	if _, err := w.to.Write(w.buf); err != nil {
		return 0, err
	}
	return len(p), nil
}
