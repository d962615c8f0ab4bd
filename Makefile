# Two commands do all the set-up on a fresh machine with Go and Debian:
#
#   make demo   everything on loopback, with a scripted agent (ARGS=--keep to stay up, ARGS=--yes to approve by itself)
#   make test   installs what the tests need and runs them all
#
# The first build compiles PostgreSQL's SQL grammar (C), which takes about two minutes; later builds take seconds.

GO ?= go
export GOFLAGS ?= -buildvcs=false

.PHONY: demo test build check bench

demo: build
	@./bin/sallyport demo $(ARGS)

build:
	@mkdir -p bin
	@[ -x bin/sallyport ] || echo "building sallyport: the first time takes about two minutes, because PostgreSQL's SQL grammar is compiled ..."
	@$(GO) build -o bin/sallyport ./cmd/sallyport

test:
	@.ci/packages
	REQUIRE_POSTGRES=1 REQUIRE_SSHD=1 $(GO) test -timeout 15m ./...

check:
	.ci/run

bench: build
	$(GO) run ./bench $(ARGS)
