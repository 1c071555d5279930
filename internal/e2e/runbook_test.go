package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// block is a fenced block of a page.
type block struct {
	line       int // of its fence
	info, text string
}

func (b block) word(i int) string {
	words := strings.Fields(b.info)
	if i >= len(words) {
		return ""
	}
	return words[i]
}

// fenced are the blocks of a page.
func fenced(t *testing.T, path string) (blocks []block) {
	t.Helper()
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	inside := false
	for i, line := range strings.Split(string(page), "\n") {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && !inside:
			blocks = append(blocks, block{line: i + 1, info: info})
		case inside && !fence:
			blocks[len(blocks)-1].text += line + "\n"
		}
		inside = inside != fence
	}
	if inside {
		t.Fatalf("%s: the last block is not closed", path)
	}
	return blocks
}

var (
	spaces = regexp.MustCompile(`\s+`)
	near   = regexp.MustCompile(`~(\d+(?:\.\d+)?)`)
)

// shows says why got is not what a page shows: "…" stands for anything, "~1000" for a number within a quarter of it,
// and any space of the page for any or none. What stands before and after it is not looked at.
func shows(got, page string) error {
	var pattern strings.Builder
	var numbers []float64
	for i, part := range strings.Split(page, "…") {
		if i > 0 {
			pattern.WriteString(`[\s\S]*?`)
		}
		for j, piece := range near.Split(part, -1) {
			if j > 0 {
				pattern.WriteString(`(\d+(?:\.\d+)?)`)
			}
			for k, word := range spaces.Split(piece, -1) {
				if k > 0 {
					pattern.WriteString(`\s*`)
				}
				pattern.WriteString(regexp.QuoteMeta(word))
			}
		}
		for _, m := range near.FindAllStringSubmatch(part, -1) {
			n, err := strconv.ParseFloat(m[1], 64)
			if err != nil {
				return err
			}
			numbers = append(numbers, n)
		}
	}
	found := regexp.MustCompile(pattern.String()).FindStringSubmatch(got)
	if found == nil {
		return errors.New("it printed something else")
	}
	for i, want := range numbers {
		n, err := strconv.ParseFloat(found[i+1], 64)
		if err != nil {
			return err
		}
		if math.Abs(n-want) > want/4 {
			return fmt.Errorf("%v is not near %v", n, want)
		}
	}
	return nil
}

func TestShows(t *testing.T) {
	for _, c := range []struct {
		name, got, page string
		want            bool
	}{
		{"equal", `{"a":1}`, `{"a":1}`, true},
		{"broken lines", `{"a":1,"b":2}`, "{\"a\":1,\n  \"b\":2}\n", true},
		{"left out", `{"a":1,"b":2,"c":3}`, `{"a":1,…"c":3}`, true},
		{"another value", `{"a":1,"b":2,"c":3}`, `{"a":1,…"c":4}`, false},
		{"another order", "exit code 7\nthe line", "the line\nexit code 7", false},
		{"near", `"bytes":1100,`, `"bytes":~1000,`, true},
		{"not near", `"bytes":1300,`, `"bytes":~1000,`, false},
		{"signs", `a (b) [c] .`, `a (b) [c] .`, true},
		{"a sign is no pattern", `abc`, `a.c`, false},
	} {
		if err := shows(c.got, c.page); (err == nil) != c.want {
			t.Errorf("%s: %v, want it found: %v", c.name, err, c.want)
		}
	}
}

// The runbooks' commands, run in order as they stand there, print what they show.
func TestRunbooks(t *testing.T) {
	psql, err := exec.LookPath("psql")
	if err != nil {
		if os.Getenv("FROSTLINE_REQUIRE_PG") != "" {
			t.Fatal(err)
		}
		t.Skip("no psql: the runbooks are not run")
	}
	dir := t.TempDir()
	w := newWorld(t, "file://"+filepath.Join(dir, "warehouse"))
	env := append(w.env, "PATH="+bin+":"+os.Getenv("PATH"), "PGOPTIONS=-c timezone=UTC", "LC_ALL=C.UTF-8")
	var ran int
	for _, page := range []string{"archive.md", "restore.md", "sql.md", "sqlite.md", "load.md"} {
		path := filepath.Join("..", "..", "docs", "operations", page)
		blocks := fenced(t, path)
		for i, b := range blocks {
			where := fmt.Sprintf("%s:%d", page, b.line)
			var cmd *exec.Cmd
			switch b.word(0) {
			case "sh":
				cmd = exec.Command("bash", "-e", "-c", b.text)
			case "sql":
				cmd = exec.Command(psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-P", "footer=off", "-f", "-", w.db.DSN)
				cmd.Stdin = strings.NewReader(b.text)
			case "yaml":
				if name := b.word(1); name != "" {
					if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), []byte(b.text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				continue
			case "cron":
				continue // TestSchedules
			case "json", "text":
				continue // of the block before it
			default:
				t.Fatalf("%s: a block %q is neither run nor shown: use sh, sql, yaml, cron, json or text", where, b.info)
			}
			var out bytes.Buffer
			cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, &out, &out
			if err := cmd.Run(); err != nil {
				t.Fatalf("%s: %v\n%s%s", where, err, b.text, out.String())
			}
			ran++
			if i+1 == len(blocks) || blocks[i+1].word(0) != "json" && blocks[i+1].word(0) != "text" {
				continue
			}
			if err := shows(out.String(), strings.TrimSpace(blocks[i+1].text)); err != nil {
				t.Fatalf("%s: %v\n%s\nprinted\n%s\nbut the page shows\n%s", where, err, b.text, out.String(), blocks[i+1].text)
			}
		}
	}
	if ran < 30 {
		t.Errorf("only %d blocks were run", ran)
	}
}

// What the schedules of the runbook call does its work, with their paths below the folder of the test.
func TestSchedules(t *testing.T) {
	page := map[string]string{}
	for _, b := range fenced(t, "../../docs/operations/archive.md") {
		page[b.info] = b.text
	}
	dir := t.TempDir()
	here := strings.NewReplacer("/etc/", dir+"/etc/", "/var/log/", dir+"/log/").Replace
	_, cron, ok := strings.Cut(page["cron"], "  archive  ")
	if !ok {
		t.Fatalf("the cron line %q has no user archive", page["cron"])
	}
	var job struct {
		Spec struct {
			JobTemplate struct {
				Spec struct {
					Parallelism, Completions int
					Template                 struct {
						Spec struct {
							Containers []struct{ Command []string }
						}
					}
				}
			} `yaml:"jobTemplate"`
		}
	}
	var action struct {
		Jobs map[string]struct {
			Steps []struct {
				Run string
				Env map[string]string
			}
		}
	}
	for name, v := range map[string]any{"yaml cronjob.yaml": &job, "yaml action.yaml": &action} {
		if err := yaml.Unmarshal([]byte(page[name]), v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	spec := job.Spec.JobTemplate.Spec
	if len(spec.Template.Spec.Containers) != 1 || spec.Completions != 3 || spec.Parallelism != spec.Completions {
		t.Fatalf("the CronJob is %+v", job)
	}
	steps := action.Jobs["archive"].Steps
	last := steps[len(steps)-1]
	if _, ok := last.Env["DATABASE_URL"]; !ok || last.Run == "" {
		t.Fatalf("the last step of the action is %+v", last)
	}

	for _, c := range []struct {
		name string
		args []string
		log  string // where the JSON goes; "" is stdout
	}{
		{"cron", []string{"/bin/sh", "-c", here(cron)}, filepath.Join(dir, "log", "archive", "runs.jsonl")},
		{"CronJob", strings.Split(here(strings.Join(spec.Template.Spec.Containers[0].Command, "\x00")), "\x00"), ""},
		{"action", []string{"/bin/sh", "-c", last.Run}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "file://"+filepath.Join(t.TempDir(), "warehouse"))
			w.db.Exec(t, `CREATE TABLE transactions (id int, at date NOT NULL) PARTITION BY RANGE (at);
				CREATE TABLE t1 PARTITION OF transactions FOR VALUES FROM ('2024-01-01') TO ('2024-02-01'); INSERT INTO transactions VALUES (1, '2024-01-05')`)
			for name, text := range map[string]string{
				"etc/archive.env":         fmt.Sprintf("DATABASE_URL='%s'\nARCHIVE_WAREHOUSE='%s'\n", w.db.DSN, w.warehouse),
				"etc/archive/policy.yaml": page["yaml policy.yaml"],
				"policy.yaml":             page["yaml policy.yaml"],
				"log/archive/runs.jsonl":  "",
			} {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
			cmd := exec.Command(c.args[0], c.args[1:]...)
			cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH")}
			if c.log == "" {
				cmd.Env = append(cmd.Env, "DATABASE_URL="+w.db.DSN, "ARCHIVE_WAREHOUSE="+w.warehouse)
			}
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v: %v\n%s", c.args, err, errs.String())
			}
			got := out.String()
			if c.log != "" {
				b, err := os.ReadFile(c.log)
				if err != nil {
					t.Fatal(err)
				}
				got = string(b)
			}
			if err := shows(got, `{"status":"success",…"partition":"at=2024-01",…"action":"archived",…"retired":"dropped",…}`); err != nil {
				t.Errorf("%v: %s\n%s", err, got, errs.String())
			}
		})
	}
}

var (
	links    = regexp.MustCompile(`\]\(([^)#:]*)(?:#([^)]*))?\)`)
	headings = regexp.MustCompile(`(?m)^#+ (.*)$`)
	noAnchor = regexp.MustCompile(`[^\w\- ]`)
)

// Every link from one document to another leads to a file, and to a heading of it.
func TestLinks(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		found, err := filepath.Glob(filepath.Join("..", "..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	if len(pages) < 12 {
		t.Fatalf("only %d pages: %v", len(pages), pages)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range links.FindAllStringSubmatch(string(text), -1) {
			target := page
			if m[1] != "" {
				target = filepath.Join(filepath.Dir(page), m[1])
			}
			to, err := os.Stat(target)
			if err != nil {
				t.Errorf("%s: %s leads nowhere", page, m[0])
				continue
			}
			if m[2] == "" {
				continue
			}
			if to.IsDir() {
				t.Errorf("%s: %s names a heading of a folder", page, m[0])
				continue
			}
			body, err := os.ReadFile(target)
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, h := range headings.FindAllStringSubmatch(string(body), -1) {
				anchor := strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-")
				found = found || anchor == m[2]
			}
			if !found {
				t.Errorf("%s: %s: there is no such heading", page, m[0])
			}
		}
	}
}
