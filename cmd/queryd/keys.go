package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"frostline/internal/cli"
	"frostline/rest"
)

// keysCmd makes, lists and revokes API keys.
type keysCmd struct {
	Action string        `arg:"" help:"add, list or revoke." enum:"add,list,revoke"`
	Name   string        `arg:"" optional:"" help:"add: the principal that the key is for. revoke: the id of the key."`
	Keys   string        `help:"File of the keys." type:"path" placeholder:"FILE" env:"QUERYD_KEYS" required:""`
	Note   string        `help:"add: what the key is for."`
	TTL    time.Duration `help:"add: how long the key is valid, such as 2160h; 0 is for ever." name:"ttl"`
}

func (c *keysCmd) run(_ context.Context, _ *flags, _ *kong.Context, stdout, stderr io.Writer) error {
	switch {
	case c.Action == "list" && c.Name != "":
		return fmt.Errorf("%w: keys list takes no name", cli.ErrUsage)
	case c.Action != "list" && c.Name == "":
		return fmt.Errorf("%w: keys %s needs a name: %s", cli.ErrUsage, c.Action, map[string]string{"add": "that of a principal", "revoke": "the id of a key"}[c.Action])
	case c.Action != "add" && (c.Note != "" || c.TTL != 0) || c.TTL < 0:
		return fmt.Errorf("%w: --note and --ttl are for keys add, and --ttl is not below 0", cli.ErrUsage)
	}
	switch c.Action {
	case "add":
		var expires time.Time
		if c.TTL > 0 {
			expires = time.Now().Add(c.TTL)
		}
		text, k, err := rest.AddKey(c.Keys, c.Name, c.Note, expires)
		if err != nil {
			return fmt.Errorf("%w: add a key: %w", cli.ErrUsage, err)
		}
		fmt.Fprintf(stderr, "queryd: key %s of %s; it is shown this once\n", k.ID, k.Principal)
		_, err = fmt.Fprintln(stdout, text)
		return err
	case "revoke":
		if err := rest.RevokeKey(c.Keys, c.Name); err != nil {
			return fmt.Errorf("%w: revoke a key: %w", cli.ErrUsage, err)
		}
		return nil
	}
	keys, err := rest.Keys(c.Keys)
	if err != nil {
		return fmt.Errorf("%w: list keys: %w", cli.ErrUsage, err)
	}
	t := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tPRINCIPAL\tSTATE\tCREATED\tEXPIRES\tNOTE")
	for _, k := range keys {
		state, expires := "valid", "never"
		if k.Expires != nil {
			expires = k.Expires.Format(time.RFC3339)
		}
		switch {
		case k.Revoked != nil:
			state = "revoked"
		case !k.Valid(time.Now()):
			state = "expired"
		}
		fmt.Fprintln(t, strings.Join([]string{k.ID, k.Principal, state, k.Created.Format(time.RFC3339), expires, fmt.Sprintf("%q", k.Note)}, "\t"))
	}
	return t.Flush()
}
