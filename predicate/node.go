package predicate

import (
	"slices"

	"frostline/coltype"
)

// node is a bound condition. Its value on a row is TRUE, FALSE or NULL.
type node interface {
	// eval sets the bit of every row where the value is TRUE in t, and where it is NULL in n. Rows
	// outside active may get anything, the bits after the last row too. t and n are never both set
	// for a row.
	eval(c *call, active, t, n []uint64) error
	// outcomes says which values rows may have under what is known.
	outcomes(k Known) outcomes
}

// constant is a condition that reads no column.
type constant uint8

const (
	isNull constant = iota
	isFalse
	isTrue
)

type andNode struct {
	list []node
	top  bool // NULL is as good as FALSE here: no NOT and no IS is around it
}

type orNode struct{ list []node }

type notNode struct{ x node }

// isTest is x IS [NOT] TRUE, FALSE or UNKNOWN; never NULL.
type isTest struct {
	x    node
	what constant
	neg  bool
}

// nullLeaf is IS [NOT] NULL on a column.
type nullLeaf struct {
	*ref
	exact bool // cells of the side column count as not NULL
	neg   bool
}

// leaf is a test on a column, NULL where the column is.
type leaf struct {
	*ref
	typ   coltype.Type
	class class
	test  leafTest
	match matcher

	members []coltype.Value // the only values that pass, if listed
	listed  bool
}

// cost orders the operands of AND and OR: what is cheap decides first. What may raise an error comes last, in the order of the
// text, so that a row raises one only where PostgreSQL, which goes from left to right, does so too.
func cost(n node) int {
	if raises(n) {
		return 100
	}
	switch n := n.(type) {
	case *leaf:
		switch n.match.(type) {
		case boolMatch, *intMatch, *floatMatch:
			return 1
		case *decimalMatch:
			return 2
		}
		if n.test.kind() == testLike {
			return 5
		}
		return 3
	case constant, *nullLeaf:
		return 0
	case *andNode, *orNode, *notNode, *isTest:
		return 4
	}
	return 10
}

func cheapFirst(list []node) []node {
	slices.SortStableFunc(list, func(a, b node) int { return cost(a) - cost(b) })
	return list
}

// allOf is AND. Constants are worked out, as eval_const_expressions of src/backend/optimizer/util/clauses.c does it: what
// stands beside a constant that decides is never evaluated.
func allOf(list []node) node {
	list, decided := undecided(list, isFalse)
	if decided != nil {
		return decided
	}
	if list = merged(list); len(list) == 1 {
		return list[0]
	}
	return &andNode{list: cheapFirst(list)}
}

// anyOf is OR, as allOf is AND.
func anyOf(list []node) node {
	list, decided := undecided(list, isTrue)
	switch {
	case decided != nil:
		return decided
	case len(list) == 1:
		return list[0]
	}
	return &orNode{cheapFirst(list)}
}

// undecided is what is left of the operands of AND, which FALSE decides, or OR, which TRUE does; or the value of all of them.
func undecided(list []node, by constant) (left []node, decided node) {
	nulls := 0
	for _, n := range list {
		switch n {
		case by:
			return nil, by
		case isNull:
			nulls++
		case isTrue, isFalse: // the other one
			continue
		}
		left = append(left, n)
	}
	switch {
	case len(left) == 0:
		return nil, isFalse + isTrue - by
	case nulls == len(left):
		return nil, isNull
	}
	return left, nil
}

// notOf is NOT.
func notOf(x node) node {
	switch x {
	case isTrue:
		return isFalse
	case isFalse:
		return isTrue
	case isNull:
		return isNull
	}
	return &notNode{x}
}

// testOf is IS [NOT] TRUE, FALSE or UNKNOWN.
func testOf(x node, what constant, neg bool) node {
	if k, ok := x.(constant); ok {
		return truthOf((k == what) != neg)
	}
	return &isTest{x: x, what: what, neg: neg}
}

// testKind tells what a leafTest is.
type testKind uint8

const (
	testSpan testKind = iota
	testSet
	testLike
	testLabels
)

// leafTest is a condition on one non-NULL value.
type leafTest struct {
	span   span
	set    values
	isSet  bool
	like   *pattern
	labels map[string]bool // of an enum, all of them
	trim   bool            // trailing spaces do not count (bpchar)
}

func (t leafTest) kind() testKind {
	switch {
	case t.like != nil:
		return testLike
	case t.labels != nil:
		return testLabels
	case t.isSet:
		return testSet
	}
	return testSpan
}

func (t leafTest) holds(v coltype.Value) bool {
	if t.trim {
		v.S = trimSpaces(v.S)
	}
	switch t.kind() {
	case testLike:
		return t.like.match([]byte(v.S))
	case testLabels:
		return t.labels[v.S]
	case testSet:
		return t.set.holds(v)
	}
	return t.span.holds(v)
}

func trimSpaces[T string | []byte](s T) T {
	for len(s) > 0 && s[len(s)-1] == ' ' {
		s = s[:len(s)-1]
	}
	return s
}

func (b *binder) leaf(x side, t leafTest) *leaf {
	t.trim = classOf(b.cols[x.col].Type) == bpchar && t.like == nil
	l := &leaf{ref: b.ref(x.col), typ: b.cols[x.col].Type, class: classOf(b.cols[x.col].Type), test: t}
	l.compile()
	return l
}

// compile chooses the loop for the column's Arrow type.
func (x *leaf) compile() {
	x.members, x.listed = x.list()
	switch x.typ.Kind {
	case coltype.Bool:
		x.match = newBoolMatch(&x.test)
	case coltype.Int32, coltype.Int64, coltype.Time:
		x.match = newIntMatch(&x.test, 0)
	case coltype.Date:
		x.match = newIntMatch(&x.test, coltype.UnixToPGDays)
	case coltype.Timestamp, coltype.TimestampTZ:
		x.match = newIntMatch(&x.test, coltype.UnixToPGMicros)
	case coltype.Float32, coltype.Float64:
		x.match = newFloatMatch(&x.test)
	case coltype.Decimal:
		x.match = newDecimalMatch(&x.test, x.typ)
	case coltype.String:
		switch x.class {
		case numeric:
			x.match = newNumericMatch(&x.test)
		case enum:
			x.match = newEnumMatch(&x.test)
		default:
			x.match = newByteMatch(&x.test)
		}
	default:
		x.match = newByteMatch(&x.test)
	}
}
