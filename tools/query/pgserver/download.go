package pgserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// download runs a PostgreSQL fetched from the internet. It listens on loopback with a random superuser password.
func download(ctx context.Context, o Options) (*Server, error) {
	if os.Geteuid() == 0 {
		return nil, errors.Join(ErrNoBinaries, errors.New("a downloaded server cannot run as root"))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(o.Dir, "sallyport-pg-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, password: rand.Text()}
	if s.Port, err = freePort(); err != nil {
		return nil, err
	}
	db := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		Version(embeddedpostgres.V16). // not newer than the SQL grammar of the gateway
		Port(uint32(s.Port)).Username(Superuser).Password(s.password).Database("postgres").
		RuntimePath(filepath.Join(dir, "run")).DataPath(filepath.Join(dir, "data")).
		StartParameters(map[string]string{"listen_addresses": "127.0.0.1", "timezone": "UTC"}).
		StartTimeout(time.Minute).Logger(o.Log))
	if err = db.Start(); err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("start the downloaded PostgreSQL: %w", err)
	}
	s.stop = db.Stop
	return s, nil
}
