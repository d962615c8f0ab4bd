package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the database to the newest schema. The version is SQLite's user_version; each step and its version are one
// transaction, so a crash between steps is continued at the next start. A database of a newer program is refused.
func migrate(ctx context.Context, conn *sql.Conn) error {
	steps, err := migrations.ReadDir("migrations") // sorted by name
	if err != nil {
		return err
	}
	var version int
	if err := conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("store: reading the schema version: %w", err)
	}
	if version > len(steps) {
		return fmt.Errorf("store: the state has schema version %d, this program knows %d: it was written by a newer sallyport; run that one", version, len(steps))
	}
	for i := version; i < len(steps); i++ {
		text, err := migrations.ReadFile("migrations/" + steps[i].Name())
		if err != nil {
			return err
		}
		step := fmt.Sprintf("BEGIN IMMEDIATE;\n%s\nPRAGMA user_version = %d;\nCOMMIT;", text, i+1)
		if _, err := conn.ExecContext(ctx, step); err != nil {
			conn.ExecContext(ctx, "ROLLBACK") // fails when the engine rolled back already
			return fmt.Errorf("store: schema step %s: %w", steps[i].Name(), err)
		}
	}
	return nil
}
