package exec

import (
	"os"
	"strings"
	"testing"
)

func TestThePageShowsWhatHostSetupPrints(t *testing.T) {
	page, err := os.ReadFile("../../docs/credentials.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := HostSetup("ssh-ed25519 AAAA... sallyport-ca", "deploy", "sallyport-agents"); !strings.Contains(string(page), "```sh\n"+want+"```\n") {
		t.Errorf("docs/credentials.md lacks:\n%s", want)
	}
	if got := HostSetup("ssh-ed25519 AAAA...", "deploy", ""); strings.Contains(got, "rincipals") {
		t.Error(got)
	}
}
