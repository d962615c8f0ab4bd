package main

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"
)

// demoAPI is the demo's billing service: two endpoints behind a bearer token that only the gateway has.
type demoAPI struct {
	url    string
	server *http.Server
	served chan struct{} // closed when the server's goroutine has ended
}

func startDemoAPI(token string) (*demoAPI, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/invoices/{id}", func(w http.ResponseWriter, r *http.Request) {
		answerJSON(w, map[string]any{"id": r.PathValue("id"), "customer": map[string]any{"name": "Ada Kaya", "email": "customer40@example.com"},
			"card": "4111 1111 1111 1111", "total": 101.54, "status": "paid"})
	})
	mux.HandleFunc("GET /api/v1/whoami", func(w http.ResponseWriter, r *http.Request) { // as careless services do
		answerJSON(w, map[string]any{"you_sent": strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")})
	})
	a := &demoAPI{url: "http://" + l.Addr().String() + "/api", served: make(chan struct{})}
	a.server = &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			http.Error(w, `{"error":"unauthorized"}`, http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	})}
	go func() {
		defer close(a.served)
		a.server.Serve(l)
	}()
	return a, nil
}

func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // a client that is gone cannot be told
}

func (a *demoAPI) Close() error {
	err := a.server.Close()
	<-a.served
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
