// Package tpch makes the lineitem table of the TPC-H benchmark, row by row as dbgen makes it: the same keys, prices, dates,
// flags and comments in the same order, at any scale factor.
//
// It is written from the definition (TPC-H specification, clauses 4.2.2 and 4.2.3; the seeds and weights are dbgen's
// published parameters). Every column has a random stream of its own, a Lehmer generator modulo 2^31-1; an order takes a
// fixed number of values from each, whatever number of lines it has. Comments are cut from one text of 300 MB that is made
// by a grammar at the first use and stays in memory.
package tpch

import (
	"io"
	"iter"
	"strconv"
	"time"
)

// Columns are those of clause 1.4.1 with the types of PostgreSQL, for a column list of CREATE TABLE.
const Columns = `
	l_orderkey      bigint NOT NULL,
	l_partkey       integer NOT NULL,
	l_suppkey       integer NOT NULL,
	l_linenumber    integer NOT NULL,
	l_quantity      numeric(15,2) NOT NULL,
	l_extendedprice numeric(15,2) NOT NULL,
	l_discount      numeric(15,2) NOT NULL,
	l_tax           numeric(15,2) NOT NULL,
	l_returnflag    char(1) NOT NULL,
	l_linestatus    char(1) NOT NULL,
	l_shipdate      date NOT NULL,
	l_commitdate    date NOT NULL,
	l_receiptdate   date NOT NULL,
	l_shipinstruct  char(25) NOT NULL,
	l_shipmode      char(10) NOT NULL,
	l_comment       varchar(44) NOT NULL`

// CreateLineitem makes the table, for the name that goes into %s. What follows the columns (constraints, partitioning) is the
// caller's.
const CreateLineitem = "CREATE TABLE %s (" + Columns + ")"

// Line is a row of lineitem. Dates are days since 1970-01-01.
type Line struct {
	OrderKey, PartKey, SuppKey int64
	Number                     int   // l_linenumber, from 1
	Quantity                   int64 // whole units
	Price                      int64 // l_extendedprice in cents
	Discount, Tax              int64 // hundredths
	ReturnFlag, Status         byte
	Ship, Commit, Receipt      int
	Instruct, Mode, Comment    string
}

const (
	ordersAtOne    = 1_500_000
	partsAtOne     = 200_000
	suppliersAtOne = 10_000
	maxLines       = 7 // of an order
	suppliersAPart = 4
	commentShort   = 10
	commentLong    = 43
)

var (
	instructs = []string{"DELIVER IN PERSON", "COLLECT COD", "TAKE BACK RETURN", "NONE"}
	modes     = []string{"REG AIR", "AIR", "RAIL", "TRUCK", "MAIL", "FOB", "SHIP"}
	returned  = "RA"

	firstOrder = day(1992, time.January, 1)
	lastOrder  = day(1998, time.August, 2) // 151 days before the last date
	current    = day(1995, time.June, 17)
)

func day(year int, month time.Month, d int) int {
	return int(time.Date(year, month, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// streams are the columns' random streams.
type streams struct {
	date, lines                                          stream // of the order
	quantity, discount, tax, part, supplier              stream
	ship, commit, receipt, flag, instruct, mode, comment stream
}

func (s *streams) each(f func(*stream)) {
	for _, t := range []*stream{
		&s.date, &s.lines, &s.quantity, &s.discount, &s.tax, &s.part, &s.supplier,
		&s.ship, &s.commit, &s.receipt, &s.flag, &s.instruct, &s.mode, &s.comment,
	} {
		f(t)
	}
}

// Lineitem yields the rows at a scale factor of at least 0.001; 1 has 6 001 215. The Line is the same every time.
func Lineitem(scale float64) iter.Seq[*Line] {
	return func(yield func(*Line) bool) {
		text := pool()
		lineitem(scale, func(at, n int64) string { return string(text[at : at+n]) })(yield)
	}
}

// lineitem has its comments cut by cut.
func lineitem(scale float64, cut func(at, n int64) string) iter.Seq[*Line] {
	return func(yield func(*Line) bool) {
		s := streams{
			date: newStream(1066728069, 1), lines: newStream(1434868289, 1),
			quantity: newStream(209208115, maxLines), discount: newStream(554590007, maxLines), tax: newStream(721958466, maxLines),
			part: newStream(1808217256, maxLines), supplier: newStream(2095021727, maxLines),
			ship: newStream(1769349045, maxLines), commit: newStream(904914315, maxLines), receipt: newStream(373135028, maxLines),
			flag: newStream(717419739, maxLines), instruct: newStream(1371272478, maxLines), mode: newStream(675466456, maxLines),
			comment: newStream(1095462486, 2*maxLines),
		}
		parts, suppliers := int64(partsAtOne*scale), int64(suppliersAtOne*scale)
		var l Line
		for order := range int64(ordersAtOne * scale) {
			l.OrderKey = sparse(order + 1)
			date := int(s.date.between(int64(firstOrder), int64(lastOrder)))
			lines := int(s.lines.between(1, maxLines))
			for l.Number = 1; l.Number <= lines; l.Number++ {
				l.fill(&s, date, parts, suppliers, cut)
				if !yield(&l) {
					return
				}
			}
			s.each((*stream).endOrder)
		}
	}
}

// fill takes the line's values from the streams.
func (l *Line) fill(s *streams, date int, parts, suppliers int64, cut func(at, n int64) string) {
	l.Quantity = s.quantity.between(1, 50)
	l.Discount = s.discount.between(0, 10)
	l.Tax = s.tax.between(0, 8)
	l.PartKey = s.part.between(1, parts)
	step := s.supplier.between(0, suppliersAPart-1)
	l.SuppKey = (l.PartKey+step*(suppliers/suppliersAPart+(l.PartKey-1)/suppliers))%suppliers + 1
	l.Price = l.Quantity * retailPrice(l.PartKey)
	l.Ship = date + int(s.ship.between(1, 121))
	l.Commit = date + int(s.commit.between(30, 90))
	l.Receipt = l.Ship + int(s.receipt.between(1, 30))
	l.ReturnFlag, l.Status = 'N', 'O'
	if l.Receipt <= current {
		l.ReturnFlag = returned[s.flag.between(0, 1)]
	}
	if l.Ship <= current {
		l.Status = 'F'
	}
	l.Instruct = instructs[s.instruct.between(0, int64(len(instructs))-1)]
	l.Mode = modes[s.mode.between(0, int64(len(modes))-1)]
	at := s.comment.between(0, poolBytes-commentLong)
	l.Comment = cut(at, s.comment.between(commentShort, commentLong))
}

// sparse makes the order's number its key: of every 32 keys 8 are in use.
func sparse(order int64) int64 { return order>>3<<5 | order&7 }

// retailPrice is p_retailprice in cents.
func retailPrice(part int64) int64 { return 90000 + part/10%20001 + 100*(part%1000) }

// WriteText writes the rows as PostgreSQL's COPY … FROM STDIN (FORMAT text) reads them, and counts them.
func WriteText(w io.Writer, rows iter.Seq[*Line]) (n int64, err error) {
	var b []byte
	for l := range rows {
		b = l.appendText(b)
		if n++; len(b) >= 64<<10 {
			if _, err := w.Write(b); err != nil {
				return n, err
			}
			b = b[:0]
		}
	}
	_, err = w.Write(b)
	return n, err
}

// appendText adds one line. No value holds a character that the text format escapes.
func (l *Line) appendText(b []byte) []byte {
	for _, v := range []int64{l.OrderKey, l.PartKey, l.SuppKey, int64(l.Number), l.Quantity} {
		b = append(strconv.AppendInt(b, v, 10), '\t')
	}
	for _, v := range []int64{l.Price, l.Discount, l.Tax} {
		b = append(strconv.AppendInt(b, v/100, 10), '.', byte('0'+v/10%10), byte('0'+v%10), '\t')
	}
	b = append(b, l.ReturnFlag, '\t', l.Status, '\t')
	for _, v := range []int{l.Ship, l.Commit, l.Receipt} {
		b = append(time.Unix(int64(v)*86400, 0).UTC().AppendFormat(b, time.DateOnly), '\t')
	}
	for _, v := range []string{l.Instruct, l.Mode} {
		b = append(append(b, v...), '\t')
	}
	return append(append(b, l.Comment...), '\n')
}
