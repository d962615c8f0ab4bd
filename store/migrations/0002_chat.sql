-- Requests shown in a chat. Times are nanoseconds.

-- Where a request is shown. It is due while shown differs from what the request has become (see ClaimPosting). lease and claim say whose
-- turn it is; final ends it.
CREATE TABLE postings (
	request    TEXT PRIMARY KEY REFERENCES approvals (id),
	channel    TEXT NOT NULL,
	message    TEXT NOT NULL,
	shown      TEXT NOT NULL,
	told       INTEGER NOT NULL,
	claim      TEXT NOT NULL,
	lease      INTEGER NOT NULL,
	final      INTEGER NOT NULL CHECK (final IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE INDEX postings_open ON postings (request) WHERE final = 0;

-- When a channel may be posted to again, for all who post.
CREATE TABLE channels (
	channel TEXT PRIMARY KEY,
	next    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What buttons and dialogs carry: only the hash.
CREATE TABLE tokens (
	hash    TEXT PRIMARY KEY,
	request TEXT NOT NULL REFERENCES approvals (id),
	digest  TEXT NOT NULL,
	act     TEXT NOT NULL,
	holder  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_request ON tokens (request);

-- What people did, stored before it is acknowledged. When it was dealt with the payload is gone and the key stays for a day.
CREATE TABLE interactions (
	n        INTEGER PRIMARY KEY,
	key      TEXT NOT NULL UNIQUE,
	received INTEGER NOT NULL,
	data_key TEXT NOT NULL,
	sealed   BLOB,
	claim    TEXT NOT NULL,
	lease    INTEGER NOT NULL
) STRICT;
CREATE INDEX interactions_open ON interactions (n) WHERE sealed IS NOT NULL;

-- Accounts and whose they are. Everything that is believed is sealed.
CREATE TABLE links (
	team    TEXT NOT NULL,
	user    TEXT NOT NULL,
	issuer  TEXT NOT NULL,
	subject TEXT NOT NULL,
	sealed  BLOB NOT NULL,
	PRIMARY KEY (team, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX links_identity ON links (issuer, subject);

-- Codes that were sent to an account and wait for the person's other side. One an account.
CREATE TABLE pairings (
	team    TEXT NOT NULL,
	user    TEXT NOT NULL,
	name    TEXT NOT NULL,
	hash    TEXT NOT NULL UNIQUE,
	expires INTEGER NOT NULL,
	PRIMARY KEY (team, user)
) STRICT, WITHOUT ROWID;

-- Messages to one person that wait to be sent.
CREATE TABLE notes (
	id    TEXT PRIMARY KEY,
	team  TEXT NOT NULL,
	user  TEXT NOT NULL,
	text  TEXT NOT NULL,
	claim TEXT NOT NULL,
	lease INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
