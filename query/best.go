package query

import (
	"bytes"
	"slices"

	"frostline/coltype"
	"frostline/iceberg"
)

// An order needs few row groups where bounds tell which come first: the best are read first, and what cannot be among the
// first any more is left out.

// best is a key that no row within bounds b of the first sort column comes before; nil when that is not known.
func (r *race) best(b coltype.Bounds) []byte {
	k, c := r.keys[0], r.cols[0]
	switch k.form {
	case listForm, numericForm, paddedForm, enumForm, intervalForm, timetzForm:
		return nil // the bounds are of the texts
	case floatForm:
		if k.desc && b.NaNs != 0 {
			return nil
		}
	}
	v := b.Min
	if k.desc {
		v = b.Max
	}
	switch {
	case b.Nulls != 0 && c.Type.MayBeExact() && b.Exact != 0:
		return nil
	case b.Nulls != 0 && k.nullsFirst, b.Nulls >= 0 && b.Nulls == b.Rows:
		return []byte{k.nullByte()}
	case v == nil:
		return nil
	}
	key, err := k.append(nil, c.Type, cell{v: *v})
	if err != nil {
		return nil
	}
	return key
}

// hopeless reports whether no row within bounds can be among the first.
func (r *race) hopeless(b coltype.Bounds) bool {
	key := r.best(b)
	if key == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.full {
		return false
	}
	worst := r.rows[0].key
	return bytes.Compare(key, worst[:min(len(key), len(worst))]) > 0
}

// ranks numbers the files in the stable order.
func (r *race) ranks() {
	r.rank = map[string]int{}
	for i := range r.q.parts {
		for _, pf := range r.q.parts[i].Files {
			r.rank[pf.Location] = len(r.rank)
		}
	}
}

// bestFirst puts partitions and their files in the order of their best rows; unknown ones come first.
func (r *race) bestFirst(p *plan) {
	p.parts = slices.Clone(p.parts)
	keys := make(map[string][]byte, len(r.rank))
	for i := range p.parts {
		files := slices.Clone(p.parts[i].Files)
		for _, pf := range files {
			keys[pf.Location] = r.best(fileBounds(&pf, r.cols[0]))
		}
		slices.SortStableFunc(files, func(a, b iceberg.PlanFile) int { return bytes.Compare(keys[a.Location], keys[b.Location]) })
		p.parts[i].Files = files
	}
	first := func(part *partition) []byte {
		if len(part.Files) == 0 {
			return nil
		}
		return keys[part.Files[0].Location]
	}
	slices.SortStableFunc(p.parts, func(a, b partition) int { return bytes.Compare(first(&a), first(&b)) })
}

// arrange is the order in which the row groups of a file are looked at.
func (r *race) arrange(o *opening) []int {
	order := make([]int, len(o.groups))
	keys := make([][]byte, len(o.groups))
	for rg := range order {
		order[rg] = rg
		keys[rg] = r.best(o.file.Bounds(rg, r.cols[0]))
	}
	slices.SortStableFunc(order, func(a, b int) int { return bytes.Compare(keys[a], keys[b]) })
	return order
}
