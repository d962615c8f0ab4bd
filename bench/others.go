package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"sallyport/tools/exec/sshserver"
)

// host is a real sshd and a connection to it that stays open: what the exec tool is compared with.
type host struct {
	*sshserver.Server
	client *ssh.Client
}

// startHost leaves w.host nil where OpenSSH is not installed: then exec is not measured.
func (w *world) startHost(ctx context.Context, say func(string, ...any)) error {
	s, err := sshserver.Start(ctx, sshserver.Options{})
	if errors.Is(err, sshserver.ErrNoSSHD) {
		say("exec is left out: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	w.undo = append(w.undo, s.Close)
	key, err := ssh.ParsePrivateKey(s.Key)
	if err != nil {
		return err
	}
	hostKey, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s.HostKey))
	if err != nil {
		return err
	}
	client, err := ssh.Dial("tcp", s.Address, &ssh.ClientConfig{User: s.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.FixedHostKey(hostKey)})
	if err != nil {
		return err
	}
	w.undo = append(w.undo, client.Close)
	w.host = &host{s, client}
	return os.WriteFile(filepath.Join(w.dir, "key"), s.Key, 0o600)
}

func (h *host) run(command string) error {
	s, err := h.client.NewSession()
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = s.Output(command)
	return err
}

// api is a small HTTP API in this process and a client with open connections: what the http tool is compared with.
type api struct {
	URL    string
	client *http.Client
}

func (w *world) startAPI() error {
	body := "[" + strings.TrimSuffix(strings.Repeat(`{"id":1234,"state":"open","note":"nothing to see here","total":12.50},`, 100), ",") + "]"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}))
	w.undo = append(w.undo, func() error { s.Close(); return nil })
	w.api = &api{s.URL, &http.Client{Transport: &http.Transport{MaxIdleConns: callers, MaxIdleConnsPerHost: callers}}}
	return nil
}

func apiPath(n int64) string { return fmt.Sprintf("/v1/invoices?page=%d", n) }

func (a *api) get(ctx context.Context, n int64) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL+apiPath(n), nil)
	if err != nil {
		return err
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err = body.ReadFrom(resp.Body); err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return err
}
