package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

var errNoToken = errors.New("no token")

// agentToken is where the agent's token for a gateway comes from, in this order: the flag, SALLYPORT_TOKEN_FILE, SALLYPORT_TOKEN, and the
// runner of a GitHub Actions job that may ask for one (permissions: id-token: write). It is read or asked for each time: files change, and
// a job's tokens live for minutes.
func agentToken(file, base string) func() (string, error) {
	if file == "" {
		file = os.Getenv("SALLYPORT_TOKEN_FILE")
	}
	return func() (string, error) {
		if file != "" {
			return readToken(file)
		}
		if t := strings.TrimSpace(os.Getenv("SALLYPORT_TOKEN")); t != "" {
			return t, nil
		}
		if at := os.Getenv("ACTIONS_ID_TOKEN_REQUEST_URL"); at != "" {
			return actionsToken(at, os.Getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN"), base+"/mcp")
		}
		return "", errors.New("set --token-file, SALLYPORT_TOKEN_FILE or SALLYPORT_TOKEN")
	}
}

// actionsToken asks the runner of a GitHub Actions job for an OIDC token of the job, for audience. The error holds neither the runner's
// token nor its answer.
func actionsToken(at, bearer, audience string) (string, error) {
	u, err := url.Parse(at)
	if err != nil || u.Host == "" {
		return "", errors.New("ACTIONS_ID_TOKEN_REQUEST_URL is not a URL")
	}
	q := u.Query()
	q.Set("audience", audience)
	u.RawQuery = q.Encode()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", errors.New("ACTIONS_ID_TOKEN_REQUEST_URL is not a URL")
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	req.Header.Set("Accept", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", errors.New("the job's runner, which gives out its tokens, cannot be reached")
	}
	defer resp.Body.Close()
	var answer struct {
		Value string `json:"value"`
	}
	if resp.StatusCode != http.StatusOK || json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&answer) != nil || answer.Value == "" {
		return "", fmt.Errorf("the job's runner gave no token (%s); does the job have permissions: id-token: write?", resp.Status)
	}
	return answer.Value, nil
}
