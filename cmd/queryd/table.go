package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/rivo/uniseg"
)

// printTable writes an answer in JSON as a table for people: a line of names, a rule, the rows, and what it cost.
func printTable(w io.Writer, answer io.Reader) error {
	body, err := io.ReadAll(answer)
	if err != nil {
		return err
	}
	var a struct {
		Data            []map[string]json.RawMessage
		TotalMatched    *int64
		ExecutionTimeMs float64
		Schema          json.RawMessage
		NextPageToken   string
		Pruning         struct{ BytesRead int64 }
		Warnings        []string
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return err
	}
	columns, err := members(a.Schema)
	if err != nil {
		return err
	}
	widths := make([]int, len(columns))
	right := make([]bool, len(columns))
	for j, c := range columns {
		widths[j] = uniseg.StringWidth(visible(c.name))
		right[j] = numeric(c.value)
	}
	rows := make([][]string, len(a.Data))
	for i, d := range a.Data {
		rows[i] = make([]string, len(columns))
		for j, c := range columns {
			rows[i][j] = cell(d[c.name])
			widths[j] = max(widths[j], uniseg.StringWidth(rows[i][j]))
		}
	}
	var b strings.Builder
	line := func(cells func(j int) string, right func(j int) bool) {
		for j := range columns {
			text := cells(j)
			pad := strings.Repeat(" ", widths[j]-uniseg.StringWidth(text))
			if j > 0 {
				b.WriteString(" | ")
			}
			switch {
			case right(j):
				b.WriteString(pad + text)
			case j < len(columns)-1:
				b.WriteString(text + pad)
			default:
				b.WriteString(text)
			}
		}
		b.WriteByte('\n')
	}
	line(func(j int) string { return visible(columns[j].name) }, func(int) bool { return false })
	for j := range columns {
		if j > 0 {
			b.WriteString("-+-")
		}
		b.WriteString(strings.Repeat("-", widths[j]))
	}
	b.WriteByte('\n')
	for _, r := range rows {
		line(func(j int) string { return r[j] }, func(j int) bool { return right[j] })
	}
	fmt.Fprintf(&b, "(%d rows", len(rows))
	if a.TotalMatched != nil && *a.TotalMatched != int64(len(rows)) {
		fmt.Fprintf(&b, " of %d", *a.TotalMatched)
	} else if a.NextPageToken != "" {
		b.WriteString(", and there are more")
	}
	fmt.Fprintf(&b, "; %.0f ms, %.1f MB read)\n", a.ExecutionTimeMs, float64(a.Pruning.BytesRead)/1e6)
	for _, text := range a.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", visible(text))
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// named is a member of a JSON object.
type named struct{ name, value string }

// members are those of an object of strings, in their order.
func members(object json.RawMessage) ([]named, error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	var out []named
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value string
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		out = append(out, named{name.(string), value})
	}
	return out, nil
}

// numeric reports whether values of an Iceberg type stand to the right.
func numeric(iceberg string) bool {
	switch iceberg {
	case "int", "long", "float", "double":
		return true
	}
	return strings.HasPrefix(iceberg, "decimal")
}

// cell is a value for the terminal: NULL is empty, a string stands without quotes.
func cell(v json.RawMessage) string {
	if bytes.Equal(v, []byte("null")) {
		return ""
	}
	var text string
	if json.Unmarshal(v, &text) == nil {
		return visible(text)
	}
	return visible(string(v))
}

// visible is text without what moves a terminal's cursor or changes its state.
func visible(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
