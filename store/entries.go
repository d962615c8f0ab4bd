package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"sallyport/audit"
)

// entryRow is a row of entries, without its sealed body: that is read when somebody wants it.
type entryRow struct {
	seq      int64
	key      string
	envelope []byte
}

// pageSize is how many envelopes are in memory at once.
const pageSize = 256

// Entries calls fn for every entry that f chooses, in the order of the log; with f.Limit, for the newest that many. It sees the log as it
// was when it was called. With openBodies fn gets the opened body, nil where there is none or it was shredded. An error of fn ends it.
//
// The log only grows, so the view is its size: pages are read one by one, and a slow fn holds nothing up.
func (s *Store) Entries(ctx context.Context, f audit.Filter, fn func(audit.Entry, *audit.Body) error, openBodies bool) error {
	size := s.writer.size.Load()
	from, err := s.firstOfNewest(ctx, f, size)
	if err != nil {
		return err
	}
	return s.pages(ctx, &f, false, from, size, func(row entryRow, e audit.Entry) error {
		var body *audit.Body
		if openBodies {
			var err error
			if body, err = s.openBody(ctx, row, e); err != nil {
				return err
			}
		}
		return fn(e, body)
	})
}

// errEnough ends a scan that found what it looked for.
var errEnough = errors.New("enough")

// firstOfNewest finds the entry from which on there are f.Limit that match.
func (s *Store) firstOfNewest(ctx context.Context, f audit.Filter, size int64) (from int64, err error) {
	if f.Limit <= 0 {
		return 0, nil
	}
	left := f.Limit
	err = s.pages(ctx, &f, true, 0, size, func(row entryRow, _ audit.Entry) error {
		from = row.seq
		if left--; left == 0 {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return from, err
}

// pages calls fn for the entries from..to-1 that match, oldest or newest first.
func (s *Store) pages(ctx context.Context, f *audit.Filter, newestFirst bool, from, to int64, fn func(entryRow, audit.Entry) error) error {
	where, args := conditions(f)
	order := "ASC"
	if newestFirst {
		order = "DESC"
	}
	query := "SELECT seq, key, envelope FROM entries WHERE seq >= ? AND seq < ?" + where + " ORDER BY seq " + order + " LIMIT ?"
	for {
		page, err := s.page(ctx, query, append(append([]any{from, to}, args...), pageSize)...)
		if err != nil {
			return err
		}
		for _, row := range page {
			e, err := audit.Decode(row.envelope)
			if err != nil {
				return fmt.Errorf("store: entry %d: %w; run sallyport audit verify", row.seq, err)
			}
			if !f.Match(&e, row.envelope) {
				continue
			}
			if err := fn(row, e); err != nil {
				return err
			}
		}
		if len(page) < pageSize {
			return nil
		}
		if newestFirst {
			to = page[len(page)-1].seq
		} else {
			from = page[len(page)-1].seq + 1
		}
	}
}

func (s *Store) page(ctx context.Context, query string, args ...any) (page []entryRow, err error) {
	rows, err := s.readers.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, s.readError(err)
	}
	defer rows.Close()
	for rows.Next() {
		var r entryRow
		if err := rows.Scan(&r.seq, &r.key, &r.envelope); err != nil {
			return nil, s.readError(err)
		}
		page = append(page, r)
	}
	if err := rows.Err(); err != nil {
		return nil, s.readError(err)
	}
	return page, nil
}

// conditions narrows a scan by the columns. audit.Filter.Match decides; this may only leave out what it would not choose.
func conditions(f *audit.Filter) (where string, args []any) {
	var b strings.Builder
	add := func(condition string, arg any) {
		b.WriteString(" AND " + condition)
		args = append(args, arg)
	}
	if f.Kind != "" {
		add("kind = ?", string(f.Kind))
	}
	if f.Target != "" {
		add("target = ?", f.Target)
	}
	if f.Tool != "" {
		add("tool = ?", f.Tool)
	}
	if f.Subject != "" {
		add("subject = ?", f.Subject)
	}
	if f.Call != "" {
		add("call <> '' AND call = ?", f.Call)
	}
	if !f.Since.IsZero() {
		add("time >= ?", f.Since.UnixMilli())
	}
	if !f.Until.IsZero() {
		add("time <= ?", f.Until.UnixMilli())
	}
	return b.String(), args
}

// openBody opens the sealed body of an entry; nil when it has none, or when the body or its key was shredded.
func (s *Store) openBody(ctx context.Context, row entryRow, e audit.Entry) (*audit.Body, error) {
	if e.Body == nil {
		return nil, nil
	}
	var sealed []byte
	err := s.readers.QueryRowContext(ctx, "SELECT sealed FROM entries WHERE seq = ?", row.seq).Scan(&sealed)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, s.readError(err)
	}
	if sealed == nil {
		return nil, nil
	}
	k, err := s.keyring.find(ctx, row.key)
	if errors.Is(err, errNoKey) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	body, err := audit.Open(&k.key, sealed, e.Body, e.ID)
	if err != nil {
		return nil, fmt.Errorf("store: entry %d: %w; run sallyport audit verify", row.seq, err)
	}
	return body, nil
}
