package sqlparse

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// maxStatement is the longest statement in bytes that a child takes. Longer ones are data, which belongs in parameters.
const maxStatement = 256 << 10

// ErrUnavailable is returned by Parse when no parser process became ready in time, and after Close. The statement may well
// be fine, but nothing is known about it.
var ErrUnavailable = errors.New("the SQL parser is not available")

// Config says how the parser's child processes are started and bounded. Zero values other than Argv mean the default.
type Config struct {
	// Argv is the program and the arguments that make it call Serve; required. It gets no environment.
	Argv []string
	// Workers is how many children are kept ready, default 2.
	Workers int
	// Timeout is the limit for one statement, default 250 ms. A usual statement takes well below one.
	Timeout time.Duration
	// Wait is how long Parse waits for a child while all are busy or being started, default 1 s.
	Wait time.Duration
	// CacheBytes is the memory for statements parsed before, default 16 MiB; negative: none.
	CacheBytes int
}

// Pool parses statements in child processes. Safe for concurrent use.
type Pool struct {
	cfg    Config
	cache  *cache
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	idle   chan *worker  // ready for a statement
	vacant chan struct{} // one for each child to be started; with the children alive always Workers
	failed chan error    // the first failure to start, for NewPool
	group  sync.WaitGroup
}

// NewPool starts the children and returns when the first is ready. The caller must Close the pool.
func NewPool(cfg Config) (*Pool, error) {
	if len(cfg.Argv) == 0 || cfg.Argv[0] == "" {
		return nil, errors.New("sqlparse: Config.Argv is empty; name the program that calls Serve")
	}
	if cfg.Workers < 0 || cfg.Timeout < 0 || cfg.Wait < 0 {
		return nil, errors.New("sqlparse: Config.Workers, Timeout and Wait must not be negative")
	}
	orDefault(&cfg.Workers, 2)
	orDefault(&cfg.Timeout, 250*time.Millisecond)
	orDefault(&cfg.Wait, time.Second)
	orDefault(&cfg.CacheBytes, 16<<20)
	p := &Pool{
		cfg: cfg, cache: newCache(cfg.CacheBytes), idle: make(chan *worker, cfg.Workers), vacant: make(chan struct{}, cfg.Workers),
		failed: make(chan error, 1),
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	for range cfg.Workers {
		p.vacant <- struct{}{}
	}
	p.group.Go(p.start)
	select {
	case w := <-p.idle:
		p.idle <- w
		return p, nil
	case err := <-p.failed:
		p.Close()
		return nil, fmt.Errorf("sqlparse: start %s: %w", strings.Join(cfg.Argv, " "), err)
	}
}

func orDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Parse states what sql says: exactly one statement of at most 256 KiB. Errors: *tools.ArgError for a text that no parser
// should see (empty, too long, not UTF-8, control characters); *tools.NotUnderstoodError for one that is not exactly one
// statement of PostgreSQL's grammar, or that the parser did not survive; ErrUnavailable; the error of ctx. A Statement
// itself can still be not understood: see Statement.Unclear. It is shared and must not be changed.
func (p *Pool) Parse(ctx context.Context, sql string) (*Statement, error) {
	if st := p.cache.get(sql); st != nil {
		return st, nil
	}
	if err := check(sql, maxStatement); err != nil {
		return nil, err
	}
	w, err := p.take(ctx)
	if err != nil {
		return nil, err
	}
	a, size, err := w.ask(ctx, sql, p.cfg.Timeout)
	if err != nil {
		p.retire(w)
		switch {
		case ctx.Err() != nil:
			return nil, fmt.Errorf("parse the statement: %w", ctx.Err())
		case p.ctx.Err() != nil:
			return nil, ErrUnavailable
		}
		// Crash, time limit or a damaged answer: whatever it was, this statement did it. Not kept: the next try gets a new child.
		return nil, notUnderstood("this statement (the parser did not come to an end with it)", 0, "write it more simply: less nesting")
	}
	p.idle <- w
	if a.Statement == nil {
		return nil, notUnderstood(a.Construct, a.Position, a.Suggestion)
	}
	p.cache.put(sql, a.Statement, size)
	return a.Statement, nil
}

// Close kills the children and returns when they are gone. Calls of Parse that are under way return ErrUnavailable. Close
// may be called twice.
func (p *Pool) Close() {
	p.cancel()
	p.group.Wait()
}

// take waits for a child that is alive.
func (p *Pool) take(ctx context.Context) (*worker, error) {
	patience := time.NewTimer(p.cfg.Wait)
	defer patience.Stop()
	for {
		select {
		case w := <-p.idle:
			select {
			case <-w.exited: // ended by somebody else while it had nothing to do
				p.retire(w)
				continue
			default:
				return w, nil
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("parse the statement: %w", ctx.Err())
		case <-p.ctx.Done():
			return nil, ErrUnavailable
		case <-patience.C:
			return nil, ErrUnavailable
		}
	}
}

// retire ends a child and has another one started at once, so that the next statement finds it ready.
func (p *Pool) retire(w *worker) {
	w.kill()
	p.vacant <- struct{}{}
}

// start starts a child for each vacancy. It keeps its thread for good, and so do the children: on Linux they are killed
// when the thread that started them ends.
func (p *Pool) start() {
	runtime.LockOSThread()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-p.vacant:
		}
		w, err := start(p.ctx, p.cfg.Argv)
		if err != nil {
			p.startLater(err)
			continue
		}
		p.group.Go(w.wait)
		p.group.Go(func() {
			if err := w.ready(coldStart); err != nil {
				w.kill()
				p.startLater(err)
				return
			}
			p.idle <- w
		})
	}
}

const (
	coldStart  = 10 * time.Second // for a child to become ready; nobody waits for it longer than Config.Wait
	startPause = 200 * time.Millisecond
)

// startLater keeps a child that cannot start from using up the machine.
func (p *Pool) startLater(err error) {
	select {
	case p.failed <- err:
	default:
	}
	p.group.Go(func() {
		select {
		case <-time.After(startPause):
			p.vacant <- struct{}{}
		case <-p.ctx.Done():
		}
	})
}

// check refuses facts that cannot be about sql.
func (st *Statement) check(sql string) error {
	if st.Kind == "" || st.Text == "" || !strings.Contains(sql, st.Text) {
		return errors.New("facts about another statement")
	}
	end := utf8.RuneCountInString(sql) + 1
	var at []int
	for _, list := range [][]Mention{st.Writes, st.Refused, st.Unclear, st.NaturalJoins} {
		for _, m := range list {
			at = append(at, m.Position)
		}
	}
	for _, list := range [][]Call{st.Functions, st.Operators, st.Types} {
		for _, c := range list {
			at = append(at, c.Position)
		}
	}
	for _, r := range st.Relations {
		at = append(at, r.Position)
	}
	for _, c := range st.Columns {
		at = append(at, c.Position)
	}
	if d := st.Define; d != nil {
		if d.Kind == "" || d.Effect != effectDefine && d.Effect != effectAdmin && d.Effect != effectWrite || len(d.Targets) == 0 {
			return errors.New("an incomplete definition")
		}
		for _, t := range d.Targets {
			at = append(at, t.Position)
		}
		for _, m := range d.Moves {
			at = append(at, m.Position)
		}
		for _, c := range d.Columns {
			at = append(at, c.Position)
		}
	}
	for _, position := range at {
		if position < 0 || position > end {
			return fmt.Errorf("a position of %d in a text of %d characters", position, end-1)
		}
	}
	return nil
}
