package exec

import (
	"bytes"
	"errors"
	"strings"

	"golang.org/x/crypto/ssh"

	"sallyport/tools/exec/shparse"
)

// nasty are arguments that a shell which does not follow POSIX quoting, or a start-up file that prints, gives back changed.
var nasty = []string{
	"", " ", "a  b", "'", "''", `\`, `\\`, `\'`, `"`, "$HOME", "${IFS}", "`id`", "$(id)", "*", "?", "[a-z]", "~", "~root", "{a,b}", "!!", "!a",
	"#x", "a;b", "a&b", "a|b", "<a", ">a", "(a)", "-n", "--", "=ls", "%1", "^a^b", "a\nb", "a\tb", "\n", `\n`, "é", "日本", "\u00a0", "a'b\\'c\"d$e`f",
}

// selfTestLine prints nasty words, and says whether the shell's read can time out (dash's cannot).
func selfTestLine() string {
	var line strings.Builder
	line.WriteString(environment(defaultPath) + "printf '%s\\n|'")
	for _, w := range nasty {
		line.WriteString(" " + shparse.Quote(w))
	}
	// Exit status 1 says end of file, any other that the option is not known.
	line.WriteString(`; (read -r -t 1 x </dev/null) 2>/dev/null; echo $?`)
	return line.String()
}

// selfTest asks for request, which has to have the login shell run the line above, and compares what comes back.
func selfTest(client *ssh.Client, request string) (timed bool, err error) {
	session, err := client.NewSession()
	if err != nil {
		return false, err
	}
	defer session.Close()
	var want strings.Builder
	for _, w := range nasty {
		want.WriteString(w + "\n|")
	}
	var out, stderr bytes.Buffer
	session.Stdout = &bounded{Buffer: &out, left: 64 << 10}
	session.Stderr = &bounded{Buffer: &stderr, left: 64 << 10}
	if err = session.Run(request); err != nil {
		return false, err
	}
	answer, ok := strings.CutPrefix(out.String(), want.String())
	if !ok || stderr.Len() > 0 {
		return false, errors.New("what came back is not what was sent")
	}
	return strings.TrimSpace(answer) == "1", nil
}

// bounded drops what is above its limit, and lets the sender go on.
type bounded struct {
	*bytes.Buffer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	n := min(len(p), b.left)
	b.left -= n
	b.Buffer.Write(p[:n])
	return len(p), nil
}
