package sqlparse

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestChildHasNothing: no environment but our own mark, no core dumps, limits, and no file of its parent.
func TestChildHasNothing(t *testing.T) {
	t.Setenv("PGPASSWORD", "of the parent")
	p := newPool(t, Config{Workers: 1})
	w := <-p.idle
	defer func() { p.idle <- w }()
	proc := fmt.Sprintf("/proc/%d/", w.cmd.Process.Pid)

	environ := read(t, proc+"environ")
	if environ != "" && environ != confinedEnv+"\x00" {
		t.Errorf("environment: %q", environ)
	}
	limits := read(t, proc+"limits")
	for what, want := range map[string]int{
		"Max core file size": 0, "Max file size": 0, "Max stack size": stackBytes, "Max data size": memoryBytes, "Max address space": spaceBytes, "Max open files": openFiles,
	} {
		if !regexp.MustCompile(fmt.Sprintf(`(?m)^%s +%d +%d `, what, want, want)).MatchString(limits) {
			t.Errorf("%s is not %d:\n%s", what, want, limits)
		}
	}
	if !strings.Contains(read(t, proc+"status"), "\nNoNewPrivs:\t1\n") {
		t.Error("it could gain privileges")
	}
	fds, err := os.ReadDir(proc + "fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		target, _ := os.Readlink(proc + "fd/" + fd.Name())
		if !strings.HasPrefix(target, "pipe:") && !strings.HasPrefix(target, "anon_inode:") && target != "/dev/null" &&
			!strings.HasPrefix(target, "/sys/fs/cgroup/") { // which the Go runtime reads
			t.Errorf("open file %s: %s", fd.Name(), target)
		}
	}
	if cwd, _ := os.Readlink(proc + "cwd"); cwd != "/" {
		t.Errorf("directory %s", cwd)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
