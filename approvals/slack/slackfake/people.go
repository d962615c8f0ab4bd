package slackfake

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// User is a person or bot as users.info tells about it.
type User struct {
	ID       string // made when empty
	TeamID   string // default the workspace's; another one is somebody from a connected workspace
	Name     string
	RealName string
	Email    string
	TZ       string

	EmailUnconfirmed bool
	Deleted          bool
	Bot              bool
	Admin            bool
	Restricted       bool // multi-channel guest
	UltraRestricted  bool // single-channel guest
	Stranger         bool // from another workspace, met in a shared channel only
}

// Channel is a conversation. Members are user ids.
type Channel struct {
	ID        string // made when empty: C..., D... for a direct message
	Name      string
	Members   []string
	Private   bool
	Archived  bool
	ExtShared bool // with another workspace, over Slack Connect
	IM        bool
}

// UserGroup is what @mentions of a group reach.
type UserGroup struct {
	ID, Handle, Name string
	Users            []string
}

// AddUser returns u with its id.
func (w *Workspace) AddUser(u User) User {
	w.mu.Lock()
	defer w.mu.Unlock()
	if u.ID == "" {
		u.ID = w.id("U")
	}
	if u.TeamID == "" {
		u.TeamID = w.cfg.TeamID
	}
	if u.Name == "" {
		u.Name = strings.ToLower(u.ID)
	}
	w.users[u.ID] = &u
	return u
}

// ChangeUser lets a test deactivate somebody, make him a guest, and so on.
func (w *Workspace) ChangeUser(id string, change func(*User)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(w.users[id])
	w.touch()
}

// AddChannel returns c with its id. The bot is a member only when listed: invite it with Join.
func (w *Workspace) AddChannel(c Channel) Channel {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.ID == "" {
		c.ID = w.id("C")
	}
	if c.Name == "" {
		c.Name = strings.ToLower(c.ID)
	}
	c.Members = slices.Clone(c.Members)
	w.channels[c.ID] = &c
	return c
}

// Join adds members to a channel.
func (w *Workspace) Join(channel string, users ...string) {
	w.ChangeChannel(channel, func(c *Channel) {
		for _, u := range users {
			if !slices.Contains(c.Members, u) {
				c.Members = append(c.Members, u)
			}
		}
	})
}

// Leave removes a member.
func (w *Workspace) Leave(channel, user string) {
	w.ChangeChannel(channel, func(c *Channel) {
		c.Members = slices.DeleteFunc(c.Members, func(m string) bool { return m == user })
	})
}

// ChangeChannel lets a test archive or share one.
func (w *Workspace) ChangeChannel(id string, change func(*Channel)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(w.channels[id])
	w.touch()
}

// AddUserGroup returns g with its id.
func (w *Workspace) AddUserGroup(g UserGroup) UserGroup {
	w.mu.Lock()
	defer w.mu.Unlock()
	if g.ID == "" {
		g.ID = w.id("S")
	}
	w.groups[g.ID] = &g
	return g
}

// DirectMessage is the id of the conversation of the app and user, or "" when there is none yet.
func (w *Workspace) DirectMessage(user string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.findIM(user); c != nil {
		return c.ID
	}
	return ""
}

// findIM needs mu.
func (w *Workspace) findIM(user string) *Channel {
	for _, id := range slices.Sorted(maps.Keys(w.channels)) {
		if c := w.channels[id]; c.IM && slices.Contains(c.Members, user) && slices.Contains(c.Members, w.bot) {
			return c
		}
	}
	return nil
}

// openIM finds or makes the direct conversation of the bot and user. mu is held.
func (w *Workspace) openIM(user string) *Channel {
	if c := w.findIM(user); c != nil {
		return c
	}
	c := &Channel{ID: w.id("D"), Name: "directmessage", Members: []string{w.bot, user}, Private: true, IM: true}
	w.channels[c.ID] = c
	return c
}

// person is the user whom a test acts as. mu is held.
func (w *Workspace) person(id string) (*User, error) {
	u := w.users[id]
	switch {
	case u == nil:
		return nil, fmt.Errorf("slackfake: there is no user %s", id)
	case u.Deleted || u.Bot:
		return nil, fmt.Errorf("slackfake: %s is deactivated or a bot and cannot act; use Deliver to forge it", id)
	}
	return u, nil
}

func (u *User) json(withEmail bool) map[string]any {
	profile := map[string]any{"real_name": u.RealName, "display_name": u.Name, "team": u.TeamID}
	if withEmail && u.Email != "" {
		profile["email"] = u.Email
	}
	if u.Bot {
		profile["bot_id"] = botID
	}
	out := map[string]any{
		"id": u.ID, "team_id": u.TeamID, "name": u.Name, "deleted": u.Deleted, "profile": profile, "is_bot": u.Bot, "updated": 1,
		"is_app_user": false,
	}
	if u.Deleted {
		return out // Slack leaves out what follows for a deactivated account
	}
	maps.Copy(out, map[string]any{
		"real_name": u.RealName, "tz": u.TZ, "is_admin": u.Admin, "is_owner": false, "is_primary_owner": false, "is_restricted": u.Restricted,
		"is_ultra_restricted": u.UltraRestricted, "is_email_confirmed": u.Email != "" && !u.EmailUnconfirmed,
	})
	if u.Stranger {
		out["is_stranger"] = true
	}
	return out
}

func (c *Channel) json(bot, team string) map[string]any {
	if c.IM {
		other := ""
		for _, m := range c.Members {
			if m != bot {
				other = m
			}
		}
		return map[string]any{"id": c.ID, "created": 1, "is_im": true, "is_org_shared": false, "user": other, "context_team_id": team}
	}
	return map[string]any{
		"id": c.ID, "name": c.Name, "name_normalized": c.Name, "created": 1, "is_channel": !c.Private, "is_group": c.Private, "is_im": false,
		"is_mpim": false, "is_private": c.Private, "is_archived": c.Archived, "is_general": false, "is_member": slices.Contains(c.Members, bot),
		"is_shared": c.ExtShared, "is_ext_shared": c.ExtShared, "is_org_shared": false, "is_pending_ext_shared": false, "context_team_id": team,
	}
}
