package main

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// Scripts in testdata/script need nothing but the program.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			// A port that is in use for as long as the script runs.
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			env.Defer(func() { l.Close() })
			env.Setenv("USED", l.Addr().String())
			return nil
		},
		Cmds: commands(nil),
	})
}

// Scripts in testdata/gateway find a gateway with the demo's shop at $SALLYPORT_URL, and people's tokens for its admin API in
// $BOB (an approver), $OLGA (an auditor), $PAUL (an operator), $EVE (nobody) and $AGENT (an agent's).
func TestScriptsWithAGateway(t *testing.T) {
	w := running(t, "200ms")
	vars := map[string]string{ // once: the scripts run at the same time
		"SALLYPORT_URL": w.url, "STATE": w.state(), "BOB": w.apiToken("bob", "dba"), "OLGA": w.apiToken("olga", "security"),
		"PAUL": w.apiToken("paul", "platform"), "EVE": w.apiToken("eve", "sales"), "AGENT": w.file("agent.token", w.agentToken("maria", "support")),
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/gateway", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			for name, value := range vars {
				env.Setenv(name, value)
			}
			return nil
		},
		Cmds: commands(w),
	})
}

// commands of the scripts:
//
//	exits N sallyport ...   runs the program and wants exactly this exit code, which "! exec" cannot tell
//	fill FILE               puts variables of the script where the file says $NAME
//	agent TOOL JSON         makes a call as maria's agent; prints its envelope, and sets $CALL and $CODE (of a pending approval)
func commands(w *world) map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"exits": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) < 2 {
				ts.Fatalf("usage: exits N program arguments...")
			}
			code := "0"
			if err := ts.Exec(args[1], args[2:]...); err != nil {
				code = strings.TrimPrefix(err.Error(), "exit status ")
			}
			if code != args[0] {
				ts.Fatalf("exit code %s, want %s\n%s", code, args[0], ts.ReadFile("stderr"))
			}
		},
		"fill": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) != 1 {
				ts.Fatalf("usage: fill FILE")
			}
			ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(os.Expand(ts.ReadFile(args[0]), ts.Getenv)), 0o600))
		},
		"agent": func(ts *testscript.TestScript, neg bool, args []string) {
			if w == nil || neg || len(args) != 2 {
				ts.Fatalf("usage, beside a gateway: agent TOOL JSON")
			}
			env, err := w.agent().call(context.Background(), args[0], json.RawMessage(args[1]), nil)
			ts.Check(err)
			ts.Setenv("CALL", env.CallID)
			if env.Approval != nil {
				ts.Setenv("CODE", env.Approval.Code)
			}
			ts.Check(printJSON(ts.Stdout(), env))
		},
	}
}
