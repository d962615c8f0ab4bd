package masking

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// The lengths in bytes from which secrets are looked for: alone between other characters than letters and digits, and
// anywhere. One shorter than that would hide half of every answer, so it is not looked for at all: a target whose password
// has three characters has other problems.
const (
	minSecret       = 4
	minSecretInside = 6
	minSecretLine   = 16 // of one line of a secret with several, such as a key
)

// SetSecrets replaces the secrets the gateway holds, by name; the name is for the caller alone and does not appear
// anywhere. From then on none of them leaves, whatever a configuration turns off, in any of these spellings: as it is; in
// base64, standard or URL, at each of the three alignments, so also inside something longer that was encoded; in
// hexadecimal; percent-encoded, entirely or in part; escaped as in JSON, in C, or in HTML; with invisible characters
// inside; in other widths; and each line of a secret that has several. Secrets of 4 and 5 bytes are found where no letter
// or digit is beside them, and in no other spelling; shorter ones are not looked for.
func (e *Engine) SetSecrets(secrets map[string][]byte) {
	var list []literal
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		list = append(list, spellings(secrets[name])...)
	}
	slices.SortFunc(list, func(a, b literal) int { return strings.Compare(a.text, b.text) })
	list = slices.CompactFunc(list, func(a, b literal) bool { return a.text == b.text && a.fold == b.fold && a.do == b.do })
	e.mu.Lock()
	defer e.mu.Unlock()
	e.table.Store(newTable(e.off, list))
}

// spellings are the literals under which a secret is found. Escapes need none of their own: the scanner decodes them.
func spellings(secret []byte) []literal {
	v := bytes.TrimSpace(secret)
	switch {
	case len(v) < minSecret:
		return nil
	case len(v) < minSecretInside:
		return []literal{{text: string(v), do: doShort}}
	}
	list := spell(v)
	if lines := bytes.FieldsFunc(v, func(r rune) bool { return r == '\n' || r == '\r' }); len(lines) > 1 {
		for _, line := range lines {
			// A line that begins or ends any key is not secret.
			if len(line) >= minSecretLine && !bytes.HasPrefix(line, []byte("-----")) {
				list = append(list, spell(line)...)
			}
		}
	}
	return list
}

func spell(v []byte) []literal {
	var list []literal
	add := func(text string, partial int, fold bool) {
		if len(text) >= minSecret {
			list = append(list, literal{text: text, do: doSecret, arg: partial, fold: fold})
		}
	}
	add(string(v), 0, false)
	add(hex.EncodeToString(v), 0, true)
	// What the scanner's own view of an escaped or unusual text makes of the secret.
	if seen := viewOf(v); !bytes.Equal(seen, v) && len(seen) >= minSecretInside {
		add(string(seen), 0, false)
	}
	add(url.QueryEscape(string(v)), 0, false)
	add(url.PathEscape(string(v)), 0, false)
	if quoted, err := json.Marshal(string(v)); err == nil {
		add(string(quoted[1:len(quoted)-1]), 0, false)
	}
	for shift := range 3 {
		std := inBase64(v, shift)
		add(std, 1, false)
		add(strings.NewReplacer("+", "-", "/", "_").Replace(std), 1, false)
	}
	return list
}

// inBase64 are the characters that v makes, and nothing else takes part in, when shift bytes stand before it. The
// characters on either side hold some of its bits too; they are hidden with it.
func inBase64(v []byte, shift int) string {
	enc := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), v...))
	bits := 8 * (shift + len(v))
	return enc[(8*shift+5)/6 : bits/6]
}
