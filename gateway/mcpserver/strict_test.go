package mcpserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

var strictCases = []struct {
	name, body string
	want       error
}{
	{"plain", `{"a":1,"b":[true,false,null,-0.5e+3,"x\n\u00e9"],"c":{}}`, nil},
	{"spaces", " {\t\"a\" :\r\n 1 } \n", nil},
	{"surrogate pair", `{"a":"\ud83d\ude00"}`, nil},
	{"duplicate", `{"a":1,"a":2}`, errDuplicate},
	{"duplicate by escape", `{"sql":1,"s\u0071l":2}`, errDuplicate},
	{"duplicate by case", `{"sql":1,"SQL":2}`, errDuplicate},
	{"duplicate by long s", `{"sql":1,"ſql":2}`, errDuplicate},
	{"duplicate by kelvin sign", `{"k":1,"\u212a":2}`, errDuplicate},
	{"duplicate deep inside", `{"a":[{"b":{"c":1,"C":1}}]}`, errDuplicate},
	{"same key in different objects", `{"a":{"x":1},"b":{"x":1}}`, nil},
	{"lone surrogate", `{"a":"\ud83d"}`, errUTF8},
	{"low surrogate first", `{"a":"\ude00\ud83d"}`, errUTF8},
	{"invalid UTF-8", "{\"a\":\"\xff\"}", errUTF8},
	{"overlong UTF-8", "{\"a\":\"\xc0\xaf\"}", errUTF8},
	{"something after", `{"a":1} {"a":2}`, errTrailing},
	{"array", `[{"a":1}]`, errNotObject},
	{"string", `"a"`, errNotObject},
	{"nothing", ``, errNotObject},
	{"unterminated", `{"a":"`, errSyntax},
	{"trailing comma", `{"a":1,}`, errSyntax},
	{"comment", `{"a":1/*x*/}`, errSyntax},
	{"leading zero", `{"a":01}`, errTrailingOrSyntax},
	{"plus sign", `{"a":+1}`, errSyntax},
	{"NaN", `{"a":NaN}`, errSyntax},
	{"single quotes", `{'a':1}`, errSyntax},
	{"line break in a string", "{\"a\":\"\n\"}", errSyntax},
	{"bad escape", `{"a":"\x41"}`, errSyntax},
	{"byte order mark", "\xef\xbb\xbf{}", errNotObject},
	{"deep", `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, errDepth},
	{"at the depth that is allowed", `{"a":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + `}`, nil},
}

// errTrailingOrSyntax stands for "refused, whichever way".
var errTrailingOrSyntax = errors.New("refused")

func TestOneReadingOnly(t *testing.T) {
	for _, tt := range strictCases {
		t.Run(tt.name, func(t *testing.T) {
			err := checkStrict([]byte(tt.body))
			if tt.want == errTrailingOrSyntax {
				if err == nil {
					t.Error("accepted")
				}
				return
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestManyKeysCostNoSquare(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(`{"k":0`)
	for i := range 100_000 {
		b.WriteString(`,"k` + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + jsonInt(i) + `":0`)
	}
	b.WriteString(`}`)
	if err := checkStrict(b.Bytes()); err != nil {
		t.Fatal(err)
	}
}

func jsonInt(i int) string { b, _ := json.Marshal(i); return string(b) }

func TestMessages(t *testing.T) {
	tests := []struct {
		name, body string
		want       error
	}{
		{"a request", `{"jsonrpc":"2.0","id":1,"method":"ping"}`, nil},
		{"a notification", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, nil},
		{"text id", `{"jsonrpc":"2.0","id":"a","method":"ping"}`, nil},
		{"null id", `{"jsonrpc":"2.0","id":null,"method":"ping"}`, errBadID},
		{"id with a fraction", `{"jsonrpc":"2.0","id":1.5,"method":"ping"}`, errBadID},
		{"id as a power", `{"jsonrpc":"2.0","id":1e3,"method":"ping"}`, errBadID},
		{"id is an object", `{"jsonrpc":"2.0","id":{},"method":"ping"}`, errBadID},
		{"huge id", `{"jsonrpc":"2.0","id":"` + strings.Repeat("a", 300) + `","method":"ping"}`, errBadID},
		{"no version", `{"id":1,"method":"ping"}`, errNotVersion},
		{"version as a number", `{"jsonrpc":2.0,"id":1,"method":"ping"}`, errNotVersion},
		{"no method", `{"jsonrpc":"2.0","id":1}`, errNoMethod},
		{"method is a number", `{"jsonrpc":"2.0","id":1,"method":1}`, errNoMethod},
		{"params is an array", `{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}`, errBadParams},
		{"an answer", `{"jsonrpc":"2.0","id":1,"result":{}}`, errAnswer},
		{"Method", `{"jsonrpc":"2.0","id":1,"Method":"ping"}`, errProtoCase},
		{"Name", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"Name":"query"}}`, errProtoCase},
		{"ARGUMENTS", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","ARGUMENTS":{}}}`, errProtoCase},
		{"progresstoken", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","_meta":{"progresstoken":1}}}`, errProtoCase},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := parse([]byte(tt.body)); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// What is accepted, every correct parser accepts and reads alike; arguments are cut out whole.
func FuzzParse(f *testing.F) {
	for _, tt := range strictCases {
		f.Add([]byte(tt.body))
	}
	f.Add([]byte(`{"jsonrpc":"2.0","id":"é","method":"tools/call","params":{"name":"query","arguments":{"sql":"select 1"},"_meta":{"progressToken":7}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if checkStrict(body) == nil && !json.Valid(body) {
			t.Fatalf("accepted, but not JSON: %q", body)
		}
		m, err := parse(body)
		if err != nil {
			return
		}
		var std struct {
			Method string
			Params struct {
				Name      string
				Arguments json.RawMessage
			}
		}
		if err := json.Unmarshal(body, &std); err != nil {
			return // other types than ours somewhere: refused by mcp-go
		}
		if std.Method != m.method {
			t.Fatalf("method %q, encoding/json reads %q", m.method, std.Method)
		}
		if m.args != nil && m.method == methodCall && !bytes.Equal(std.Params.Arguments, m.args) {
			t.Fatalf("arguments %q, encoding/json reads %q", m.args, std.Params.Arguments)
		}
		if !json.Valid(m.forDispatch()) {
			t.Fatalf("what is dispatched is no JSON: %q", m.forDispatch())
		}
	})
}
