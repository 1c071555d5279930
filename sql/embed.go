// Package sql holds the SQL routines of a restore, for people who have psql only. They need PostgreSQL
// 13 or later, no extension and no superuser: the caller's own privileges on the tables are enough.
//
// The files name the schema of the routines as @schema@, which [Install] replaces.
package sql

import (
	"embed"
	"strings"
)

//go:embed *.sql
var files embed.FS

// Routines are the routines that Install makes, each in a file of its own.
var Routines = []string{
	"validate_table_schemas", "generate_migration_report", "migrate_partition_data",
	"attach_restored_partition", "cleanup_after_migration",
}

// Install is one script that makes the schema, unless it exists, and all routines in it, or replaces them. It
// is one transaction.
func Install(schema string) string {
	quoted := `"` + strings.ReplaceAll(schema, `"`, `""`) + `"`
	var b strings.Builder
	b.WriteString("BEGIN;\nSET LOCAL client_min_messages = warning;\nCREATE SCHEMA IF NOT EXISTS " + quoted + ";\n")
	for _, name := range append([]string{"partition_condition"}, Routines...) {
		text, err := files.ReadFile(name + ".sql")
		if err != nil {
			panic(err) // the files are part of the program
		}
		b.WriteString("\n" + strings.ReplaceAll(string(text), "@schema@", quoted))
	}
	b.WriteString("\nCOMMIT;\n")
	return b.String()
}
