package slack

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"time"

	"github.com/slack-go/slack/socketmode"
)

// keepWithin is how long storing may take: Slack waits three seconds for the acknowledgement.
const keepWithin = 2500 * time.Millisecond

// maxFrame is more than Slack sends in one message.
const maxFrame = 4 << 20

// listen keeps a Socket Mode connection open until ctx ends. The library reconnects by itself, with backoff, also when no ping came
// for PingInterval; it gives up only on answers like invalid_auth, and then it is started again: a token may be repaired.
func (b *Bridge) listen(ctx context.Context) {
	for wait := time.Second; ctx.Err() == nil; wait = min(2*wait, 5*time.Minute) {
		client := socketmode.New(b.api, socketmode.OptionPingInterval(b.PingInterval), socketmode.OptionReadLimit(maxFrame),
			socketmode.OptionLog(log.New(io.Discard, "", 0)))
		done := make(chan error, 1)
		running, stop := context.WithCancel(ctx)
		go func() { done <- client.RunContext(running) }()
		err := b.receive(running, client, done)
		stop()
		if ctx.Err() != nil {
			return
		}
		b.Observe("socket_failed")
		b.Log.Error("slack: no connection; requests stay decidable with sallyport approvals", "err", err, "hint", hint(errText(err)), "again", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// receive takes events until the client ended.
func (b *Bridge) receive(ctx context.Context, client *socketmode.Client, done <-chan error) error {
	for {
		select {
		case err := <-done:
			return err
		case e := <-client.Events:
			switch e.Type {
			case socketmode.EventTypeInteractive, socketmode.EventTypeSlashCommand:
				b.receiveOne(ctx, client, e)
			case socketmode.EventTypeHello:
				b.Observe("socket_connected")
				b.Log.Info("slack: connected")
			case socketmode.EventTypeConnectionError, socketmode.EventTypeIncomingError, socketmode.EventTypeErrorWriteFailed:
				b.Observe("socket_error") // the error may hold the address with its ticket: it is not logged
			}
		}
	}
}

// receiveOne stores, then acknowledges. What cannot be stored is not acknowledged: the person sees that it failed, and presses again.
func (b *Bridge) receiveOne(ctx context.Context, client *socketmode.Client, e socketmode.Event) {
	if e.Request == nil {
		return
	}
	if err := b.keep(ctx, string(e.Type), e.Request.Payload); err != nil {
		b.Observe("not_kept")
		b.Log.Error("slack: an interaction could not be stored and was not acknowledged", "err", err)
		return
	}
	if err := client.AckCtx(ctx, e.Request.EnvelopeID, nil); err != nil {
		b.Log.Warn("slack: acknowledging", "err", err) // it is stored; it counts
	}
}

// kept is an interaction as it is stored: its kind, and the payload as it came.
type kept struct {
	Kind    string          `json:"kind"`
	Payload json.RawMessage `json:"payload"`
}

// keep makes an interaction durable and wakes the worker.
func (b *Bridge) keep(ctx context.Context, kind string, payload json.RawMessage) error {
	text, err := json.Marshal(kept{kind, payload})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, keepWithin)
	defer cancel()
	first, err := b.Store.KeepInteraction(ctx, text)
	if err != nil {
		return err
	}
	if !first {
		b.Observe("duplicate")
		return nil
	}
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return nil
}
