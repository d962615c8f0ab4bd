package slackfake

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// ackTime is how long Slack waits for the answer to an interaction before the person sees that it failed.
const ackTime = 3 * time.Second

// Outcome is what the person who acted sees.
type Outcome struct {
	Acked   bool
	Answer  map[string]any // the payload of the acknowledgement, nil when there was none
	Failure string         // operation_timeout, dispatch_failed, http_status: what the person is told instead
	// Problems is what Slack does not accept in the answer; the person sees an error as well.
	Problems []string
	Status   int // of the HTTP answer, in HTTP mode
}

// Delivery is one interaction or command on its way to the app. Interactions are not retried by Slack: after ackTime they have
// failed, and a late acknowledgement changes nothing.
type Delivery struct {
	Envelope    string
	Kind        string         // interactive or slash_commands
	Payload     map[string]any // as sent
	TriggerID   string
	ResponseURL string

	w        *Workspace
	accepts  bool                                 // an answer with a payload means something
	onAnswer func(answer map[string]any) []string // with mu held; returns what is wrong with it
	done     chan struct{}
	outcome  Outcome // set before done is closed, guarded by mu
	ended    bool
}

// Wait for the outcome.
func (d *Delivery) Wait(ctx context.Context) (Outcome, error) {
	select {
	case <-d.done:
		return d.outcome, nil
	case <-ctx.Done():
		return Outcome{}, fmt.Errorf("slackfake: waiting for the answer to %s %s: %w", d.Kind, d.Envelope, context.Cause(ctx))
	}
}

// end fixes the outcome; only the first one counts. mu is held.
func (d *Delivery) end(o Outcome) {
	if d.ended {
		return
	}
	d.ended = true
	delete(d.w.deliveries, d.Envelope)
	if o.Acked && d.onAnswer != nil {
		o.Problems = append(o.Problems, d.onAnswer(o.Answer)...)
	}
	d.outcome = o
	close(d.done)
	d.w.touch()
}

// acked takes the acknowledgement of a socket. mu is held.
func (d *Delivery) acked(answer map[string]any) {
	o := Outcome{Acked: true, Answer: answer}
	if len(answer) > 0 && !d.accepts {
		o.Problems = []string{"this kind of payload takes no answer"}
	}
	d.end(o)
}

// Deliver sends a payload as it is, so that a test can forge what a person could not do. kind is interactive or slash_commands.
func (w *Workspace) Deliver(kind string, payload map[string]any) *Delivery {
	return w.deliver(&Delivery{Kind: kind, Payload: payload, accepts: true})
}

// Repeat sends the same payload again in a new envelope, to the next connection: Slack promises at least once, not exactly once.
func (w *Workspace) Repeat(d *Delivery) *Delivery {
	return w.deliver(&Delivery{Kind: d.Kind, Payload: d.Payload, TriggerID: d.TriggerID, ResponseURL: d.ResponseURL, accepts: d.accepts})
}

func (w *Workspace) deliver(d *Delivery) *Delivery {
	d.w, d.Envelope, d.done = w, random(16), make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx.Err() != nil {
		d.end(Outcome{Failure: "dispatch_failed"})
		return d
	}
	w.deliveries[d.Envelope] = d
	ring, stop := w.clock.alarm(ackTime)
	target := w.cfg.RequestURL
	if d.Kind == "slash_commands" {
		target = w.cfg.CommandURL
	}
	if target != "" {
		w.wg.Go(func() { defer stop(); w.post(d, target, ring) })
		return d
	}
	s := w.pickSocket()
	if s == nil {
		stop()
		d.end(Outcome{Failure: "dispatch_failed"})
		return d
	}
	body := w.envelope(d)
	if !s.halfOpen {
		w.wg.Go(func() { s.write(body) }) // not under mu: a client that does not read would stop the whole workspace
	}
	w.wg.Go(func() { defer stop(); w.expire(d, ring) })
	return d
}

func (w *Workspace) envelope(d *Delivery) json.RawMessage {
	body, err := json.Marshal(map[string]any{"envelope_id": d.Envelope, "type": d.Kind, "accepts_response_payload": d.accepts, "payload": d.Payload})
	if err != nil {
		panic(fmt.Sprintf("slackfake: the payload is not JSON: %v", err))
	}
	return body
}

// expire fails the delivery when the alarm rings first.
func (w *Workspace) expire(d *Delivery, ring <-chan struct{}) {
	failure := "operation_timeout"
	select {
	case <-d.done:
		return
	case <-ring:
	case <-w.ctx.Done():
		failure = "dispatch_failed"
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	d.end(Outcome{Failure: failure})
}

// post sends the delivery to the app's URL and takes the answer.
func (w *Workspace) post(d *Delivery, target string, ring <-chan struct{}) {
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	go func() {
		select {
		case <-ring:
			cancel()
		case <-ctx.Done():
		}
	}()
	o := w.send(ctx, w.Sign(target, d.Form(), w.now()))
	if ctx.Err() != nil {
		o = Outcome{Failure: "operation_timeout"}
	}
	if len(o.Answer) > 0 && !d.accepts {
		o.Problems = append(o.Problems, "this kind of payload takes no answer")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	d.end(o)
}

// Form is the body an HTTP callback has.
func (d *Delivery) Form() string {
	if d.Kind == "slash_commands" {
		form := url.Values{}
		for k, v := range d.Payload {
			form.Set(k, fmt.Sprint(v))
		}
		return form.Encode()
	}
	payload, err := json.Marshal(d.Payload)
	if err != nil {
		panic(fmt.Sprintf("slackfake: the payload is not JSON: %v", err))
	}
	return url.Values{"payload": {string(payload)}}.Encode()
}

func (w *Workspace) send(ctx context.Context, r *http.Request) Outcome {
	resp, err := http.DefaultClient.Do(r.WithContext(ctx))
	if err != nil {
		return Outcome{Failure: "dispatch_failed"}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return Outcome{Failure: "dispatch_failed"}
	}
	if resp.StatusCode != http.StatusOK {
		return Outcome{Failure: "http_status", Status: resp.StatusCode}
	}
	o := Outcome{Acked: true, Status: resp.StatusCode}
	if len(bytes.TrimSpace(body)) > 0 {
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		if d.Decode(&o.Answer) != nil {
			o.Answer = map[string]any{"text": string(body)} // plain text is a message to whoever acted
		}
	}
	return o
}
