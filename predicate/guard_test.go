package predicate_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
	"frostline/predicate"
)

// The rows (a, "A", s): (1, 1, "1"), (2, 0, "x"), (3, 1, NULL), (NULL, 0, "4"). "A" and s may not be seen.
func TestGuard(t *testing.T) {
	col := func(name string, k coltype.Kind, w coltype.Wire, typ string) coltype.Column {
		return coltype.Column{Name: name, Type: coltype.Type{Name: typ, Kind: k, Wire: w}}
	}
	cols := []coltype.Column{col("a", coltype.Int32, coltype.WireInt4, "int4"), col("A", coltype.Int32, coltype.WireInt4, "int4"),
		col("s", coltype.String, coltype.WireRaw, "text")}
	a := array.NewInt32Builder(memory.DefaultAllocator)
	a.AppendValues([]int32{1, 2, 3, 0}, []bool{true, true, true, false})
	b := array.NewInt32Builder(memory.DefaultAllocator)
	b.AppendValues([]int32{1, 0, 1, 0}, nil)
	s := array.NewStringBuilder(memory.DefaultAllocator)
	s.AppendValues([]string{"1", "x", "", "4"}, []bool{true, true, false, true})
	arrs := []arrow.Array{a.NewArray(), b.NewArray(), s.NewArray()}
	parse := func(text string) predicate.Expr {
		e, err := predicate.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	for _, tt := range []struct {
		name, guard, e string
		want           string // a digit for each row, or the code of the error
	}{
		{"neither", "", "", "1111"},
		{"guard alone", `"A" = 1`, "", "1010"},
		{"expression alone", "", "a > 1", "0110"},
		{"both", `"A" = 1`, "a > 1", "0010"},
		{"OR stays inside", `"A" = 1`, "a = 1 OR TRUE", "1010"},
		{"an unquoted name is looked up among the seen ones", `"A" = 1`, "A = 1", "1000"},
		{"a quoted one too", `"A" = 1`, `"A" = 1`, predicate.CodeUnknownColumn},
		{"not seen, computed", "", "lower(s) = 'x'", predicate.CodeUnknownColumn},
		{"not seen, behind IS", "", "(a = 1 AND s IS NULL) IS NOT FALSE", predicate.CodeUnknownColumn},
		{"not seen, in an array", "", "a = ANY (ARRAY[1, length(s)])", predicate.CodeUnknownColumn},
		{"errors of rows outside are not raised", `"A" = 1`, "1 / (a - 2) >= -1", "1010"},
		{"not even where the guard may raise too", `6 / ("A" + 1) = 3`, "1 / (a - 2) = -1", "1000"},
		{"those of rows inside are", `"A" = 0`, "1 / (a - 2) >= -1", predicate.CodeDivisionZero},
		{"an error of the guard names no value", `1 / "A" = 1`, "", predicate.CodeGuard},
		{"NULL of the guard is out", "a > 0", "a IS NULL", "0000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := predicate.Bind(predicate.Guard(parse(tt.guard), parse(tt.e), cols[:1]), cols)
			var got string
			if err == nil {
				var read []arrow.Array
				for _, i := range p.Columns() {
					read = append(read, arrs[i])
				}
				sel := make([]bool, 4)
				err = p.Eval(read, nil, sel)
				for _, hit := range sel {
					got += map[bool]string{false: "0", true: "1"}[hit]
				}
			}
			var pe *predicate.Error
			if errors.As(err, &pe) {
				got = pe.Code
				if strings.Contains(pe.Error(), `"x"`) || strings.Contains(pe.Hint, "s") && pe.Code == predicate.CodeUnknownColumn && strings.Contains(pe.Hint, `"s"`) {
					t.Errorf("tells too much: %v", pe)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("got %s (%v), want %s", got, err, tt.want)
			}
		})
	}
}

// What a guarded expression prints can be read again.
func TestGuardText(t *testing.T) {
	g, err := predicate.Parse("a = 1 OR b = 2")
	if err != nil {
		t.Fatal(err)
	}
	e, err := predicate.Parse("c = 3 OR d = 4")
	if err != nil {
		t.Fatal(err)
	}
	if got := predicate.Guard(g, e, nil).String(); got != "(a = 1 OR b = 2) AND (c = 3 OR d = 4)" {
		t.Error(got)
	}
	if got := predicate.Guard(nil, nil, nil).String(); got != "TRUE" {
		t.Error(got)
	}
}
