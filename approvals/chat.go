package approvals

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// Account is somebody in a chat, by ids that the chat's authenticated transport named. Name is for display only.
type Account struct {
	Team string `json:"team"` // the workspace: "T0123456789"
	User string `json:"user"` // "U0123456789"
	Name string `json:"name"`
}

// Same reports whether two are the same account.
func (a Account) Same(b Account) bool { return a.Team == b.Team && a.User == b.User }

// Link says that an account in a chat and an identity at an issuer are one person's, proven from both sides.
type Link struct {
	Account
	Identity
	Person string    `json:"person"` // the identity's display name
	Groups []string  `json:"groups"` // the identity's, when it was last proven
	Proven time.Time `json:"proven"` // when the person last showed a token of his
}

// Voter is the link's person, or ErrGroupsOld when his groups are older than maxAge.
func (l Link) Voter(now time.Time, maxAge time.Duration) (Voter, error) {
	if now.Sub(l.Proven) >= maxAge {
		return Voter{}, ErrGroupsOld
	}
	return Voter{Identity: l.Identity, Name: l.Person, Groups: slices.Clone(l.Groups), Assurance: Chat}, nil
}

// Posting is where a request is shown in a chat, how much of it is shown there, and whose turn it is to change that.
type Posting struct {
	Request string // id
	Channel string // "" until it is posted
	Message string // the chat's id of the message, "" until it is posted
	Shown   string // the version the message shows
	Told    int    // how many notes its thread has
	Version string // the version that is true, when it was claimed
	Claim   string // random; only its holder changes the posting, until the lease ends
}

// Token stands for one act on one request. Only the hash of what a button carries is stored.
type Token struct {
	Hash    string // hex SHA-256
	Request string
	Digest  string // of the request that was shown
	Act     string
	Holder  string // who alone may use it, "team/user"; "" anybody
}

// Interaction is what somebody did in a chat, as it was received.
type Interaction struct {
	Key      string // hex SHA-256 of Payload: the same one twice is one
	Payload  []byte
	Claim    string
	Received time.Time
}

// Note is a message to one person in a chat.
type Note struct {
	ID    string
	To    Account
	Text  string
	Claim string
}

var (
	ErrGroupsOld = errors.New("your groups were read too long ago; sign in again")
	ErrNoLink    = errors.New("this account is not linked to anybody")
	ErrPairing   = errors.New("no such pairing code, or it was used or is too old")
	ErrClaim     = errors.New("somebody else has taken this over")
)

// NewPairingCode makes the code that is sent to an account: 80 random bits, readable.
func NewPairingCode() string { return NewCode() + "-" + NewCode() }

// PairingHash is what is stored of a pairing code. It may be typed in small letters and without hyphens.
func PairingHash(code string) string {
	return hashFields("sallyport.pairing.v1", strings.NewReplacer("-", "", " ", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(code)))
}

// TokenHash is what is stored of a token.
func TokenHash(token string) string { return hashFields("sallyport.token.v1", token) }
