package store

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

func joinHashes(hashes []tlog.Hash) []byte {
	b := make([]byte, 0, len(hashes)*tlog.HashSize)
	for _, h := range hashes {
		b = append(b, h[:]...)
	}
	return b
}

// splitHashes is the reverse; bytes that are no whole hash are dropped, so that a comparison finds the difference.
func splitHashes(b []byte) []tlog.Hash {
	hashes := make([]tlog.Hash, len(b)/tlog.HashSize)
	for i := range hashes {
		copy(hashes[i][:], b[i*tlog.HashSize:])
	}
	return hashes
}

// storedHashes reads the tree table as tlog numbers its hashes.
type storedHashes struct {
	ctx context.Context // of the one call it serves
	q   querier
}

// ReadHashes implements tlog.HashReader.
func (s storedHashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		level, n := tlog.SplitStoredHashIndex(x)
		leaf := (n+1)<<level - 1 // the leaf that completed this subtree
		var b []byte
		if err := s.q.QueryRowContext(s.ctx, "SELECT hashes FROM tree WHERE leaf = ?", leaf).Scan(&b); err != nil {
			return nil, fmt.Errorf("hashes of entry %d: %w", leaf, err)
		}
		hashes := splitHashes(b)
		if level >= len(hashes) {
			return nil, fmt.Errorf("entry %d has %d hashes, not %d", leaf, len(hashes), level+1)
		}
		out[i] = hashes[level]
	}
	return out, nil
}
