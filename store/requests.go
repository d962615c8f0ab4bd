package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"sallyport/approvals"
)

// requestPrivate is the part of a request that is sealed in its row: all of it that can hold a literal, or that nobody searches by.
type requestPrivate struct {
	Tool, Target, Environment string
	Scope                     string
	Requester                 approvals.Identity
	Agent, Client             string
	Chain                     []string
	Summary, Text, Claim      string
	Risk                      int
	Reasons                   []string
	Impact                    *approvals.Impact
	From                      []string
	Count                     int
	Assurance                 string
	Args                      []byte
	Revision                  approvals.Revisions
}

// approvalRow is a request as it is stored.
type approvalRow struct {
	req *approvals.Request // the columns
	key *dataKey
	box []byte
}

func (s *Store) sealApproval(ctx context.Context, r *approvals.Request) (row approvalRow, err error) {
	plain, err := json.Marshal(requestPrivate{
		Tool: r.Tool, Target: r.Target, Environment: r.Environment, Scope: r.Scope, Requester: r.Requester, Agent: r.Agent, Client: r.Client, Chain: r.Chain,
		Summary: r.Summary, Text: r.Text, Claim: r.Claim, Risk: r.Risk, Reasons: r.Reasons, Impact: r.Impact, From: r.From, Count: r.Count, Assurance: r.Assurance,
		Args: r.Args, Revision: r.Revision,
	})
	if err != nil {
		return row, fmt.Errorf("store: approval request: %w", err)
	}
	k, err := s.keyring.get(ctx, approvalKeyID(r.ID))
	if err != nil {
		return row, err
	}
	r.Created, r.Expires = r.Created.UTC(), r.Expires.UTC()
	return approvalRow{r, k, k.key.Encrypt(plain, requestContext(r))}, nil
}

// requestContext binds what is sealed to the row's other columns.
func requestContext(r *approvals.Request) string {
	return "approval\x00" + r.ID + "\x00" + r.CallID + "\x00" + r.AttachKey + "\x00" + r.Digest
}

func (t *transaction) insertApproval(row approvalRow) error {
	if err := t.storeKey(row.key); err != nil {
		return err
	}
	r := row.req
	_, err := t.ExecContext(background,
		"INSERT INTO approvals (id, code, call, attach_key, digest, state, created, expires, decided, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?)",
		r.ID, r.Code, r.CallID, r.AttachKey, r.Digest, string(r.State), r.Created.UnixNano(), r.Expires.UnixNano(), row.box)
	return err
}

// ApprovalByKey returns the newest request with an attach key, or approvals.ErrNotFound.
func (s *Store) ApprovalByKey(ctx context.Context, attachKey string) (approvals.Request, error) {
	return s.readNewest(ctx, "attach_key", attachKey)
}

// ApprovalByCall returns the newest request of a call, or approvals.ErrNotFound.
func (s *Store) ApprovalByCall(ctx context.Context, callID string) (approvals.Request, error) {
	return s.readNewest(ctx, "call", callID)
}

// Approval returns the request with an id or a code, or approvals.ErrNotFound. A code may be typed as people type it: in small letters,
// without the hyphen, with O for 0 and I or L for 1.
func (s *Store) Approval(ctx context.Context, idOrCode string) (approvals.Request, error) {
	r, err := s.readNewest(ctx, "id", idOrCode)
	if !errors.Is(err, approvals.ErrNotFound) {
		return r, err
	}
	return s.readNewest(ctx, "code", asCode(idOrCode))
}

var codeLetters = strings.NewReplacer("-", "", " ", "", "O", "0", "I", "1", "L", "1")

func asCode(typed string) string {
	c := codeLetters.Replace(strings.ToUpper(typed))
	if len(c) != 8 {
		return typed
	}
	return c[:4] + "-" + c[4:]
}

// Approvals returns the requests in any of the states, all of them when none is given, oldest first.
func (s *Store) Approvals(ctx context.Context, states ...approvals.State) ([]approvals.Request, error) {
	where, args := "TRUE", []any{}
	if len(states) > 0 {
		where = "state IN (?" + strings.Repeat(", ?", len(states)-1) + ")"
		for _, state := range states {
			args = append(args, string(state))
		}
	}
	var all []approvals.Request
	err := reading(ctx, s.readers, func(q querier) (err error) {
		all, err = s.readApprovals(ctx, q, where, args...)
		return err
	})
	if err != nil {
		return nil, s.readError(err)
	}
	return all, nil
}

func (s *Store) readNewest(ctx context.Context, column, value string) (r approvals.Request, err error) {
	err = reading(ctx, s.readers, func(q querier) error {
		r, err = s.newestApproval(ctx, q, column, value)
		return err
	})
	if err != nil && !errors.Is(err, approvals.ErrNotFound) {
		err = s.readError(err)
	}
	return r, err
}

func (s *Store) approvalByID(ctx context.Context, q querier, id string) (approvals.Request, error) {
	return s.newestApproval(ctx, q, "id", id)
}

// newestApproval reads by one of our column names.
func (s *Store) newestApproval(ctx context.Context, q querier, column, value string) (approvals.Request, error) {
	all, err := s.readApprovals(ctx, q, "n = (SELECT max(n) FROM approvals WHERE "+column+" = ?)", value)
	if err != nil {
		return approvals.Request{}, err
	}
	if len(all) == 0 {
		return approvals.Request{}, approvals.ErrNotFound
	}
	return all[0], nil
}

// readApprovals reads whole requests, votes included. where is one of our own texts.
func (s *Store) readApprovals(ctx context.Context, q querier, where string, args ...any) (all []approvals.Request, err error) {
	rows, err := q.QueryContext(ctx, "SELECT id, code, call, attach_key, digest, state, created, expires, decided, sealed FROM approvals WHERE "+where+" ORDER BY n", args...)
	if err != nil {
		return nil, fmt.Errorf("store: approval requests: %w", err)
	}
	var boxes [][]byte
	defer rows.Close()
	for rows.Next() {
		var r approvals.Request
		var box []byte
		var created, expires, decided int64
		if err := rows.Scan(&r.ID, &r.Code, &r.CallID, &r.AttachKey, &r.Digest, &r.State, &created, &expires, &decided, &box); err != nil {
			return nil, fmt.Errorf("store: approval requests: %w", err)
		}
		r.Created, r.Expires = time.Unix(0, created).UTC(), time.Unix(0, expires).UTC()
		if decided != 0 {
			r.Decided = time.Unix(0, decided).UTC()
		}
		all, boxes = append(all, r), append(boxes, box)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, fmt.Errorf("store: approval requests: %w", err)
	}
	for i := range all {
		if err := s.openApproval(ctx, q, &all[i], boxes[i]); err != nil {
			return nil, fmt.Errorf("store: approval request %s: %w", all[i].ID, err)
		}
	}
	return all, nil
}

// openApproval fills in what is sealed, and the votes.
func (s *Store) openApproval(ctx context.Context, q querier, r *approvals.Request, box []byte) error {
	k, err := s.keyring.findWith(ctx, q, approvalKeyID(r.ID))
	if err != nil {
		return err
	}
	plain, err := k.key.Decrypt(box, requestContext(r))
	if err != nil {
		return err
	}
	var p requestPrivate
	if err := json.Unmarshal(plain, &p); err != nil {
		return err
	}
	r.Tool, r.Target, r.Environment, r.Requester, r.Agent, r.Client, r.Chain = p.Tool, p.Target, p.Environment, p.Requester, p.Agent, p.Client, p.Chain
	r.Scope = p.Scope
	r.Summary, r.Text, r.Claim, r.Risk, r.Reasons = p.Summary, p.Text, p.Claim, p.Risk, p.Reasons
	r.Impact, r.From, r.Count, r.Assurance, r.Args, r.Revision = p.Impact, p.From, p.Count, p.Assurance, p.Args, p.Revision
	r.Votes, err = s.readVotes(ctx, q, k, r.ID)
	return err
}

// noRows replaces sql.ErrNoRows.
func noRows(err, with error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return with
	}
	return fmt.Errorf("store: %w", err)
}
