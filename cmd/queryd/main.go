// Command queryd answers filtered queries over an archive by HTTP, or one query in a terminal. Package rest describes the API,
// package cli the exit codes.
package main

import (
	"context"
	"io"

	"github.com/alecthomas/kong"

	"frostline/internal/cli"
)

// flags are the command line: one field a command, each in a file of its own, and what they share.
type flags struct {
	Serve      serveCmd         `cmd:"" default:"withargs" help:"Serve the API (the default command)."`
	Query      queryCmd         `cmd:"" help:"Answer one query, from the warehouse or from a server."`
	Keys       keysCmd          `cmd:"" help:"Make, list and revoke API keys."`
	Completion completionCmd    `cmd:"" help:"Print the completion script of a shell."`
	Version    kong.VersionFlag `help:"Print the version."`

	cli.Warehouse `embed:"" group:"Warehouse"`
	cli.Log       `embed:"" group:"Output"`
}

// command is what every command of flags can do.
type command interface {
	run(ctx context.Context, f *flags, k *kong.Context, stdout, stderr io.Writer) error
}

func main() { cli.Exit(run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var f flags
	k, done, err := cli.Parse(&f, "queryd", "Answers filtered queries over an archive by HTTP, and in a terminal. Without --principals it "+
		"serves loopback only.", args, stdout)
	if done {
		return cli.OK
	}
	if err == nil {
		err = k.Selected().Target.Addr().Interface().(command).run(ctx, &f, k, stdout, stderr)
	}
	if err != nil {
		return cli.Fail(stderr, err, exitCode(err))
	}
	return cli.OK
}
