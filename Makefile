# make demo   the whole story on this machine, in under a minute
# make test   all tests, on real servers, with the race detector; random ones with the same seed each time, or `make test SEED=7`
# make nightly   random queries against PostgreSQL, more of them and new ones each time, and the long tests; `make nightly QUERIES=20000 SEED=1`
# make test-matrix   what talks to PostgreSQL, on every major version
.PHONY: build demo test nightly test-matrix lint interop bench bench-archive bench-restore bench-query bench-http clean

GO ?= go
VERSION ?= $(shell git describe --always --dirty 2>/dev/null || echo dev)
LDFLAGS = -s -w -X frostline/internal/cli.Version=$(VERSION)
GOLANGCI = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

demo: build
	@$(GO) run ./internal/demo -bin bin $(if $(KEEP),-keep)

test:
	scripts/need postgresql postgis extras chromium gcc
	FROSTLINE_REQUIRE_PG=1 FROSTLINE_REQUIRE_CHROMIUM=1 FROSTLINE_SEED=$(or $(SEED),1) CGO_ENABLED=1 $(GO) test -race -p 3 -timeout 20m ./...

QUERIES ?= 20000

nightly:
	scripts/need postgresql
	FROSTLINE_REQUIRE_PG=1 FROSTLINE_QUERIES=$(QUERIES) FROSTLINE_SEED=$(SEED) $(GO) test -count=1 -v -timeout 120m \
		-run '^(TestDifferential|TestAgainstPostgreSQL|TestMutatedText|TestAlgebra)$$' ./rest ./predicate ./query
	FROSTLINE_REQUIRE_PG=1 FROSTLINE_LONG=1 FROSTLINE_SOAK=5m $(GO) test -count=1 -v -p 1 -timeout 120m \
		-run '^(TestSoak|TestGenerated|TestRandomFiles|TestMemory.*|TestLoadMemoryFlat|TestFirstRows|TestTotals)$$' ./query ./rest ./parquetio ./internal/e2e ./internal/tpch

MAJORS ?= 13 14 15 16 17 18

test-matrix:
	scripts/need matrix
	@for major in $(MAJORS); do echo "PostgreSQL $$major"; \
		FROSTLINE_REQUIRE_PG=1 FROSTLINE_PG_BIN=$(CURDIR)/.cache/pg/$$major/bin $(GO) test -count=1 ./sql ./postgres ./coltype ./pgcopy ./restore || failed="$$failed $$major"; \
	done; [ -z "$$failed" ] || { echo "failed on PostgreSQL$$failed"; exit 1; }

lint:
	$(GO) vet ./...
	cd peers && $(GO) vet ./...
	$(GO) run $(GOLANGCI) run ./...

interop: build
	scripts/need postgresql python
	FROSTLINE_REQUIRE_PG=1 FROSTLINE_PYTHON=$(CURDIR)/.cache/venv/bin/python $(GO) test -count=1 -v -run 'TestInterop|TestEvolution|TestClients' ./internal/e2e ./parquetio ./rest

bench: build
	scripts/need postgresql gcc
	@$(GO) run ./internal/bench -bin bin $(BENCH)

# TPC-H scale factor; 1 has 6 million rows
SCALE ?= 0.1667

bench-archive: build
	scripts/need postgresql gcc
	@$(GO) run ./internal/bench -bin bin -archive -scale $(SCALE) $(BENCH)

# make bench-restore SCALE=1 BENCH='-runs 1 -only copy,restore'
bench-restore: build
	scripts/need postgresql gcc
	@$(GO) run ./internal/bench -bin bin -restore -scale $(SCALE) $(BENCH)

# The rows stay in .cache for the next run; `make bench-query SCALE=1 BENCH='-only ours -match point_key'`
bench-query: build
	scripts/need postgresql gcc
	@$(GO) run ./internal/bench -bin bin -query -scale $(SCALE) -data .cache/bench-query-$(SCALE) $(BENCH)

# Answers a second over HTTP, beside DuckDB behind a small server, on the files of bench-query; about three minutes once these are there
bench-http: build
	scripts/need postgresql gcc
	@$(GO) run ./internal/bench -bin bin -http -runs 3 -scale $(SCALE) -data .cache/bench-query-$(SCALE) $(BENCH)

clean:
	rm -rf bin .cache
