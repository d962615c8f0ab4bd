package sqlparse

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// Parent and child talk over two pipes. A frame is a length (4 bytes, big endian) and that many bytes. The child sends one
// empty frame when it is ready; then each request, the text of a statement, is answered by one JSON answer.

// maxAnswer is the longest answer taken from a child.
const maxAnswer = 16 << 20

// answer is what the child says about one statement: the facts, or why there are none.
type answer struct {
	Statement  *Statement `json:"statement,omitempty"`
	Construct  string     `json:"construct,omitempty"`
	Position   int        `json:"position,omitempty"`
	Suggestion string     `json:"suggestion,omitempty"`
}

func writeFrame(w io.Writer, body []byte) error {
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body)))
	_, err := w.Write(append(frame, body...))
	return err
}

func readFrame(r io.Reader, limit int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if uint64(n) > uint64(limit) {
		return nil, fmt.Errorf("a frame of %d bytes, the limit is %d", n, limit)
	}
	body := make([]byte, n)
	_, err := io.ReadFull(r, body)
	return body, err
}

// decode checks what a child sent: it may have been damaged by the statement it read.
func decode(body []byte, sql string) (answer, error) {
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return answer{}, fmt.Errorf("not an answer: %w", err)
	}
	if (a.Statement == nil) == (a.Construct == "") {
		return answer{}, fmt.Errorf("neither facts nor a reason")
	}
	if a.Statement != nil {
		return a, a.Statement.check(sql)
	}
	return a, nil
}
