package adminapi

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"sallyport/audit"
)

// entries streams entries as JSON lines in the export's format, bodies opened. Reading the log is itself recorded, before
// anything is sent.
func (s *Server) entries(w http.ResponseWriter, r *http.Request, p *person) error {
	q := r.URL.Query()
	f := audit.Filter{Text: q.Get("text"), Kind: audit.Kind(q.Get("kind")), Target: q.Get("target"), Tool: q.Get("tool"), Subject: q.Get("subject"), Call: q.Get("call")}
	if f.Kind != "" && !slices.Contains(audit.Kinds, f.Kind) {
		return errors.Join(errArgument, fmt.Errorf("kind: %q is not one of %v", f.Kind, audit.Kinds))
	}
	var err error
	if f.Since, err = timeParam(r, "since"); err != nil {
		return err
	}
	if f.Until, err = timeParam(r, "until"); err != nil {
		return err
	}
	if v := q.Get("limit"); v != "" {
		if f.Limit, err = strconv.Atoi(v); err != nil || f.Limit < 1 {
			return errors.Join(errArgument, errors.New("limit: a whole number from 1"))
		}
	}
	bodies := q.Get("bodies") != "false"
	if err := s.auditRead(r.Context(), p, "entries, bodies "+strconv.FormatBool(bodies)); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/jsonl")
	out := bufio.NewWriter(w)
	started := false
	err = s.Log.Entries(r.Context(), f, func(e audit.Entry, b *audit.Body) error {
		started = true
		if _, err := out.Write(audit.ExportLine(e, b)); err != nil {
			return err
		}
		return nil
	}, bodies)
	if err != nil && started {
		panic(http.ErrAbortHandler) // a cut stream must not look like a whole one
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

func (s *Server) verify(w http.ResponseWriter, r *http.Request, p *person) error {
	if err := s.auditRead(r.Context(), p, "verify"); err != nil {
		return err
	}
	report, err := s.Log.Verify(r.Context())
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, report)
	return nil
}

func (s *Server) checkpoint(w http.ResponseWriter, r *http.Request, p *person) error {
	text, err := s.Log.Checkpoint(r.Context())
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]string{"checkpoint": text})
	return nil
}
