-- Times of entries and checkpoints are milliseconds since 1970 UTC, as in the envelope; times of approvals are nanoseconds.

-- The audit log. The envelope is what is hashed; the columns beside it repeat parts of it for searching, and verification
-- compares them. A sealed body opens with the key named in the same row.
CREATE TABLE entries (
	seq      INTEGER PRIMARY KEY,
	time     INTEGER NOT NULL,
	kind     TEXT NOT NULL,
	call     TEXT NOT NULL,
	subject  TEXT NOT NULL,
	tool     TEXT NOT NULL,
	target   TEXT NOT NULL,
	key      TEXT NOT NULL,
	envelope BLOB NOT NULL,
	sealed   BLOB
) STRICT;
CREATE INDEX entries_call ON entries (call) WHERE call <> '';

-- The Merkle tree: for each leaf the hashes that are stored with it, its own first, 32 bytes each.
CREATE TABLE tree (
	leaf   INTEGER PRIMARY KEY,
	hashes BLOB NOT NULL
) STRICT;

CREATE TABLE checkpoints (
	size INTEGER PRIMARY KEY,
	time INTEGER NOT NULL,
	note TEXT NOT NULL
) STRICT;

-- Data keys, wrapped by the master key. Without its row a key is gone, and with it everything that was sealed with it.
CREATE TABLE keys (
	id      TEXT PRIMARY KEY,
	wrapped BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Intents whose outcome is not recorded yet.
CREATE TABLE intents (
	call TEXT PRIMARY KEY,
	seq  INTEGER NOT NULL REFERENCES entries (seq)
) STRICT, WITHOUT ROWID;

-- Requests for approval. Whatever can hold a literal of the call is in sealed.
CREATE TABLE approvals (
	n          INTEGER PRIMARY KEY,
	id         TEXT NOT NULL UNIQUE,
	code       TEXT NOT NULL UNIQUE,
	call       TEXT NOT NULL,
	attach_key TEXT NOT NULL,
	digest     TEXT NOT NULL,
	state      TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'expired', 'cancelled', 'stale', 'consumed')),
	created    INTEGER NOT NULL,
	expires    INTEGER NOT NULL,
	decided    INTEGER NOT NULL,
	sealed     BLOB NOT NULL
) STRICT;
CREATE INDEX approvals_attach_key ON approvals (attach_key);
CREATE INDEX approvals_call ON approvals (call);
CREATE INDEX approvals_open ON approvals (state) WHERE state IN ('pending', 'approved');

CREATE TABLE votes (
	n        INTEGER PRIMARY KEY,
	approval TEXT NOT NULL REFERENCES approvals (id),
	issuer   TEXT NOT NULL,
	subject  TEXT NOT NULL,
	yes      INTEGER NOT NULL CHECK (yes IN (0, 1)),
	via      TEXT NOT NULL,
	digest   TEXT NOT NULL,
	time     INTEGER NOT NULL,
	sealed   BLOB NOT NULL,
	UNIQUE (approval, issuer, subject)
) STRICT;

-- Written to find out whether writing works again.
CREATE TABLE probe (
	id   INTEGER PRIMARY KEY CHECK (id = 1),
	room BLOB NOT NULL
) STRICT;
