package audit

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Head is the right edge of the Merkle tree: all that appending and signing need of it, whatever the size of the log. The zero value
// is the empty log. It is a value: a copy taken before a transaction undoes what the transaction added.
type Head struct {
	size int64
	edge [63]tlog.Hash // edge[l] is the subtree of 2^l leaves at the right edge, where bit l of size is set
}

// OpenHead reads the head of a log of the given size from its stored hashes.
func OpenHead(size int64, stored tlog.HashReader) (h Head, err error) {
	var levels []int
	var indexes []int64
	for l := range h.edge {
		if size>>l&1 == 1 {
			levels = append(levels, l)
			indexes = append(indexes, tlog.StoredHashIndex(l, size>>l-1))
		}
	}
	hashes, err := stored.ReadHashes(indexes)
	if err != nil {
		return h, fmt.Errorf("audit: head of %d entries: %w", size, err)
	}
	for i, l := range levels {
		h.edge[l] = hashes[i]
	}
	h.size = size
	return h, nil
}

// Size is the number of leaves.
func (h *Head) Size() int64 { return h.size }

// Add appends a leaf and returns the hashes to store for it (see [tlog.StoredHashes]): the leaf's own, then those of the subtrees
// it completed, from the smallest.
func (h *Head) Add(leaf tlog.Hash) []tlog.Hash {
	hashes, err := tlog.StoredHashesForRecordHash(h.size, leaf, h)
	if err != nil {
		panic(fmt.Sprintf("audit: the tree asks for a hash that is not on its edge: %v", err)) // cannot happen: see ReadHashes
	}
	top := len(hashes) - 1
	clear(h.edge[:top]) // these are below the new one now; heads of equal logs are equal
	h.edge[top] = hashes[top]
	h.size++
	return hashes
}

// Root is the RFC 6962 root of the tree.
func (h *Head) Root() tlog.Hash {
	root, err := tlog.TreeHash(h.size, h)
	if err != nil {
		panic(fmt.Sprintf("audit: the root asks for a hash that is not on the tree's edge: %v", err))
	}
	return root
}

// ReadHashes implements tlog.HashReader for the hashes of the edge, which are the only ones appending and the root need.
func (h *Head) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		level, n := tlog.SplitStoredHashIndex(x)
		if h.size>>level&1 != 1 || n != h.size>>level-1 {
			return nil, fmt.Errorf("hash %d of level %d is not on the edge of %d entries", n, level, h.size)
		}
		out[i] = h.edge[level]
	}
	return out, nil
}
