package sshserver

import (
	"net"
	"testing"

	"golang.org/x/crypto/ssh"
)

func TestServerLetsItsKeyInAndIsGoneAfterClose(t *testing.T) {
	s := ForTest(t, Options{})
	signer, err := ssh.ParsePrivateKey(s.Key)
	if err != nil {
		t.Fatal(err)
	}
	host, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s.HostKey))
	if err != nil {
		t.Fatal(err)
	}
	cfg := &ssh.ClientConfig{User: s.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.FixedHostKey(host)}
	client, err := ssh.Dial("tcp", s.Address, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", s.Address); err == nil {
		c.Close()
		t.Error("someone still listens")
	}
	if err := client.Wait(); err == nil {
		t.Error("the connection ended in order")
	}
	if err := s.Close(); err != nil {
		t.Error("second Close:", err)
	}
}
