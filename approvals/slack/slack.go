// Package slack answers: what did a person in Slack say, and who is he?
//
// Slack is a notification surface. All that is believed of it is "this Slack user clicked": who that is at the identity provider comes
// from a link that was proven from both sides, whether he may answer is decided by the same rules as for every other way in
// (approvals.Eligible, inside the caller's Vote), and what he said yes to comes from our own store, found by a random token of which only
// the hash is kept. Nothing that a callback says of a request, a message or a name is used.
//
// The flow, each arrow durable before the next begins:
//
//	request ──▶ card due ──▶ posted          (outbox: a card is due while what is shown differs from what is true)
//	click   ──▶ inbox ──▶ ack ──▶ vote       (an interaction that cannot be stored is not acknowledged)
//	vote    ──▶ card due ──▶ edited, details in the thread
//
// The outbox is no list of messages to send: it is the difference between the requests and what their cards show. So nothing can be
// forgotten by a crash, and steps nobody could have seen are not posted. Everything that a second replica would need is in the store:
// cards, tokens, whose turn a card or a click is (leases), when a channel may be posted to again, links, pairing codes.
//
// This package imports neither the gateway nor the store: it declares what it needs of them ([Store], [Config]), and the program
// wires them. Losing Slack loses nothing: requests stay decidable on the command line, and nothing is ever approved by silence.
package slack
