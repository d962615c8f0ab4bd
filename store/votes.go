package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"sallyport/approvals"
	"sallyport/audit"
)

// CastVote counts a vote: apply decides, over the request as it is in the transaction, and the vote, the new state and the entries recs makes of
// the request after it are stored together. When apply returns an error, CastVote returns the request as it is and that error, and nothing
// is written. Who may vote was checked by the caller.
func (s *Store) CastVote(ctx context.Context, id string, v approvals.Vote,
	apply func(approvals.Request, approvals.Vote, time.Time) (approvals.State, error),
	recs func(after approvals.Request) []audit.Record) (got approvals.Request, err error) {
	err = s.writer.do(ctx, true, func(t *transaction) (err error) {
		if got, err = s.approvalByID(background, t, id); err != nil {
			return err
		}
		to, err := apply(got, v, t.now)
		if err != nil {
			return err
		}
		if err := s.insertVote(t, &got, v); err != nil {
			return err
		}
		if to != got.State {
			if err := t.move(&got, to); err != nil {
				return err
			}
		}
		t.touched = append(t.touched, id)
		ready, err := s.seal(background, recs(got)...)
		if err != nil {
			return err
		}
		return t.append(ready...)
	})
	return got, err
}

// votePrivate is what people wrote or are called; it is sealed.
type votePrivate struct {
	Name   string `json:"name,omitempty"`
	Reason string `json:"reason,omitempty"`
}

func voteContext(request string, by approvals.Identity) string {
	return "vote\x00" + request + "\x00" + by.Issuer + "\x00" + by.Subject
}

// insertVote stores a vote and adds it to r. A person has one row per request, whatever apply said.
func (s *Store) insertVote(t *transaction, r *approvals.Request, v approvals.Vote) error {
	for _, old := range r.Votes {
		if old.By == v.By {
			return approvals.ErrVoted
		}
	}
	k, err := s.keyring.get(background, approvalKeyID(r.ID))
	if err != nil {
		return err
	}
	if err := t.storeKey(k); err != nil {
		return err
	}
	plain, err := json.Marshal(votePrivate{v.Name, v.Reason})
	if err != nil {
		return err
	}
	v.Time = v.Time.UTC()
	_, err = t.ExecContext(background, "INSERT INTO votes (approval, issuer, subject, yes, via, digest, time, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		r.ID, v.By.Issuer, v.By.Subject, v.Yes, v.Via, v.Digest, v.Time.UnixNano(), k.key.Encrypt(plain, voteContext(r.ID, v.By)))
	if err != nil {
		return fmt.Errorf("store: vote: %w", err)
	}
	r.Votes = append(r.Votes, v)
	return nil
}

// readVotes reads the votes of a request, in the order in which they were counted.
func (s *Store) readVotes(ctx context.Context, q querier, k *dataKey, request string) (votes []approvals.Vote, err error) {
	rows, err := q.QueryContext(ctx, "SELECT issuer, subject, yes, via, digest, time, sealed FROM votes WHERE approval = ? ORDER BY n", request)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var v approvals.Vote
		var at int64
		var box []byte
		if err := rows.Scan(&v.By.Issuer, &v.By.Subject, &v.Yes, &v.Via, &v.Digest, &at, &box); err != nil {
			return nil, err
		}
		plain, err := k.key.Decrypt(box, voteContext(request, v.By))
		if err != nil {
			return nil, fmt.Errorf("vote of %s: %w", v.By.Subject, err)
		}
		var private votePrivate
		if err := json.Unmarshal(plain, &private); err != nil {
			return nil, err
		}
		v.Name, v.Reason, v.Time = private.Name, private.Reason, time.Unix(0, at).UTC()
		votes = append(votes, v)
	}
	return votes, rows.Err()
}
