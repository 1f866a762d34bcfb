package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
)

// start creates a resource in the background; the channel receives the error of the creation.
func (s testServer) start(create string, timeoutSeconds float64) <-chan error {
	s.t.Helper()
	in := s.check(inputs("create", create))
	ended := make(chan error, 1)
	go func() {
		_, err := s.Create(p.CreateRequest{Urn: urn("test"), Properties: in, Timeout: timeoutSeconds})
		ended <- err
	}()
	return ended
}

// awaitError waits for a creation to fail and returns the text of its error.
func awaitError(t *testing.T, ended <-chan error) string {
	t.Helper()
	select {
	case err := <-ended:
		if err == nil {
			t.Fatal("a cancelled command did not fail")
		}
		return err.Error()
	case <-time.After(testTimeout):
		t.Fatal("the command did not end in time")
		return ""
	}
}

// awaitPid waits for a command to write the process id of its child.
func awaitPid(t *testing.T, file string) int {
	t.Helper()
	for deadline := time.Now().Add(testTimeout); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		written, err := os.ReadFile(file)
		if err == nil && strings.HasSuffix(string(written), "\n") {
			pid, err := strconv.Atoi(strings.TrimSpace(string(written)))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatal("the command never started its child")
	return 0
}

// awaitEnd waits until a process is gone, or is a zombie that its parent has not reaped yet.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(testTimeout); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return
		}
		state, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
		if err != nil || strings.HasPrefix(strings.TrimSpace(string(state)), "Z") {
			return
		}
	}
	t.Errorf("process %d still runs", pid)
}

func TestCancelEndsTheWholeGroup(t *testing.T) {
	tests := map[string]struct{ child, reason string }{
		"a child that obeys":        {"sleep 300", "signal: terminated"},
		"a child that does not":     {"sh -c 'trap \"\" TERM; while :; do sleep 1; done'", "cancelled"},
		"a child without the pipes": {"sleep 300 >/dev/null 2>&1", "cancelled"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server, file := newTestServer(t), filepath.Join(t.TempDir(), "pid")
			ended := server.start(test.child+" & echo $! > "+file+"; echo last words; wait", 0)
			pid := awaitPid(t, file)
			if err := server.Cancel(); err != nil {
				t.Fatal(err)
			}
			expectContains(t, "the error", awaitError(t, ended), "cancelled", test.reason, "last words")
			awaitEnd(t, pid)
		})
	}
}

func TestCancelDoesNotWaitForAProcessThatLeftTheGroup(t *testing.T) {
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip("needs setsid")
	}
	server, file := newTestServer(t), filepath.Join(t.TempDir(), "pid")
	ended := server.start("setsid sh -c 'echo $$ > "+file+"; exec sleep 300' & wait", 0)
	pid := awaitPid(t, file)
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	if err := server.Cancel(); err != nil {
		t.Fatal(err)
	}
	expectContains(t, "the error", awaitError(t, ended), "outside its group")
}

func TestATimeoutOfTheResourceEndsTheCommand(t *testing.T) {
	expectContains(t, "the error", awaitError(t, newTestServer(t).start("sleep 300", 1)), "timed out")
}

func TestNothingStartsAfterCancel(t *testing.T) {
	server, mark := newTestServer(t), filepath.Join(t.TempDir(), "mark")
	if err := server.Cancel(); err != nil {
		t.Fatal(err)
	}
	awaitError(t, server.start("touch "+mark, 0))
	if _, err := os.Stat(mark); err == nil {
		t.Error("the command ran")
	}
}
