package main

import (
	"bytes"
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

	"github.com/spf13/cobra"

	"sallyport/gateway/adminapi"
)

// adminClient talks to the admin API of a running gateway with a person's own token.
type adminClient struct {
	base  string
	token string
	http  *http.Client
}

// adminFlags are the flags every command that talks to the admin API has.
type adminFlags struct {
	url, tokenFile string
	json           bool
}

func (f *adminFlags) bind(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&f.url, "url", "", "public base URL of the gateway, without /mcp (or SALLYPORT_URL)")
	cmd.PersistentFlags().StringVar(&f.tokenFile, "api-token-file", "", "file with your token for the API audience (or SALLYPORT_API_TOKEN)")
	cmd.PersistentFlags().BoolVar(&f.json, "json", false, "print JSON")
}

func (f *adminFlags) client() (*adminClient, error) {
	base, err := gatewayURL(f.url)
	if err != nil {
		return nil, err
	}
	token := os.Getenv("SALLYPORT_API_TOKEN")
	if f.tokenFile != "" {
		if token, err = readToken(f.tokenFile); err != nil {
			return nil, err
		}
	}
	if token == "" {
		return nil, &cliError{code: exitUsage, err: errors.New("no token for the admin API"),
			hints: []string{"set SALLYPORT_API_TOKEN or --api-token-file to your own token for the API audience; an agent's SALLYPORT_TOKEN does not work here"}}
	}
	return &adminClient{base: base, token: token, http: &http.Client{Timeout: 2 * time.Minute}}, nil
}

// gatewayURL is the public base of the gateway from a flag or SALLYPORT_URL, without a trailing slash.
func gatewayURL(flag string) (string, error) {
	v := flag
	if v == "" {
		v = os.Getenv("SALLYPORT_URL")
	}
	if v == "" {
		return "", &cliError{code: exitUsage, err: errors.New("no gateway named"), hints: []string{"set --url or SALLYPORT_URL to its public base, such as https://sallyport.example.com"}}
	}
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", usageError("--url: %q is not an http or https URL", v)
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return "", usageError("--url: plain http carries your token in the clear and is for loopback only")
	}
	return strings.TrimSuffix(strings.TrimSuffix(v, "/"), "/mcp"), nil
}

func isLoopback(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}

// readToken reads a bearer token from a file, without its last line break.
func readToken(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", &cliError{code: exitUsage, err: fmt.Errorf("token file: %w", err)}
	}
	token := strings.TrimSpace(string(b))
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return "", usageError("token file %s: does not hold one bearer token", path)
	}
	return token, nil
}

// do sends a request and decodes the answer into out; an error of the API becomes a cliError with its exit code.
func (c *adminClient) do(ctx context.Context, method, path string, in, out any) error {
	resp, err := c.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("the gateway's answer is not what was expected: %w", err)
	}
	return nil
}

func (c *adminClient) send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, hinted(fmt.Errorf("cannot reach the gateway at %s: %w", c.base, err), "is it running, and is --url its public base?")
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, apiError(resp)
}

func apiError(resp *http.Response) error {
	var body struct {
		Error adminapi.Problem `json:"error"`
	}
	if json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&body) != nil || body.Error.Message == "" {
		return hinted(fmt.Errorf("the gateway answered %s", resp.Status), "is --url the public base of a sallyport gateway?")
	}
	e := &cliError{code: exitFailed, err: errors.New(visible(body.Error.Message, false))}
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		e.code = exitDenied
	case http.StatusBadRequest, http.StatusNotFound:
		e.code = exitUsage
	}
	if body.Error.Code == "expired" {
		e.code = exitPending
	}
	if body.Error.Hint != "" {
		e.hints = []string{body.Error.Hint}
	}
	return e
}
