package coltype

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"frostline/internal/pgtest"
)

// arrayLiterals are read as text[] by the server and by ParseArray, and printed by both.
var arrayLiterals = []string{
	"{}", " { } ", "{a}", "{a,b}", "{a,NULL,\"NULL\",null,Null,nUlL,NULLX,\\NULL,N\\ULL}", `{""}`, `{"",""}`, `{,}`, `{a,}`, `{,a}`, `{a,,b}`, `{ a , b c , " d " }`,
	"{\ta\n,\vb\f}", `{"a\"b","c\\d",e\"f,g\\h,\ x,x\ }`, `{a"b}`, `{"a"b}`, `{a"b"}`, `{"a" "b"}`, `{"a"  ,b}`, `{"a`, `{a`, `{`, `}`, ``, ` `, `a`, `{a}b`, `{a} `, `{a}}`, `{{a}`, `"{a}"`,
	"{{a,b},{c,d}}", "{{a,b},{c}}", "{{a},b}", "{a,{b}}", "{{a}, {b}}", "{{{{{{x}}}}}}", "{{{{{{{x}}}}}}}", "{{{a,b},{c,d}},{{e,f},{g,h}}}", "{{{a},{b}},{{c}}}", "{{a}{b}}", "{{a},}", "{,{a}}",
	"[1:1]={a}", "[2:3]={a,b}", "[-5:-4]={a,b}", "[2]={a,b}", "[2:3]={a}", "[2:1]={}", "[1:0]={}", "[0:0][3:4]={{a,b}}", "[0:0][3:4]={a,b}", "[1:2][1:1]={{a},{b}}", " [2:2] = {a}", "[2:2]  ={a}", "[ 2:2]={a}", "[2 :2]={a}",
	"[+2:+2]={a}", "[2:2]{a}", "[2:2]=a", "[2:2=", "[]={}", "[:]={}", "[2:]={a}", "[:2]={a}", "[2147483647:2147483647]={a}", "[2147483646:2147483646]={a}", "[-2147483648:-2147483648]={a}", wrappedBound,
	"[1:1][1:1][1:1][1:1][1:1][1:1]={{{{{{a}}}}}}", "[1:1][1:1][1:1][1:1][1:1][1:1][1:1]={{{{{{{a}}}}}}}", "[0:1]={a,NULL}", "[1:99999999999]={a}",
	`{"{a}","b,c","d;e",f'g,é,"\U0001F600"}`, "{a\\}", `{"a\`, `{"a\"`, "{\xc2\xa0a}", "{\u2003}", "{a b\tc}", "{\"\n\"}", "{NULL }", "{ NULL}", "{\"a\"}x", "{[1]}", "{=}", "{a}[1:1]=", "{(1,2)}", `{\}`, `{\\}`, `{ \a }`, `{a\ }`, "{'a'}",
	"{{}}", "{{},{}}", "{{},{a}}", "{{a},{}}", "{{},a}", "{{{}},{{}}}", "{{{}},{}}", "[1:1]={{}}", "{{{},{}}}", "{{}}}", "{ { } }",
}

// wrappedBound is read by versions before 17, whose bounds overflow silently.
const wrappedBound = "[2147483648:2147483648]={a}"

// emptied are read as {} from 17 on.
var emptied = []string{"{{}}", "{{},{}}", "{{{}},{{}}}", "{{{},{}}}", "{ { } }"}

func TestOracleArrayLiterals(t *testing.T) {
	o := newOracle(t)
	for i, want := range o.print(t, "text[]", arrayLiterals) {
		in := arrayLiterals[i]
		if in == wrappedBound || slices.Contains(emptied, in) {
			want = pgtest.Null
		}
		a, err := ParseArray(in, ',')
		switch {
		case err == nil && want == pgtest.Null:
			t.Errorf("%q: server refuses it, ParseArray gives %s", in, AppendArray(nil, a, ','))
		case err != nil && want != pgtest.Null:
			t.Errorf("%q: server gives %s, ParseArray %v", in, want, err)
		case err != nil && !errors.Is(err, ErrValue):
			t.Errorf("%q: error does not wrap ErrValue: %v", in, err)
		case err == nil && string(AppendArray(nil, a, ',')) != want:
			t.Errorf("%q: server prints %s, AppendArray %s", in, want, AppendArray(nil, a, ','))
		}
	}
}

// TestOracleArrayValues: arrays of all shapes made by the server are read and printed as it prints
// them, and what is printed is for the server an equal array.
func TestOracleArrayValues(t *testing.T) {
	o := newOracle(t)
	r := rand.New(rand.NewPCG(5, 6))
	words := []string{"", " ", "NULL", "null", "nul", "a", `"`, `\`, `\"`, "{", "}", ",", ";", "é", "\n", "\t", "\v", "\f", "\r", "\u00a0", "'", "[1:2]={a}", "1.5", "NULL ", "=", "a b", "\U0001F600"}
	var texts []string
	for range 300 {
		a := Array{}
		size := 1
		for range r.IntN(MaxArrayDims) + 1 {
			n := r.IntN(3) + 1
			a.Dims, a.Lower, size = append(a.Dims, n), append(a.Lower, []int{1, 1, 0, -3, 7}[r.IntN(5)]), size*n
		}
		for range size {
			w := words[r.IntN(len(words))] + words[r.IntN(len(words))]
			if r.IntN(5) == 0 {
				a.Elems = append(a.Elems, nil)
			} else {
				a.Elems = append(a.Elems, &w)
			}
		}
		texts = append(texts, string(AppendArray(nil, a, ',')))
		back, err := ParseArray(texts[len(texts)-1], ',')
		if err != nil || !equalArrays(a, back) {
			t.Fatalf("%q: read back as %+v, %v", texts[len(texts)-1], back, err)
		}
	}
	for i, got := range o.print(t, "text[]", texts) {
		if got != texts[i] {
			t.Errorf("AppendArray printed %q, the server prints it as %q", texts[i], got)
		}
	}
	boxes := o.db.One(t, `SELECT '[0:1]={(2,2),(1,1);(4,4),(3,3)}'::box[]`)
	a, err := ParseArray(boxes, ';')
	if err != nil || len(a.Elems) != 2 || *a.Elems[0] != "(2,2),(1,1)" || string(AppendArray(nil, a, ';')) != boxes {
		t.Errorf("box[] %s: %+v, %v", boxes, a, err)
	}
}

func equalArrays(a, b Array) bool {
	return slices.Equal(a.Dims, b.Dims) && slices.Equal(a.Lower, b.Lower) && slices.EqualFunc(a.Elems, b.Elems, func(x, y *string) bool {
		return x == nil && y == nil || x != nil && y != nil && *x == *y
	})
}

// TestParseArrayBounded: nesting and claimed bounds cost nothing before the elements are there.
func TestParseArrayBounded(t *testing.T) {
	for _, s := range []string{strings.Repeat("{", 1<<20), "[1:134217727]={a}", "[1:2147483646][1:2147483646]={{a}}", "{" + strings.Repeat(`\`, 1<<20)} {
		if _, err := ParseArray(s, ','); !errors.Is(err, ErrValue) || len(err.Error()) > 300 {
			t.Errorf("%.20q…: %v", s, err)
		}
	}
}
