-- What was used of budgets. One row counts one window, the newest; its start only moves forward, so that a clock that is set back
-- finds what was used, and refills nothing. per is seconds; start is milliseconds since 1970 UTC.
CREATE TABLE spent (
	scope   TEXT NOT NULL,
	issuer  TEXT NOT NULL,
	subject TEXT NOT NULL,
	per     INTEGER NOT NULL,
	start   INTEGER NOT NULL,
	calls   INTEGER NOT NULL,
	"rows"  INTEGER NOT NULL,
	masked  INTEGER NOT NULL,
	bytes   INTEGER NOT NULL,
	PRIMARY KEY (scope, issuer, subject, per)
) STRICT, WITHOUT ROWID;
