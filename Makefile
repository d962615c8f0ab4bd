# make demo   everything on loopback, with a scripted agent
# make test   installs what it needs and runs every test

GO ?= go

.PHONY: build test demo
build:
	@mkdir -p bin
	$(GO) build -o bin/sallyport ./cmd/sallyport

test:
	$(GO) test ./...
