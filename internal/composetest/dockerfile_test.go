package composetest

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// instruction is one line of a Dockerfile, continuations joined.
type instruction struct {
	line       int
	name, args string
}

var instructions = []string{"FROM", "ARG", "WORKDIR", "COPY", "ENV", "RUN", "USER", "EXPOSE", "ENTRYPOINT", "CMD", "LABEL"}

// readDockerfile splits a Dockerfile into instructions.
func readDockerfile(text string) (list []instruction, wrong []string) {
	joined, start := "", 0
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if joined == "" {
			start = i + 1
		}
		if part, more := strings.CutSuffix(line, `\`); more {
			joined += part
			continue
		}
		name, args, _ := strings.Cut(joined+line, " ")
		joined = ""
		if !slices.Contains(instructions, name) {
			wrong = append(wrong, fmt.Sprintf("line %d: %q is no instruction", start, name))
			continue
		}
		list = append(list, instruction{start, name, strings.TrimSpace(args)})
	}
	if joined != "" {
		wrong = append(wrong, fmt.Sprintf("line %d: the last line goes on", start))
	}
	return list, wrong
}

// stage is what is known of a build stage at its end.
type stage struct {
	base, user string
	static     bool
	built      map[string][]string // folder → programs that go build has put there, or that were copied there
	entrypoint []string
}

var (
	fromPattern  = regexp.MustCompile(`^(\S+)(?: AS (\S+))?$`)
	buildPattern = regexp.MustCompile(`go build .*-o (/\S+/) +(.+)$`)
	userPattern  = regexp.MustCompile(`^[1-9][0-9]*(:[1-9][0-9]*)?$`)
)

// checkDockerfile lists what is wrong with a Dockerfile whose context is dir. goVersion is that of go.mod, "1.26".
func checkDockerfile(text, dir, goVersion string) (wrong []string) {
	list, wrong := readDockerfile(text)
	stages := map[string]*stage{}
	var s *stage
	for _, in := range list {
		bad := func(format string, args ...any) {
			wrong = append(wrong, fmt.Sprintf("line %d: %s: %s", in.line, in.name, fmt.Sprintf(format, args...)))
		}
		if s == nil && in.name != "FROM" && in.name != "ARG" {
			bad("stands before the first FROM")
			continue
		}
		switch in.name {
		case "FROM":
			m := fromPattern.FindStringSubmatch(in.args)
			if m == nil {
				bad("%q is not image[ AS name]", in.args)
				continue
			}
			if m[1] != "scratch" && !strings.Contains(m[1], ":") {
				bad("image %s has no tag", m[1])
			}
			if v, ok := strings.CutPrefix(m[1], "golang:"); ok && v != goVersion && !strings.HasPrefix(v, goVersion+"-") {
				bad("image %s, but go.mod asks for Go %s", m[1], goVersion)
			}
			s = &stage{base: m[1], built: map[string][]string{}}
			if m[2] != "" {
				stages[m[2]] = s
			}
		case "ENV":
			s.static = s.static || strings.Contains(" "+in.args+" ", " CGO_ENABLED=0 ")
		case "RUN":
			if m := buildPattern.FindStringSubmatch(in.args); m != nil {
				if !s.static && !strings.Contains(in.args, "CGO_ENABLED=0") {
					bad("go build without CGO_ENABLED=0")
				}
				for p := range strings.FieldsSeq(m[2]) {
					if _, err := os.Stat(filepath.Join(dir, p, "main.go")); err != nil {
						bad("go build of %s, which has no main.go", p)
					}
					s.built[path.Clean(m[1])] = append(s.built[path.Clean(m[1])], path.Base(p))
				}
			}
		case "COPY":
			wrong = append(wrong, copyOf(in, s, stages, dir)...)
		case "USER":
			s.user = in.args
		case "ENTRYPOINT":
			if err := json.Unmarshal([]byte(in.args), &s.entrypoint); err != nil || len(s.entrypoint) == 0 {
				bad("%s is not a JSON list", in.args)
			}
		}
	}
	if s == nil {
		return append(wrong, "no FROM")
	}
	if !userPattern.MatchString(s.user) {
		wrong = append(wrong, fmt.Sprintf("the image runs as user %q, want a number that is not 0", s.user))
	}
	if len(s.entrypoint) == 0 {
		wrong = append(wrong, "no ENTRYPOINT")
	} else if !s.has(s.entrypoint[0]) {
		wrong = append(wrong, fmt.Sprintf("ENTRYPOINT %s is not built", s.entrypoint[0]))
	}
	return wrong
}

// copyOf checks a COPY and notes the programs that it brings.
func copyOf(in instruction, s *stage, stages map[string]*stage, dir string) (wrong []string) {
	bad := func(format string, args ...any) {
		wrong = append(wrong, fmt.Sprintf("line %d: COPY: %s", in.line, fmt.Sprintf(format, args...)))
	}
	args := strings.Fields(in.args)
	var from *stage
	if len(args) > 0 {
		if name, ok := strings.CutPrefix(args[0], "--from="); ok {
			if from = stages[name]; from == nil {
				bad("there is no stage %q", name)
				return wrong
			}
			args = args[1:]
		}
	}
	if len(args) < 2 {
		bad("%q has no source or no target", in.args)
		return wrong
	}
	target := args[len(args)-1]
	for _, source := range args[:len(args)-1] {
		if from != nil {
			s.built[path.Clean(target)] = append(s.built[path.Clean(target)], from.built[path.Clean(source)]...)
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, source)); err != nil {
			bad("%s is not there", source)
		}
	}
	return wrong
}

// has tells whether the program at file was built into the stage.
func (s *stage) has(file string) bool {
	return slices.Contains(s.built[path.Dir(file)], path.Base(file))
}
