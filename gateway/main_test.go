package gateway

import (
	"fmt"
	"os"
	"testing"

	"sallyport/tools/query/pgserver"
	"sallyport/tools/query/sqlparse"
)

const workerArgument = "parse-worker"

// TestMain lets the test binary be the SQL parser's child, as the program is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == workerArgument {
		if err := sqlparse.Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	pgserver.Main(m)
}
