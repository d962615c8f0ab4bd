package query

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"sallyport/tools"
)

const (
	defaultConns = 8
	maxConns     = 1000
	// connectTime bounds making a connection, and waiting for one of the pool.
	connectTime = 10 * time.Second
	// catalogAge is how long a snapshot is used before the target is asked whether it still holds. Names that are missing are
	// looked for again at once, and a redefined table is noticed by the call that uses it (sqlGuard).
	catalogAge = 10 * time.Second
	// catalogTime bounds reading a catalog.
	catalogTime = 30 * time.Second
	// cancelWait is how long a cancelled statement may take to end before its connection is cut.
	cancelWait = 5 * time.Second
	// maxMessage bounds what one message of the server may need of memory: a row of the result.
	maxMessage = 16 << 20
	// maxFindings bounds the statements remembered for one snapshot.
	maxFindings = 2000
)

// target is one database: its connections, and what is known of its catalog. Safe for concurrent use.
type target struct {
	Target
	log  *slog.Logger
	now  func() time.Time
	pool *pgxpool.Pool // the agents' and our own statements; same login
	// previews is one connection with the same login, on which what changes would hit is counted, one at a time
	previews *pgxpool.Pool
	// turns are the agents' share of the pool
	turns  *turns
	oracle *oracle

	mu       sync.Mutex
	cat      *catalog            // guarded by mu
	findings map[string]*finding // of cat, by statement; guarded by mu
	loading  chan struct{}       // holds one token: whoever takes it reads the catalog
	checked  time.Time           // when cat was last compared with the target; guarded by mu
	warned   bool                // guarded by mu
}

func newTarget(t Target, cfg Config) (*target, error) {
	if t.Host == "" || t.Port == 0 || t.Database == "" || t.User == "" {
		return nil, errors.New("host, port, database and user are required")
	}
	if len(t.SearchPath) == 0 {
		t.SearchPath = []string{"public"}
	}
	if t.MaxConns <= 0 {
		t.MaxConns = defaultConns
	}
	tgt := &target{Target: t, log: cfg.Log, now: cfg.Now, findings: map[string]*finding{}, loading: make(chan struct{}, 1), turns: newTurns(min(t.MaxConns, maxConns))}
	conf, err := tgt.poolConfig()
	if err != nil {
		return nil, err
	}
	// Connects to nothing yet: connections are made when they are needed.
	if tgt.pool, err = pgxpool.NewWithConfig(context.Background(), conf); err != nil {
		return nil, errors.New("the connection settings are not usable")
	}
	alone := conf.Copy()
	alone.MaxConns = 1
	if tgt.previews, err = pgxpool.NewWithConfig(context.Background(), alone); err != nil {
		tgt.pool.Close()
		return nil, errors.New("the connection settings are not usable")
	}
	if tgt.oracle, err = tgt.openOracle(); err != nil {
		tgt.pool.Close()
		tgt.previews.Close()
		return nil, err
	}
	return tgt, nil
}

// finding returns what is known about the statement, from memory when the catalog has not changed.
func (t *target) finding(ctx context.Context, c *call) (*finding, error) {
	cat, err := t.catalog(ctx, nil)
	if err != nil {
		return nil, err
	}
	if c.st.Define != nil { // runs only on a catalog of this moment
		if cat, err = t.catalog(ctx, cat); err != nil {
			return nil, err
		}
	}
	if f := t.remembered(cat, c.sql); f != nil {
		return f, nil
	}
	f, err := t.inspect(ctx, cat, c)
	if err != nil || !f.facts.Understood() {
		// What is missing may have been made since: look again, unless the snapshot is of this moment.
		newer, loadErr := t.catalog(ctx, cat)
		if loadErr != nil {
			return nil, loadErr
		}
		if newer != cat {
			cat = newer
			f, err = t.inspect(ctx, cat, c)
		}
	}
	if err != nil {
		return nil, err
	}
	f.facts.Revision = t.Revision
	t.remember(f, c.sql)
	return f, nil
}

// inspect looks at the statement by its names, and asks the server about it.
func (t *target) inspect(ctx context.Context, cat *catalog, c *call) (*finding, error) {
	f, err := inspect(cat, c.st)
	if err != nil {
		return nil, err
	}
	return f, t.understand(ctx, c, f)
}

func (t *target) remembered(cat *catalog, sql string) *finding {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cat != cat {
		return nil
	}
	return t.findings[sql]
}

func (t *target) remember(f *finding, sql string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cat != f.cat {
		return
	}
	if len(t.findings) >= maxFindings {
		clear(t.findings)
	}
	t.findings[sql] = f
}

// catalog returns a snapshot that is not older than catalogAge, or, where before is given, one that was compared with the
// target after before was found wanting. At most one caller reads; the others wait for it.
func (t *target) catalog(ctx context.Context, before *catalog) (*catalog, error) {
	fresh := func() *catalog {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.cat == nil || t.now().Sub(t.checked) > catalogAge || t.cat == before {
			return nil
		}
		return t.cat
	}
	if cat := fresh(); cat != nil {
		return cat, nil
	}
	select {
	case t.loading <- struct{}{}:
		defer func() { <-t.loading }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if cat := fresh(); cat != nil {
		return cat, nil
	}
	return t.load(ctx)
}

// load brings the snapshot up to date. Only called with the loading token.
func (t *target) load(ctx context.Context) (*catalog, error) {
	conn, err := t.acquire(ctx)
	if err != nil {
		return nil, err
	}
	reading, cancel := context.WithTimeout(ctx, catalogTime)
	defer cancel()
	cat, err := t.read(reading, conn.Conn().PgConn())
	if err != nil {
		discard(conn)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &tools.UnreachableError{Problem: "its catalog could not be read", Err: err}
	}
	conn.Release()
	return cat, nil
}

func (t *target) read(ctx context.Context, conn *pgconn.PgConn) (*catalog, error) {
	t.mu.Lock()
	old := t.cat
	t.mu.Unlock()
	if old != nil {
		epoch, err := readEpoch(ctx, conn)
		if err != nil {
			return nil, err
		}
		if epoch == old.epoch {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.checked = t.now()
			return old, nil
		}
	}
	cat, err := loadCatalog(ctx, conn, t.path(), t.Labels, t.Functions)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cat, t.findings, t.checked = cat, map[string]*finding{}, t.now()
	if !t.warned {
		t.warned = true
		if lost := cat.unmatchedLabels(t.Labels); len(lost) > 0 {
			t.log.Warn("labels that name no column the login can see", "target", t.Name, "columns", lost)
		}
		if len(cat.unlisted) > 0 {
			t.log.Warn("allowed functions that the login cannot see, or that take values of types that run code", "target", t.Name, "functions", cat.unlisted)
		}
		if cat.version/10000 > 17 {
			t.log.Warn("the server is newer than the SQL grammar this gateway knows; new constructs are not understood", "target", t.Name, "version", cat.version/10000)
		}
	}
	return cat, nil
}

// paramTypes asks the server for the types of the parameters of an understood statement. Nothing is executed.
func (t *target) paramTypes(ctx context.Context, c *call, f *finding) ([]uint32, error) {
	conn, err := t.acquire(ctx)
	if err != nil {
		return nil, err
	}
	asking, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	desc, err := conn.Conn().PgConn().Prepare(asking, "", c.st.Text, nil)
	if err != nil {
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || conn.Conn().PgConn().IsClosed() {
			discard(conn)
		} else {
			conn.Release()
		}
		return nil, f.targetError(err, c, 0, 0)
	}
	conn.Release()
	types := slices.Clone(desc.ParamOIDs)
	for i, p := range c.params {
		if _, err := f.cat.paramText(p, types[i]); err != nil {
			return nil, &tools.ArgError{Field: "params[" + strconv.Itoa(i) + "]", Problem: err.Error(), Fix: "send a plain value, or cast the parameter: $" + strconv.Itoa(i+1) + "::jsonb"}
		}
	}
	return types, nil
}
