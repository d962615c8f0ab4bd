package policy

import "time"

// Budget bounds what one person (issuer and subject) may use under a scope in each hour or day, UTC. 0 is no bound of that amount.
type Budget struct {
	Per          time.Duration // time.Hour or 24 * time.Hour
	Calls        int64         // that reached the target
	Rows         int64         // returned, or changed
	MaskedValues int64         // replaced in results
	Bytes        int64         // of results
}
