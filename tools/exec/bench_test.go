package exec

import (
	"context"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"sallyport/tools"
	"sallyport/tools/exec/sshserver"
)

// BenchmarkTrue runs true through plan, inspection, execution and rendering, and in turn with it the same program over an
// open x/crypto/ssh connection. It reports the medians and their ratio.
func BenchmarkTrue(b *testing.B) {
	s := sshserver.ForTest(b, sshserver.Options{})
	h := open(b, target(s))
	signer, err := ssh.ParsePrivateKey(s.Key)
	if err != nil {
		b.Fatal(err)
	}
	client, err := ssh.Dial("tcp", s.Address, &ssh.ClientConfig{User: s.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	var ours, plain []time.Duration
	for b.Loop() {
		began := time.Now()
		if _, _, err := call(context.Background(), h, argv("true"), tools.Limits{}); err != nil {
			b.Fatal(err)
		}
		ours = append(ours, time.Since(began))
		began = time.Now()
		session, err := client.NewSession()
		if err != nil {
			b.Fatal(err)
		}
		if err = session.Run("/usr/bin/true"); err != nil {
			b.Fatal(err)
		}
		session.Close()
		plain = append(plain, time.Since(began))
	}
	slices.Sort(ours)
	slices.Sort(plain)
	b.ReportMetric(float64(ours[len(ours)/2].Microseconds()), "us-ours")
	b.ReportMetric(float64(plain[len(plain)/2].Microseconds()), "us-plain")
	b.ReportMetric(float64(ours[len(ours)/2])/float64(plain[len(plain)/2]), "ratio")
}

func BenchmarkClassify(b *testing.B) {
	h := open(b, offline)
	for b.Loop() {
		if _, err := facts(b, h, map[string]any{"command": "ps -eo pid,cmd --sort=-rss | head -n 5"}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCancel reports how long a running command lives after its call was cancelled.
func BenchmarkCancel(b *testing.B) {
	h := open(b, target(sshserver.ForTest(b, sshserver.Options{})))
	var took []time.Duration
	for b.Loop() {
		ctx, cancel := context.WithCancel(context.Background())
		r, err := begin(ctx, h, argv("sleep", "600"), tools.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		cancel()
		if _, err = r.Render(ctx, plainMask{}); err != context.Canceled {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
		r.Close()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "ms-median")
	b.ReportMetric(float64(took[len(took)-1].Milliseconds()), "ms-worst")
}

// BenchmarkCertificate reports what a call costs with a certificate and a connection of its own, and with a key over an open connection.
func BenchmarkCertificate(b *testing.B) {
	a := newAuthority(b, "")
	own, shared := open(b, a.target("")), open(b, target(sshserver.ForTest(b, sshserver.Options{})))
	var took, plain []time.Duration
	for b.Loop() {
		for _, one := range []struct {
			h   *Hosts
			all *[]time.Duration
		}{{own, &took}, {shared, &plain}} {
			began := time.Now()
			if _, _, err := call(context.Background(), one.h, argv("true"), tools.Limits{}); err != nil {
				b.Fatal(err)
			}
			*one.all = append(*one.all, time.Since(began))
		}
	}
	slices.Sort(took)
	slices.Sort(plain)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "certificate-ms")
	b.ReportMetric(float64(plain[len(plain)/2].Microseconds())/1000, "key-ms")
}
