//go:build !unix

package store

import (
	"errors"
	"os"
)

// flock refuses: without a lock two gateways could write one log.
func flock(*os.File) error {
	return errors.New("this system has no file locks the gateway could rely on")
}
