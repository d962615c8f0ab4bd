// Command bench answers: what does the gateway cost?
//
// It sends the same statements to the same PostgreSQL on three ways: through the gateway with everything on (token, policy, parser,
// read-only transaction, every cell scanned, durable record before the answer), through the same HTTP server and tool with governance
// off, and through pgx directly. The ways take turns in every round, so that what else the machine does hits all of them; what is
// reported are medians over the rounds, and ratios as medians of the ratios within a round. Ratios travel to other machines,
// microseconds do not.
//
// It starts everything itself (PostgreSQL, an OIDC issuer, both servers; each in a process of its own, on loopback) and removes it at
// the end. It asserts nothing: the exit code says whether the run came to its end.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	// The process is its own second server: see ungoverned.go.
	if os.Getenv(envUngoverned) != "" {
		if err := serveUngoverned(os.Getenv(envUngoverned), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// options are the flags.
type options struct {
	rounds  int
	time    time.Duration // of one sample: one case in one round
	json    string
	gateway string
	only    string
	cases   *regexp.Regexp
}

// phases are what -only chooses from, in the order in which they run. Memory is first: it needs servers that have done nothing yet.
var phases = []string{"memory", "calls", "parts"}

func run(args []string, out, progress io.Writer) int {
	var o options
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(progress)
	fs.IntVar(&o.rounds, "rounds", 7, "how often every case is measured")
	fs.DurationVar(&o.time, "time", 400*time.Millisecond, "how long one case runs in one round")
	fs.StringVar(&o.json, "json", "", "also write every figure to this file")
	fs.StringVar(&o.gateway, "gateway", "bin/sallyport", "the program that is measured")
	fs.StringVar(&o.only, "only", strings.Join(phases, ","), "what to run, of "+strings.Join(phases, ", "))
	cases := fs.String("cases", "", "only calls that match this regular expression, as \"point, one text/governed/16\"")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	var err error
	if o.cases, err = regexp.Compile(*cases); err != nil {
		fmt.Fprintln(progress, "bench: -cases:", err)
		return 2
	}
	if err := o.check(fs.NArg()); err != nil {
		fmt.Fprintln(progress, "bench:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := measureAll(ctx, o, progress)
	if err == nil {
		r.print(out)
		err = r.save(o.json)
	}
	if err != nil {
		fmt.Fprintln(progress, "bench:", err)
		return 1
	}
	return 0
}

func (o *options) check(rest int) error {
	if rest > 0 || o.rounds < 1 || o.time < 10*time.Millisecond {
		return errors.New("no arguments, at least one round, and at least 10ms for each case")
	}
	for p := range strings.SplitSeq(o.only, ",") {
		if !slices.Contains(phases, p) {
			return fmt.Errorf("-only %s: not one of %s", p, strings.Join(phases, ", "))
		}
	}
	if _, err := os.Stat(o.gateway); err != nil {
		return fmt.Errorf("%w; make build makes it", err)
	}
	return nil
}

func (o *options) runs(phase string) bool { return slices.Contains(strings.Split(o.only, ","), phase) }

// report is everything that was measured; the file of -json.
type report struct {
	Begun   time.Time       `json:"begun"`
	Took    string          `json:"took"`
	Machine machine         `json:"machine"`
	Rounds  int             `json:"rounds"`
	Sample  string          `json:"sample"`
	Cases   []*caseResult   `json:"cases,omitempty"`
	Stages  []*stageResult  `json:"stages,omitempty"`
	Memory  []*memoryResult `json:"memory,omitempty"`
	Parts   []*partResult   `json:"parts,omitempty"`
}

// machine is what the figures depend on besides the program.
type machine struct {
	CPUs       int    `json:"cpus"`
	Go         string `json:"go"`
	LoadBefore string `json:"load_before"` // 1, 5 and 15 minutes; what the run itself adds is in LoadAfter
	LoadAfter  string `json:"load_after"`
}

func measureAll(ctx context.Context, o options, progress io.Writer) (*report, error) {
	r := &report{Begun: time.Now().UTC().Truncate(time.Second), Rounds: o.rounds, Sample: o.time.String(),
		Machine: machine{CPUs: runtime.NumCPU(), Go: runtime.Version(), LoadBefore: loadAverage()}}
	say := func(format string, args ...any) { fmt.Fprintf(progress, format+"\n", args...) }
	if o.runs("memory") || o.runs("calls") {
		w, err := startWorld(ctx, o.gateway, say)
		if err == nil {
			err = r.measureWorld(ctx, o, w, say)
		}
		if w != nil {
			err = errors.Join(err, w.close())
		}
		if err != nil {
			return nil, err
		}
	}
	if o.runs("parts") {
		if err := r.measureParts(ctx, o, say); err != nil {
			return nil, err
		}
	}
	r.Machine.LoadAfter = loadAverage()
	r.Took = time.Since(r.Begun).Round(time.Second).String()
	return r, nil
}

func (r *report) measureWorld(ctx context.Context, o options, w *world, say func(string, ...any)) error {
	if o.runs("memory") {
		say("one result of %d rows ...", tableRows)
		if err := r.measureMemory(ctx, w); err != nil {
			return err
		}
	}
	if !o.runs("calls") {
		return nil
	}
	return r.measureCalls(ctx, o, w, say)
}

func (r *report) save(path string) error {
	if path == "" {
		return nil
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// loadAverage is the machine's, where it is known.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(b))[:3], " ")
}
