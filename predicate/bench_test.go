package predicate

import (
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
)

// BenchmarkEval is over one row group of 122 880 rows, without NULLs.
func BenchmarkEval(b *testing.B) {
	const rows = 122_880
	ints := array.NewInt64Builder(memory.DefaultAllocator)
	texts := array.NewStringBuilder(memory.DefaultAllocator)
	numbers := array.NewStringBuilder(memory.DefaultAllocator)
	typ := coltype.Type{Kind: coltype.Decimal, Wire: coltype.WireNumeric, Precision: 12, Scale: 2, Base: "numeric", Name: "numeric(12,2)"}
	decimals := array.NewDecimal128Builder(memory.DefaultAllocator, typ.Arrow().(*arrow.Decimal128Type))
	for i := range rows {
		ints.Append(int64(i * 7919 % 100_003))
		texts.Append(fmt.Sprintf("customer %d of region %d", i*31%5000, i%17))
		numbers.Append(fmt.Sprintf("%d.%02d", i*7919%100_003, i%100))
		decimals.Append(decimal128.FromI64(int64(i * 7919 % 100_003)))
	}
	cols := []coltype.Column{col("i", bigint), col("s", text), col("n", numeric), {Name: "d", Type: typ}}
	arrs := []arrow.Array{ints.NewArray(), texts.NewArray(), numbers.NewArray(), decimals.NewArray()}
	for _, c := range []struct{ name, text string }{
		{"int range", "i BETWEEN 1000 AND 2000"},
		{"int in 3", "i IN (1, 500, 70000)"},
		{"int in 100", "i IN (1" + func() (s string) {
			for i := range 99 {
				s += fmt.Sprintf(", %d", i*1000)
			}
			return s
		}() + ")"},
		{"decimal range", "d BETWEEN 10.00 AND 20.005"},
		{"numeric text", "n > 99000.5"},
		{"string equal", "s = 'customer 31 of region 1'"},
		{"string range", "s >= 'customer 4' AND s < 'customer 5'"},
		{"like prefix", "s LIKE 'customer 99%'"},
		{"like contains", "s LIKE '%99 of region 7%'"},
		{"like general", "s LIKE '%9_ of%7'"},
		{"ilike contains", "s ILIKE '%REGION 7%'"},
		{"sum", "i + 1 > 99000"},
		{"product of decimals", "d * 2 > 1999.5"},
		{"two columns", "i > d"},
		{"cast", "i::text LIKE '99%'"},
		{"concat", "s || 'x' = 'customer 31 of region 1x'"},
		{"quotient", "n / 7 > 14000"},
		{"int and like", "i < 1000 AND s LIKE '%99 of%7'"},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := mustBind(b, c.text, cols)
			var in []arrow.Array
			for _, i := range p.Columns() {
				in = append(in, arrs[i])
			}
			sel := make([]bool, rows)
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Eval(in, nil, sel); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}
