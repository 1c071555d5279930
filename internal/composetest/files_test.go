package composetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func goVersion(t *testing.T) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod"))
	if m == nil {
		t.Fatal("go.mod names no Go version")
	}
	return m[1]
}

func TestComposeFile(t *testing.T) {
	c, err := parse([]byte(read(t, "docker-compose.yml")))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range check(c, root) {
		t.Error(w)
	}
	if t.Failed() {
		return
	}
	// The parts fit: one name for each thing on both sides.
	s3, pg, init := c.Services["s3"].Environment, c.Services["postgres"].Environment, c.Services["init"]
	for _, name := range []string{"archive", "restore", "queryd"} {
		s := c.Services[name]
		for _, pair := range []struct{ variable, want string }{
			{"AWS_ACCESS_KEY_ID", s3["ROOT_ACCESS_KEY"]}, {"AWS_SECRET_ACCESS_KEY", s3["ROOT_SECRET_KEY"]},
			{"AWS_REGION", s3["VGW_REGION"]}, {"AWS_ENDPOINT_URL_S3", "http://s3" + s3["VGW_PORT"]},
		} {
			if got := s.Environment[pair.variable]; got == "" || got != pair.want {
				t.Errorf("%s: %s is %q, the s3 service has %q", name, pair.variable, got, pair.want)
			}
		}
		if !slices.ContainsFunc(init.Command, func(line string) bool {
			return strings.Contains(line, "mkdir -p "+s3["VGW_BACKEND_ARG"]+"/"+s.Environment["ARCHIVE_S3_BUCKET"]+";")
		}) {
			t.Errorf("%s: the init service does not make the bucket %q: %q", name, s.Environment["ARCHIVE_S3_BUCKET"], init.Command)
		}
		if s.Image != "frostline:local" || !slices.Equal(s.Volumes, nil) {
			t.Errorf("%s: image %q, volumes %q", name, s.Image, s.Volumes)
		}
		if name == "queryd" {
			continue
		}
		for variable, want := range map[string]string{
			"AURORA_HOST": "postgres", "AURORA_DATABASE": pg["POSTGRES_DB"], "AURORA_USER": pg["POSTGRES_USER"], "AURORA_PASSWORD": pg["POSTGRES_PASSWORD"],
		} {
			if got := s.Environment[variable]; got == "" || got != want {
				t.Errorf("%s: %s is %q, want %q", name, variable, got, want)
			}
		}
	}
	if init.Environment["PGPASSWORD"] != pg["POSTGRES_PASSWORD"] || init.Environment["PGUSER"] != pg["POSTGRES_USER"] || init.Environment["PGDATABASE"] != pg["POSTGRES_DB"] {
		t.Errorf("init: %v, postgres: %v", init.Environment, pg)
	}
}

func TestDockerfile(t *testing.T) {
	text := read(t, "Dockerfile")
	for _, w := range checkDockerfile(text, root, goVersion(t)) {
		t.Error(w)
	}
	// All that docker-compose.yml starts from the image is in it.
	c, err := parse([]byte(read(t, "docker-compose.yml")))
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range c.Services {
		if s.Build == nil || len(s.Entrypoint) == 0 {
			continue
		}
		swapped := regexp.MustCompile(`(?m)^ENTRYPOINT .*$`).ReplaceAllString(text, `ENTRYPOINT ["`+s.Entrypoint[0]+`"]`)
		for _, w := range checkDockerfile(swapped, root, goVersion(t)) {
			t.Errorf("%s: %s", name, w)
		}
	}
	for line := range strings.Lines(read(t, ".dockerignore")) {
		if slices.Contains([]string{"cmd", "sql", "internal", "go.mod", "go.sum", "*", "."}, strings.Trim(line, "/\n ")) {
			t.Errorf(".dockerignore leaves %s out of the build", strings.TrimSpace(line))
		}
	}
}

// TestDockerCompose asks the real thing where it is installed. It needs no engine.
func TestDockerCompose(t *testing.T) {
	if out, err := exec.Command("docker", "compose", "version").CombinedOutput(); err != nil {
		t.Skipf("docker compose is not on this machine: %v %.80s", err, out)
	}
	for _, profile := range []string{"", "tools"} {
		cmd := exec.Command("docker", "compose", "-f", "docker-compose.yml", "--profile", profile, "config", "-q")
		if profile == "" {
			cmd = exec.Command("docker", "compose", "-f", "docker-compose.yml", "config", "-q")
		}
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("docker compose config, profile %q: %v\n%s", profile, err, out)
		}
	}
}
