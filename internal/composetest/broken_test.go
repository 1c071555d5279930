package composetest

import (
	"strings"
	"testing"
)

// sound is a small document without fault; each case breaks one thing of it.
const sound = `
services:
  db:
    image: postgres:15
    environment: {POSTGRES_PASSWORD: x}
    ports: ["127.0.0.1:5432:5432"]
    volumes: ["data:/data", "./compose_test.go:/x:ro"]
    restart: "no"
    healthcheck: {test: [CMD, pg_isready], interval: 1s, timeout: 1s, retries: 3}
  queryd:
    build: {context: ../.., dockerfile: Dockerfile}
    environment: {ARCHIVE_S3_BUCKET: b}
    depends_on:
      db: {condition: service_healthy}
volumes:
  data: {}
`

func TestBrokenCompose(t *testing.T) {
	for _, tt := range []struct{ name, old, new, want string }{
		{"sound", "", "", ""},
		{"two documents", "volumes:\n  data: {}", "volumes:\n  data: {}\n---\nservices: {}", "something follows"},
		{"no services", sound, "name: x", "no services"},
		{"not YAML", "services:", "services: [", "yaml"},
		{"unknown key", "    restart:", "    restrat:", "field restrat not found"},
		{"key twice", `restart: "no"`, "restart: \"no\"\n    image: postgres:16", "already defined"},
		{"unknown key of a healthcheck", "retries: 3", "retires: 3", "field retires not found"},
		{"a list for a map", "{POSTGRES_PASSWORD: x}", "[POSTGRES_PASSWORD=x]", "cannot unmarshal"},
		{"no image", "    image: postgres:15\n", "", "neither image nor build"},
		{"no tag", "postgres:15", "postgres", "has no tag"},
		{"no Dockerfile", "Dockerfile}", "Dockerfile.x}", `no Dockerfile "Dockerfile.x"`},
		{"unknown service", "      db: {condition", "      dbs: {condition", `"dbs", which is no service`},
		{"unknown condition", "service_healthy", "service_ready", `condition "service_ready"`},
		{"no healthcheck", "    healthcheck: {test: [CMD, pg_isready], interval: 1s, timeout: 1s, retries: 3}\n", "", "has no healthcheck"},
		{"waits for one that ends", "condition: service_healthy", "condition: service_completed_successfully", ""},
		{"undeclared volume", "  data: {}", "  other: {}", `volume "data" is not declared`},
		{"missing file", "./compose_test.go", "./no_such.sql", "./no_such.sql is not there"},
		{"volume mode", ":/x:ro", ":/x:rw,z", "is not source:/target"},
		{"open port", `"127.0.0.1:5432:5432"`, `"5432:5432"`, "open to the network"},
		{"port on all addresses", "127.0.0.1:5432", "0.0.0.0:5432", "not a loopback address"},
		{"port out of range", "5432:5432", "5432:65536", "65536 is no port"},
		{"unknown variable of ours", "ARCHIVE_S3_BUCKET", "ARCHIVE_BUCKET", "does not know ARCHIVE_BUCKET"},
		{"unknown variable of PostgreSQL", "POSTGRES_PASSWORD", "POSTGRES_PASS", "does not know POSTGRES_PASS"},
		{"image that is not known", "postgres:15", "mysql:8", "does not know POSTGRES_PASSWORD"},
		{"restart", `"no"`, `"never"`, `restart "never"`},
		{"test without CMD", "[CMD, pg_isready]", "[pg_isready, -q]", "neither CMD and a command"},
		{"test as a shell line in parts", "[CMD, pg_isready]", "[CMD-SHELL, pg_isready, -q]", "neither CMD and a command"},
		{"interval", "interval: 1s", "interval: 1", `interval "1" is not a duration`},
		{"retries", "retries: 3", "retries: 0", "0 retries"},
		{"cycle", "    restart: \"no\"", "    depends_on: {queryd: {condition: service_started}}", "waits for itself"},
		{"waits for itself", "    restart: \"no\"", "    depends_on: {db: {condition: service_started}}", "depends on itself"},
		{"profile", "    restart: \"no\"", "    profiles: [tools]", "stands in a profile"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(sound, tt.old, tt.new, 1)
			if tt.old != "" && text == sound {
				t.Fatal("the case changes nothing")
			}
			c, err := parse([]byte(text))
			var got string
			if err != nil {
				got = err.Error()
			} else {
				got = strings.Join(check(c, "."), "; ")
			}
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A service that restarts never ends.
func TestCompletionOfAServer(t *testing.T) {
	text := strings.Replace(sound, "service_healthy", "service_completed_successfully", 1)
	text = strings.Replace(text, `restart: "no"`, "restart: always", 1)
	c, err := parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(check(c, "."), "; "); got != `queryd: waits for "db" to end, which is not restart: "no"` {
		t.Errorf("got %q", got)
	}
}

const soundImage = `# a comment
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ENV CGO_ENABLED=0
RUN go build -trimpath \
    -o /out/ ./cmd/archive ./cmd/queryd
FROM scratch
COPY --from=build /out/ /usr/local/bin/
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/queryd"]
`

func TestBrokenDockerfile(t *testing.T) {
	for _, tt := range []struct{ name, old, new, want string }{
		{"sound", "", "", ""},
		{"empty", soundImage, "", "no FROM"},
		{"unknown instruction", "WORKDIR", "WORKDIRS", `line 3: "WORKDIRS" is no instruction`},
		{"small letters", "RUN go mod", "run go mod", `"run" is no instruction`},
		{"goes on at the end", `queryd"]`, `queryd"] \`, "the last line goes on"},
		{"before FROM", "# a comment", "USER 1", "stands before the first FROM"},
		{"FROM", "golang:1.26-bookworm AS build", "golang:1.26-bookworm build", "is not image[ AS name]"},
		{"no tag", "FROM scratch", "FROM alpine", "image alpine has no tag"},
		{"old Go", "golang:1.26-bookworm", "golang:1.25-bookworm", "go.mod asks for Go 1.26"},
		{"longer Go", "golang:1.26-bookworm", "golang:1.261", "go.mod asks for Go 1.26"},
		{"missing source", "go.sum", "go.summ", "line 4: COPY: go.summ is not there"},
		{"COPY without a target", "COPY . .", "COPY .", "has no source or no target"},
		{"unknown stage", "--from=build", "--from=builder", `no stage "builder"`},
		{"cgo", "ENV CGO_ENABLED=0", "ENV CGO_ENABLED=1", "line 8: RUN: go build without CGO_ENABLED=0"},
		{"missing program", "./cmd/queryd", "./cmd/querydd", "./cmd/querydd, which has no main.go"},
		{"not built", "./cmd/archive ./cmd/queryd", "./cmd/archive", "ENTRYPOINT /usr/local/bin/queryd is not built"},
		{"not copied", "COPY --from=build /out/ /usr/local/bin/", "COPY --from=build /other/ /usr/local/bin/", "is not built"},
		{"copied elsewhere", "/out/ /usr/local/bin/", "/out/ /bin/", "is not built"},
		{"root", "USER 65532:65532", "USER root", `runs as user "root"`},
		{"number of root", "USER 65532:65532", "USER 0", `runs as user "0"`},
		{"group of root", "USER 65532:65532", "USER 65532:0", `runs as user "65532:0"`},
		{"no user", "USER 65532:65532\n", "", `runs as user ""`},
		{"user of another stage", "USER 65532:65532\n", "USER 1\nFROM scratch\nCOPY --from=build /out/ /usr/local/bin/\n", `runs as user ""`},
		{"entrypoint of a shell", `["/usr/local/bin/queryd"]`, "/usr/local/bin/queryd", "is not a JSON list"},
		{"no entrypoint", `ENTRYPOINT ["/usr/local/bin/queryd"]` + "\n", "", "no ENTRYPOINT"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(soundImage, tt.old, tt.new, 1)
			if tt.old != "" && text == soundImage {
				t.Fatal("the case changes nothing")
			}
			got := strings.Join(checkDockerfile(text, root, "1.26"), "; ")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
