-- Who is kept out whatever his tokens say. The lock is JSON (identity.Lock): there are few, and all are in memory.
CREATE TABLE locks (
	id   TEXT PRIMARY KEY,
	lock TEXT NOT NULL
) STRICT, WITHOUT ROWID;
