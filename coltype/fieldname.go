package coltype

import (
	"strconv"
	"strings"
	"unicode"
)

// NameFields gives every column its FieldName: Name itself, unless that is empty, is the side
// column's, is equal up to case to an earlier column's (DuckDB and Spark ignore case), or is the path of
// a nested field ("tags.element" beside an array "tags"). Such a column gets the first of Name_2, Name_3, …
// that is free of all this and is no column's Name. A FieldName that is already set is kept when it is
// usable, so that a column added later does not rename an old field.
func NameFields(cols []Column) {
	taken := map[string]bool{}
	take := func(name string) { taken[foldCase(name)] = true }
	for _, path := range []string{"", ExactName, ExactName + ".key", ExactName + ".value"} {
		take(path)
	}
	for i := range cols {
		if cols[i].Type.Kind == List {
			take(cols[i].Name + ".element")
			take(cols[i].FieldName + ".element")
		}
	}
	var unnamed []*Column
	for i := range cols {
		c := &cols[i]
		if c.FieldName == "" || taken[foldCase(c.FieldName)] {
			unnamed = append(unnamed, c)
			continue
		}
		take(c.FieldName)
	}
	names := map[string]bool{}
	for _, c := range cols {
		names[foldCase(c.Name)] = true
	}
	for _, c := range unnamed {
		c.FieldName = c.Name
		if taken[foldCase(c.Name)] {
			c.FieldName = freeName(c, taken, names)
		}
		take(c.FieldName)
		if c.Type.Kind == List {
			take(c.FieldName + ".element")
		}
	}
}

func freeName(c *Column, taken, names map[string]bool) string {
	stem := c.Name
	if stem == "" {
		stem = "column"
	}
	for n := 2; ; n++ {
		name := stem + "_" + strconv.Itoa(n)
		key := foldCase(name)
		if !taken[key] && !names[key] && !(c.Type.Kind == List && (taken[key+".element"] || names[key+".element"])) {
			return name
		}
	}
}

// foldCase maps names that differ in case alone to one text, by Unicode's simple folding.
func foldCase(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, s)
}
