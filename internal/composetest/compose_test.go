// Package composetest checks docker-compose.yml and the Dockerfile without a container engine: that they are
// well formed, that their parts fit each other, and that they name what is there. Where the docker command has
// its compose plugin, that reads the file too.
package composetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"frostline/internal/cli"
)

const root = "../.."

// compose is the part of the Compose specification that the file uses; any other key is refused.
type compose struct {
	Name      string             `yaml:"name"`
	Services  map[string]service `yaml:"services"`
	Volumes   map[string]volume  `yaml:"volumes"`
	Warehouse map[string]string  `yaml:"x-warehouse"`
	Postgres  map[string]string  `yaml:"x-postgres"`
}

type volume struct{}

type service struct {
	Image       string                `yaml:"image"`
	Build       *build                `yaml:"build"`
	User        string                `yaml:"user"`
	Entrypoint  []string              `yaml:"entrypoint"`
	Command     []string              `yaml:"command"`
	Environment map[string]string     `yaml:"environment"`
	Ports       []string              `yaml:"ports"`
	Volumes     []string              `yaml:"volumes"`
	DependsOn   map[string]dependency `yaml:"depends_on"`
	Healthcheck *healthcheck          `yaml:"healthcheck"`
	Restart     string                `yaml:"restart"`
	ReadOnly    bool                  `yaml:"read_only"`
	Profiles    []string              `yaml:"profiles"`
}

type build struct {
	Context    string `yaml:"context"`
	Dockerfile string `yaml:"dockerfile"`
}

type dependency struct {
	Condition string `yaml:"condition"`
}

type healthcheck struct {
	Test        []string `yaml:"test"`
	Interval    string   `yaml:"interval"`
	Timeout     string   `yaml:"timeout"`
	StartPeriod string   `yaml:"start_period"`
	Retries     int      `yaml:"retries"`
}

// parse reads one document strictly.
func parse(data []byte) (*compose, error) {
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	var c compose
	if err := d.Decode(&c); err != nil {
		return nil, err
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the document")
	}
	return &c, nil
}

// check lists what is wrong with c, whose paths are relative to dir.
func check(c *compose, dir string) (wrong []string) {
	if len(c.Services) == 0 {
		return []string{"no services"}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		for _, w := range checkService(c, c.Services[name], name, dir) {
			wrong = append(wrong, name+": "+w)
		}
	}
	return append(wrong, cycles(c)...)
}

func checkService(c *compose, s service, name, dir string) (wrong []string) {
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	switch {
	case s.Image == "" && s.Build == nil:
		bad("neither image nor build")
	case s.Build == nil && !strings.Contains(s.Image, ":"):
		bad("image %s has no tag", s.Image)
	}
	if s.Build != nil {
		if _, err := os.Stat(filepath.Join(dir, s.Build.Context, s.Build.Dockerfile)); err != nil || s.Build.Dockerfile == "" {
			bad("build: no Dockerfile %q", s.Build.Dockerfile)
		}
	}
	for dep, d := range s.DependsOn {
		on, ok := c.Services[dep]
		switch {
		case !ok:
			bad("depends on %q, which is no service", dep)
		case dep == name:
			bad("depends on itself")
		case len(on.Profiles) > 0 && len(s.Profiles) == 0:
			bad("depends on %q, which stands in a profile", dep)
		case d.Condition == "service_healthy" && on.Healthcheck == nil:
			bad("waits for %q to be healthy, which has no healthcheck", dep)
		case d.Condition == "service_completed_successfully" && on.Restart != "no":
			bad("waits for %q to end, which is not restart: \"no\"", dep)
		case !slices.Contains([]string{"service_started", "service_healthy", "service_completed_successfully"}, d.Condition):
			bad("depends on %q under the condition %q", dep, d.Condition)
		}
	}
	for _, v := range s.Volumes {
		source, target, _ := strings.Cut(v, ":")
		target, mode, _ := strings.Cut(target, ":")
		if !strings.HasPrefix(target, "/") || mode != "" && mode != "ro" {
			bad("volume %q is not source:/target[:ro]", v)
			continue
		}
		if strings.HasPrefix(source, ".") {
			if _, err := os.Stat(filepath.Join(dir, source)); err != nil {
				bad("volume %q: %s is not there", v, source)
			}
		} else if _, ok := c.Volumes[source]; !ok {
			bad("volume %q is not declared", source)
		}
	}
	for _, p := range s.Ports {
		if err := loopback(p); err != nil {
			bad("port %q: %v", p, err)
		}
	}
	known := knownVariables(s)
	for _, v := range slices.Sorted(maps.Keys(s.Environment)) {
		if !slices.Contains(known, v) {
			bad("environment: %s does not know %s", s.Image, v)
		}
	}
	if !slices.Contains([]string{"", "no", "always", "on-failure", "unless-stopped"}, s.Restart) {
		bad("restart %q", s.Restart)
	}
	if s.Healthcheck != nil {
		wrong = append(wrong, checkHealth(*s.Healthcheck)...)
	}
	return wrong
}

func checkHealth(h healthcheck) (wrong []string) {
	if len(h.Test) < 2 || h.Test[0] != "CMD" && h.Test[0] != "CMD-SHELL" || h.Test[0] == "CMD-SHELL" && len(h.Test) != 2 {
		wrong = append(wrong, fmt.Sprintf("healthcheck: test %q is neither CMD and a command nor CMD-SHELL and a line", h.Test))
	}
	for _, d := range []struct{ name, value string }{{"interval", h.Interval}, {"timeout", h.Timeout}, {"start_period", h.StartPeriod}} {
		if d.value == "" && d.name == "start_period" {
			continue
		}
		if v, err := time.ParseDuration(d.value); err != nil || v <= 0 {
			wrong = append(wrong, fmt.Sprintf("healthcheck: %s %q is not a duration", d.name, d.value))
		}
	}
	if h.Retries < 1 {
		wrong = append(wrong, fmt.Sprintf("healthcheck: %d retries", h.Retries))
	}
	return wrong
}

var portPattern = regexp.MustCompile(`^([0-9.]+):(\d+):(\d+)$`)

// loopback refuses a port that is not IP:host:container on a loopback address.
func loopback(p string) error {
	m := portPattern.FindStringSubmatch(p)
	if m == nil {
		return errors.New("not IP:port:port, so it would be open to the network")
	}
	if ip := net.ParseIP(m[1]); ip == nil || !ip.IsLoopback() {
		return errors.New("not a loopback address")
	}
	for _, n := range m[2:] {
		if v, err := strconv.Atoi(n); err != nil || v < 1 || v > 65535 {
			return fmt.Errorf("%s is no port", n)
		}
	}
	return nil
}

// knownVariables are those that the program of s reads.
func knownVariables(s service) []string {
	switch {
	case s.Build != nil:
		known := []string{"QUERYD_LISTEN", "QUERYD_NO_AUTH", "AURORA_PASSWORD", "PGPASSWORD",
			"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL_S3"}
		return append(known, append(variablesOf(cli.Warehouse{}), variablesOf(cli.Server{})...)...)
	case strings.HasPrefix(s.Image, "postgres:"):
		return []string{"POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD", "PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD"}
	case strings.HasPrefix(s.Image, "versity/versitygw:"):
		return []string{"VGW_BACKEND", "VGW_BACKEND_ARG", "VGW_PORT", "VGW_REGION", "VGW_HEALTH", "VGW_KEEP_ALIVE", "ROOT_ACCESS_KEY", "ROOT_SECRET_KEY"}
	}
	return nil
}

// variablesOf are the environment variables of a struct of flags.
func variablesOf(flags any) (names []string) {
	t := reflect.TypeOf(flags)
	for i := range t.NumField() {
		if v := t.Field(i).Tag.Get("env"); v != "" {
			names = append(names, v)
		}
	}
	return names
}

// cycles names a service that waits for itself by way of others.
func cycles(c *compose) (wrong []string) {
	for _, start := range slices.Sorted(maps.Keys(c.Services)) {
		seen, todo := map[string]bool{}, slices.Collect(maps.Keys(c.Services[start].DependsOn))
		for len(todo) > 0 {
			name := todo[0]
			todo = todo[1:]
			if name == start {
				wrong = append(wrong, start+": waits for itself by way of others")
				break
			}
			if !seen[name] {
				seen[name] = true
				todo = append(todo, slices.Collect(maps.Keys(c.Services[name].DependsOn))...)
			}
		}
	}
	return wrong
}
