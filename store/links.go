package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sallyport/approvals"
	"sallyport/audit"
)

// linksKeyID names the key that links are sealed with: what is in the database without it is not believed.
const linksKeyID = "links"

func linkContext(a approvals.Account, by approvals.Identity) string {
	return "link\x00" + a.Team + "\x00" + a.User + "\x00" + by.Issuer + "\x00" + by.Subject
}

// StartPairing stores the hash of a code that is about to be sent to an account. An earlier one of the account stops counting.
func (s *Store) StartPairing(ctx context.Context, hash string, a approvals.Account, within time.Duration) error {
	return s.writer.do(ctx, true, func(t *transaction) error {
		_, err := t.ExecContext(background, `INSERT INTO pairings (team, user, name, hash, expires) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (team, user) DO UPDATE SET name = excluded.name, hash = excluded.hash, expires = excluded.expires`,
			a.Team, a.User, a.Name, hash, t.now.Add(within).UnixNano())
		return wrap("pairing", err)
	})
}

// Pairing returns the account a code was sent to, or approvals.ErrPairing.
func (s *Store) Pairing(ctx context.Context, hash string) (a approvals.Account, err error) {
	a, err = readPairing(ctx, s.readers, hash, s.cfg.Now())
	if err != nil && !errors.Is(err, approvals.ErrPairing) {
		err = s.readError(err)
	}
	return a, err
}

func readPairing(ctx context.Context, q querier, hash string, now time.Time) (a approvals.Account, err error) {
	err = q.QueryRowContext(ctx, "SELECT team, user, name FROM pairings WHERE hash = ? AND expires > ?", hash, now.UnixNano()).Scan(&a.Team, &a.User, &a.Name)
	if err != nil {
		return a, noRows(err, approvals.ErrPairing)
	}
	return a, nil
}

// CompletePairing uses a code up and stores the link, its entry and a note to the account, in one transaction. The account has to be the one
// the code was sent to, and becomes l's alone; whoever it was linked to before is no longer. It returns approvals.ErrPairing.
func (s *Store) CompletePairing(ctx context.Context, hash string, l approvals.Link, rec audit.Record, note string) error {
	ready, err := s.seal(ctx, rec)
	if err != nil {
		return err
	}
	return s.writer.do(ctx, true, func(t *transaction) error {
		a, err := readPairing(background, t, hash, t.now)
		if err == nil && !a.Same(l.Account) {
			err = approvals.ErrPairing
		}
		if err != nil {
			return err
		}
		if _, err := t.ExecContext(background, "DELETE FROM pairings WHERE hash = ?", hash); err != nil {
			return wrap("pairing", err)
		}
		l.Proven = t.now
		if err := s.putLink(t, l); err != nil {
			return err
		}
		if err := t.insertNote(l.Account, note); err != nil {
			return err
		}
		return t.append(ready...)
	})
}

func (s *Store) putLink(t *transaction, l approvals.Link) error {
	k, err := s.keyring.get(background, linksKeyID)
	if err != nil {
		return err
	}
	if err := t.storeKey(k); err != nil {
		return err
	}
	plain, err := json.Marshal(l)
	if err != nil {
		return wrap("link", err)
	}
	_, err = t.ExecContext(background, `INSERT INTO links (team, user, issuer, subject, sealed) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (team, user) DO UPDATE SET issuer = excluded.issuer, subject = excluded.subject, sealed = excluded.sealed`,
		l.Team, l.User, l.Issuer, l.Subject, k.key.Encrypt(plain, linkContext(l.Account, l.Identity)))
	return wrap("link", err)
}

// Link returns whose an account is, or approvals.ErrNoLink.
func (s *Store) Link(ctx context.Context, a approvals.Account) (approvals.Link, error) {
	links, err := s.readLinks(ctx, s.readers, "team = ? AND user = ?", a.Team, a.User)
	if err != nil {
		return approvals.Link{}, s.readError(err)
	}
	if len(links) == 0 {
		return approvals.Link{}, approvals.ErrNoLink
	}
	return links[0], nil
}

// RefreshLinks stores a person's groups of now in all his links, and returns them. Without one it returns approvals.ErrNoLink.
func (s *Store) RefreshLinks(ctx context.Context, v approvals.Voter) (links []approvals.Link, err error) {
	err = s.writer.do(ctx, true, func(t *transaction) (err error) {
		if links, err = s.readLinks(background, t, "issuer = ? AND subject = ?", v.Issuer, v.Subject); err != nil {
			return err
		}
		if len(links) == 0 {
			return approvals.ErrNoLink
		}
		for i := range links {
			l := &links[i]
			l.Groups, l.Person, l.Proven = v.Groups, v.Name, t.now
			if err := s.putLink(t, *l); err != nil {
				return err
			}
		}
		return nil
	})
	return links, err
}

// RemoveLinks forgets all links of a person, with an entry, and returns them. Without one it returns approvals.ErrNoLink.
func (s *Store) RemoveLinks(ctx context.Context, by approvals.Identity, rec audit.Record) (links []approvals.Link, err error) {
	ready, err := s.seal(ctx, rec)
	if err != nil {
		return nil, err
	}
	err = s.writer.do(ctx, true, func(t *transaction) (err error) {
		if links, err = s.readLinks(background, t, "issuer = ? AND subject = ?", by.Issuer, by.Subject); err != nil {
			return err
		}
		if len(links) == 0 {
			return approvals.ErrNoLink
		}
		if _, err := t.ExecContext(background, "DELETE FROM links WHERE issuer = ? AND subject = ?", by.Issuer, by.Subject); err != nil {
			return wrap("link", err)
		}
		return t.append(ready...)
	})
	return links, err
}

// readLinks reads links; where is one of our own texts. One whose row was changed by somebody else is an error.
func (s *Store) readLinks(ctx context.Context, q querier, where string, args ...any) (links []approvals.Link, err error) {
	rows, err := q.QueryContext(ctx, "SELECT team, user, issuer, subject, sealed FROM links WHERE "+where+" ORDER BY team, user", args...)
	if err != nil {
		return nil, wrap("link", err)
	}
	defer rows.Close()
	var boxes [][]byte
	for rows.Next() {
		var l approvals.Link
		var box []byte
		if err := rows.Scan(&l.Team, &l.User, &l.Issuer, &l.Subject, &box); err != nil {
			return nil, wrap("link", err)
		}
		links, boxes = append(links, l), append(boxes, box)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, wrap("link", err)
	}
	if len(links) == 0 {
		return nil, nil
	}
	k, err := s.keyring.findWith(ctx, q, linksKeyID)
	if err != nil {
		return nil, err
	}
	for i := range links {
		plain, err := k.key.Decrypt(boxes[i], linkContext(links[i].Account, links[i].Identity))
		if err == nil {
			err = json.Unmarshal(plain, &links[i])
		}
		if err != nil {
			return nil, fmt.Errorf("store: link of %s/%s: %w", links[i].Team, links[i].User, err)
		}
	}
	return links, nil
}
