package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// completionCmd prints the completion script of a shell, made of the flags as they are.
type completionCmd struct {
	Shell string `arg:"" help:"bash, zsh or fish." enum:"bash,zsh,fish"`
}

// words are what can follow a command.
type words struct {
	command string // "" is the program by itself
	help    string
	flags   []*kong.Flag
}

func (c *completionCmd) run(_ context.Context, _ *flags, k *kong.Context, stdout, _ io.Writer) error {
	root := words{flags: k.Model.Flags}
	var commands []words
	for _, n := range k.Model.Children {
		w := words{command: n.Name, help: n.Help, flags: n.Flags}
		if n == k.Model.DefaultCmd {
			root.flags = append(root.flags, n.Flags...)
		}
		w.flags = append(w.flags, k.Model.Flags...)
		commands = append(commands, w)
	}
	var script string
	switch c.Shell {
	case "bash":
		script = bashScript(root, commands)
	case "zsh":
		script = zshScript(root, commands)
	default:
		script = fishScript(root, commands)
	}
	_, err := io.WriteString(stdout, script)
	return err
}

// values are what a flag can be set to, nil where that is free.
func values(f *kong.Flag) []string {
	var out []string
	for _, v := range f.EnumSlice() {
		if v != "" {
			out = append(out, v)
		}
	}
	return out
}

func names(list []*kong.Flag) string {
	var out []string
	for _, f := range list {
		out = append(out, "--"+f.Name)
	}
	return strings.Join(out, " ")
}

func bashScript(root words, commands []words) string {
	var b strings.Builder
	var cmds []string
	b.WriteString("# bash completion of queryd: source it, or put it into /etc/bash_completion.d\n_queryd() {\n" +
		"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} word cmd=\n" +
		"\tfor word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n\t\tcase $word in\n")
	for _, c := range commands {
		cmds = append(cmds, c.command)
	}
	fmt.Fprintf(&b, "\t\t%s) cmd=$word; break ;;\n\t\tesac\n\tdone\n\tcase $prev in\n", strings.Join(cmds, "|"))
	seen := map[string]bool{}
	for _, w := range append([]words{root}, commands...) {
		for _, f := range w.flags {
			if v := values(f); v != nil && !seen[f.Name] {
				seen[f.Name] = true
				fmt.Fprintf(&b, "\t--%s) COMPREPLY=($(compgen -W '%s' -- \"$cur\")); return ;;\n", f.Name, strings.Join(v, " "))
			}
			if strings.HasPrefix(f.Tag.Type, "path") && !seen[f.Name] {
				seen[f.Name] = true
				fmt.Fprintf(&b, "\t--%s) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n", f.Name)
			}
		}
	}
	b.WriteString("\tesac\n\tcase $cmd in\n")
	for _, c := range commands {
		more := ""
		switch c.command {
		case "completion":
			more = "bash zsh fish "
		case "keys":
			more = "add list revoke "
		}
		fmt.Fprintf(&b, "\t%s) COMPREPLY=($(compgen -W '%s%s' -- \"$cur\")) ;;\n", c.command, more, names(c.flags))
	}
	fmt.Fprintf(&b, "\t*) COMPREPLY=($(compgen -W '%s %s' -- \"$cur\")) ;;\n\tesac\n}\ncomplete -F _queryd queryd\n", strings.Join(cmds, " "), names(root.flags))
	return b.String()
}

// quoteShell is text in single quotes, on one line.
func quoteShell(text string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(text, "\n", " "), "'", `'\''`) + "'"
}

func zshScript(root words, commands []words) string {
	var b strings.Builder
	b.WriteString("#compdef queryd\n# zsh completion of queryd: put it as _queryd into a folder of $fpath\n_queryd() {\n\tlocal -a commands=(\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "\t\t%s\n", quoteShell(c.command+":"+c.help))
	}
	b.WriteString("\t)\n\tlocal word cmd=\n\tfor word in ${words[2,CURRENT-1]}; do\n\t\tcase $word in\n")
	var cmds []string
	for _, c := range commands {
		cmds = append(cmds, c.command)
	}
	fmt.Fprintf(&b, "\t\t%s) cmd=$word; break ;;\n\t\tesac\n\tdone\n\tcase $cmd in\n", strings.Join(cmds, "|"))
	for _, c := range append(commands, root) {
		pattern := c.command
		if pattern == "" {
			pattern = "*"
		}
		fmt.Fprintf(&b, "\t%s) _arguments -S", pattern)
		for _, f := range c.flags {
			b.WriteString(" \\\n\t\t" + quoteShell(zshFlag(f)))
		}
		switch c.command {
		case "":
			b.WriteString(" \\\n\t\t'1:command:{_describe command commands}'")
		case "completion":
			b.WriteString(" \\\n\t\t'*:shell:(bash zsh fish)'")
		case "keys":
			b.WriteString(" \\\n\t\t'1:action:(add list revoke)'")
		}
		b.WriteString(" ;;\n")
	}
	// As a file of $fpath the first completion runs this script in place of the function.
	b.WriteString("\tesac\n}\nif [ \"$funcstack[1]\" = _queryd ]; then _queryd \"$@\"; else compdef _queryd queryd; fi\n")
	return b.String()
}

func zshFlag(f *kong.Flag) string {
	help := strings.NewReplacer("[", `\[`, "]", `\]`, ":", `\:`).Replace(f.Help)
	s := "--" + f.Name + "[" + help + "]"
	switch v := values(f); {
	case f.IsBool():
		return s
	case v != nil:
		return s + ":value:(" + strings.Join(v, " ") + ")"
	case strings.HasPrefix(f.Tag.Type, "path"):
		return s + ":file:_files"
	}
	return s + ":value:"
}

func fishScript(root words, commands []words) string {
	var b strings.Builder
	b.WriteString("# fish completion of queryd: put it as queryd.fish into ~/.config/fish/completions\ncomplete -c queryd -f\n")
	var cmds []string
	for _, c := range commands {
		cmds = append(cmds, c.command)
	}
	none := "not __fish_seen_subcommand_from " + strings.Join(cmds, " ")
	for _, c := range commands {
		fmt.Fprintf(&b, "complete -c queryd -n %s -a %s -d %s\n", quoteFish(none), c.command, quoteFish(c.help))
	}
	for _, c := range append(commands, root) {
		when := none
		if c.command != "" {
			when = "__fish_seen_subcommand_from " + c.command
		}
		for _, f := range c.flags {
			fmt.Fprintf(&b, "complete -c queryd -n %s -l %s -d %s", quoteFish(when), f.Name, quoteFish(f.Help))
			switch v := values(f); {
			case f.IsBool():
			case v != nil:
				fmt.Fprintf(&b, " -x -a %s", quoteFish(strings.Join(v, " ")))
			case strings.HasPrefix(f.Tag.Type, "path"):
				b.WriteString(" -r -F")
			default:
				b.WriteString(" -x")
			}
			b.WriteByte('\n')
		}
	}
	b.WriteString("complete -c queryd -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'\n" +
		"complete -c queryd -n '__fish_seen_subcommand_from keys' -a 'add list revoke'\n")
	return b.String()
}

func quoteFish(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", " ").Replace(text) + "'"
}
