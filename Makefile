# make test is what must pass before a push, and all that CI does.

# How long things may take. The whole of the fuzzing keeps to FUZZBUDGET.
FUZZSECONDS ?= 5
FUZZBUDGET  ?= 60
SOAKSECONDS ?= 600
SOAKTESTS   ?= Model|Random|Crash|Soak
KILLCYCLES  ?= 2000
CHAINCYCLES ?= 300
POWERCYCLES ?= 10000
SIMSEEDS    ?= 20000
LEAKSECONDS ?= 3600
SOAKREPORT  ?= soak.md
BENCH       ?= .
BENCHOUT    ?= /tmp/situ-bench
BENCHREPEAT ?= 3
TESTFLAGS   ?=

# The packages whose tests take longest come first: the last one would run alone
# on a machine with idle processors.
LONGEST := ./cmd/situ ./internal/killtest ./internal/store ./internal/simtest ./internal/node ./docs ./internal/worker

# A process with the race detector sleeps for a second before it ends, so that what
# still runs can be caught. Tests start hundreds of processes, and leave nothing that runs.
export GORACE ?= atexit_sleep_ms=20

# What programs to be kept are built with: some percent, for a build that takes
# twice as long. `go run` and tests do without. tools/profile makes it anew.
PROFILE ?= bench/profiles/pgo.pb.gz

# What the tests need besides Go: the race detector needs a C compiler, and a
# disk whose syncs fail is made by strace.
DEBIAN_PACKAGES := gcc libc6-dev curl strace

BIN   := .tools
STAGE := tools/stage

.PHONY: all
all: build

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: build
build: ## build every package, and the programs into bin/
	go build ./...
	@mkdir -p bin
	go build -pgo=$(PROFILE) -o bin/ ./cmd/...

.PHONY: test
test: ## everything that must pass: lint, tests with the race detector, a minute of fuzzing
	@$(STAGE) "all of make test" $(MAKE) --no-print-directory stages

# Tests are not vetted again: lint has done it, with all of vet's checks.
.PHONY: stages
stages:
	@$(STAGE) "debian packages" tools/need-debian $(DEBIAN_PACKAGES)
	@$(STAGE) "Node and the AWS SDKs" tools/need-node $(BIN)/node
	@$(STAGE) "build" go build ./...
	@$(MAKE) --no-print-directory lint
	@$(STAGE) "go test -race" go test -race -vet=off -shuffle=on $(TESTFLAGS) $(LONGEST) ./...
	@$(MAKE) --no-print-directory fuzz

.PHONY: test-short
test-short: ## the tests alone, without the race detector
	@$(STAGE) "go test" go test $(TESTFLAGS) ./...

.PHONY: lint
lint: tools ## gofmt, vet, staticcheck, errcheck, errorlint
	@$(STAGE) "gofmt" tools/gofmt-check
	@$(STAGE) "go vet" go vet ./...
	@$(STAGE) "staticcheck" $(BIN)/staticcheck ./...
	@$(STAGE) "errcheck" $(BIN)/errcheck -exclude tools/errcheck.txt ./...
	@$(STAGE) "errorlint" $(BIN)/go-errorlint ./...

.PHONY: fuzz
fuzz: ## fuzz every target for FUZZSECONDS, all within FUZZBUDGET
	@$(STAGE) "fuzz" tools/fuzz $(FUZZSECONDS) $(FUZZBUDGET)

.PHONY: golden
golden: ## write every golden file anew; read the diff, it is the review
	@$(STAGE) "golden files" tools/golden

.PHONY: bench
bench: build ## run all workloads of situ bench BENCHREPEAT times, with results and tables in BENCHOUT
	@$(STAGE) "bench" tools/bench $(BENCHOUT) $(BENCHREPEAT)

.PHONY: gobench
gobench: ## run the Go benchmarks that match BENCH
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

.PHONY: soak
soak: ## the long versions of the random tests, with a report in SOAKREPORT
	@$(STAGE) "soak" env SECONDS_RANDOM=$(SOAKSECONDS) TESTS_RANDOM='$(SOAKTESTS)' KILL_CYCLES=$(KILLCYCLES) CHAIN_CYCLES=$(CHAINCYCLES) \
		POWER_CYCLES=$(POWERCYCLES) SIM_SEEDS=$(SIMSEEDS) LEAK_SECONDS=$(LEAKSECONDS) tools/soak $(SOAKREPORT)

# The tools are rebuilt when their versions or Go change.
.PHONY: tools
tools: $(BIN)/$(shell go env GOVERSION).ok ## build the lint tools into .tools

$(BIN)/%.ok: tools/go.mod tools/go.sum
	@$(STAGE) "lint tools" tools/install $(BIN)
	@rm -f $(BIN)/*.ok && touch $@

.PHONY: clean
clean: ## remove what make has built
	rm -rf bin $(BIN)
