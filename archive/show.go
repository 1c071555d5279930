package archive

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"frostline/iceberg"
	"frostline/postgres"
)

// Show is the record of one archived partition. It needs the warehouse alone.
func (a *Archiver) Show(ctx context.Context, sel Scope) (*iceberg.Record, error) {
	if sel.Table == "" || sel.Partition == "" {
		return nil, fmt.Errorf("show: %w: a table and a partition are both needed", ErrBadInput)
	}
	a.defaults()
	t, err := a.load(ctx, iceberg.TableKey(sel.Schema, sel.Table))
	if err != nil {
		return nil, fmt.Errorf("show %s: %w", sel, err)
	}
	parts, err := selected(t, sel)
	if err != nil {
		return nil, fmt.Errorf("show %s: %w", sel, err)
	}
	r, err := a.Catalog.ReadRecord(ctx, t, parts[0])
	if err != nil {
		return nil, fmt.Errorf("show %s: %w", sel, err)
	}
	return r, nil
}

// WriteRecord writes a record for people to read.
func WriteRecord(w io.Writer, r *iceberg.Record) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name string, value any) {
		if s := clean(fmt.Sprint(value)); s != "" {
			fmt.Fprintf(t, "%s\t%s\n", name, s)
		}
	}
	line("Table", postgres.Name(r.SourceTable))
	line("Partition", r.Partition)
	line("Leaf", postgres.Name(r.Leaf))
	line("Bounds", r.Bounds)
	line("Key", r.PartitionKey)
	line("Rows", r.Rows)
	var bytes int64
	for _, f := range r.Files {
		bytes += f.Bytes
	}
	line("Files", fmt.Sprintf("%d, %s", len(r.Files), Size(bytes)))
	line("Digest", r.Digest)
	line("Archived at", r.ArchivedAt.UTC().Format(time.RFC3339))
	line("Rows as of", r.SnapshotTime.UTC().Format(time.RFC3339Nano))
	line("Source LSN", r.LSN)
	line("Run", r.RunID)
	line("Snapshot", r.SnapshotID)
	line("Tool", r.Tool)
	line("Server", "PostgreSQL "+r.ServerVersion)
	line("Selection", r.Selection)
	line("Primary key", strings.Join(r.PrimaryKey, ", "))
	fmt.Fprintf(t, "\nColumn\tType\tStored as\tNull\n")
	for _, c := range r.Schema.Columns {
		null := "yes"
		if c.NotNull {
			null = "no"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", clean(c.Name), clean(c.Type.Name), c.Type.Kind, null)
	}
	fmt.Fprintf(t, "\nFile\tRows\tBytes\tSHA-256\n")
	for _, f := range r.Files {
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\n", clean(f.Path), f.Rows, f.Bytes, f.SHA256)
	}
	var def postgres.Definition
	if err := json.Unmarshal(r.Definition, &def); err == nil && len(def.Constraints)+len(def.Indexes) > 0 {
		fmt.Fprintf(t, "\nDefinition\n")
		for _, c := range def.Constraints {
			fmt.Fprintf(t, "%s\t%s\n", clean(c.Name), clean(c.Def))
		}
		for _, x := range def.Indexes {
			fmt.Fprintf(t, "%s\t%s\n", clean(x.Name), clean(x.Body))
		}
	}
	return t.Flush()
}

// WriteListing writes a listing as a table.
func WriteListing(w io.Writer, l *Listing) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "TABLE\tPARTITION\tROWS\tFILES\tSIZE\tARCHIVED AT\n")
	for _, table := range l.Tables {
		if table.Error != "" {
			fmt.Fprintf(t, "%s\t\t\t\t\tdamaged: %s\n", clean(table.Table), clean(table.Error))
		}
		for _, p := range table.Partitions {
			fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%s\t%s\n", clean(table.Table), clean(p.Partition), p.Records, p.Files, Size(p.Bytes), p.Archived.UTC().Format(time.RFC3339))
		}
	}
	fmt.Fprintf(t, "%d partitions\t\t%d\t%d\t%s\t\n", l.Partitions, l.Records, l.Files, Size(l.Bytes))
	return t.Flush()
}

// clean makes a name harmless on a terminal and in a table: control characters stand as \n, \t, \x1b.
func clean(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			fmt.Fprintf(&b, "\\x%02x", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Size is a number of bytes for people, in powers of 1024: "1.5 MiB".
func Size(bytes int64) string {
	if bytes < 1024 {
		return fmt.Sprintf("%d B", bytes)
	}
	f, unit := float64(bytes)/1024, 0
	for f >= 1024 && unit < 5 {
		f, unit = f/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", f, "KMGTPE"[unit])
}
