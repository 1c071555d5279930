// Package sql holds the SQL routines of a restore, for people who have psql only. They need PostgreSQL
// 13 or later, no extension and no superuser: the caller's own privileges on the tables are enough.
//
// The files name the schema of the routines as @schema@, which [Install] replaces. A routine's comment starts with
// "frostline" and its version; by that an upgrade and [Uninstall] know which routines are ours.
package sql

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
)

//go:embed *.sql
var files embed.FS

// Routines are the routines that Install makes, each in a file of its own.
var Routines = []string{
	"validate_table_schemas", "generate_migration_report", "migrate_partition_data",
	"attach_restored_partition", "cleanup_after_migration",
}

// helpers are what the routines call.
var helpers = []string{"partition_condition", "advance_sequences", "overlapping_partitions"}

func all() []string { return append(slices.Clone(helpers), Routines...) }

// Version is of the routines' text: eight hexadecimal digits, which their comments in the database show.
var Version = func() string {
	hash := sha256.New()
	for _, name := range all() {
		hash.Write([]byte(file(name)))
	}
	return hex.EncodeToString(hash.Sum(nil))[:8]
}()

// Install is one script that makes the schema, unless it exists, and all routines in it. Over an earlier version it
// replaces them, with their grants, and drops those of ours whose arguments are not the same any more. It is one transaction.
func Install(schema string) string {
	var b strings.Builder
	b.WriteString("-- frostline's SQL routines, version " + Version + "\nBEGIN;\nSET LOCAL client_min_messages = warning;\n" +
		fill("DO $$ BEGIN\n    IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = @schema_literal@) THEN\n"+
			"        CREATE SCHEMA @schema@;\n    END IF;\nEND $$;\n", schema, ""))
	var keep []string
	var routines strings.Builder
	for _, name := range all() {
		text := file(name)
		keep = append(keep, literal(signature(text)))
		routines.WriteString("\n" + fill(text, schema, ""))
	}
	b.WriteString("\n" + fill(file("drop_routines"), schema, strings.Join(keep, ",\n               ")))
	b.WriteString(routines.String() + "\nCOMMIT;\n")
	return b.String()
}

// Uninstall is one script, one transaction, that drops the routines of any version in the schema, and nothing else: not
// the schema, and not a routine of the same name without our comment. The server's notices name what was dropped.
func Uninstall(schema string) string {
	return "BEGIN;\n" + fill(file("drop_routines"), schema, "") + "COMMIT;\n"
}

func file(name string) string {
	text, err := files.ReadFile(name + ".sql")
	if err != nil {
		panic(err) // the files are part of the program
	}
	return string(text)
}

// fill puts in the names. A schema with a dollar sign in it could end a body, so then bodies end otherwise.
func fill(text, schema, keep string) string {
	if strings.Contains(schema, "$") {
		hash := sha256.Sum256([]byte(schema))
		text = strings.ReplaceAll(text, "$$", "$f"+hex.EncodeToString(hash[:8])+"$")
	}
	return strings.NewReplacer("@schema@", identifier(schema), "@schema_literal@", literal(schema), "@version@", Version, "@keep@", keep).Replace(text)
}

var (
	header   = regexp.MustCompile(`(?s)CREATE OR REPLACE (?:FUNCTION|PROCEDURE) @schema@\.(\w+)\((.*?)\)\s*(?:RETURNS TABLE \((.*?)\)\s*)?(?:RETURNS \w+ )?LANGUAGE`)
	defaults = regexp.MustCompile(` DEFAULT \w+`)
)

// signature is a routine's name and all its arguments, in the form that drop_routines.sql gives them.
func signature(text string) string {
	m := header.FindStringSubmatch(text)
	arguments := m[2]
	if m[3] != "" {
		arguments += ", " + m[3]
	}
	return m[1] + "(" + strings.Join(strings.Fields(defaults.ReplaceAllString(arguments, "")), " ") + ")"
}

func identifier(s string) string {
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

func literal(s string) string {
	quoted := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return "E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}
