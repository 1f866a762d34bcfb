package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	// terminationGrace leaves `docker run` the time to pass SIGTERM on and see its container stop.
	terminationGrace = 10 * time.Second
	// pipeGrace is the wait after SIGKILL for a process that left the group and still holds the output open.
	pipeGrace = 2 * time.Second
	// errorOutput is how much of a failed command's output its error repeats: a gRPC status travels in a header of limited size.
	errorOutput = 64 << 10
)

// output is what a command printed, each stream without its last newline and with anything that is not UTF-8 replaced.
type output struct{ stdout, stderr string }

// execute runs a command in a process group of its own and waits until it has ended and nothing holds its output open. When ctx is cancelled the group
// gets SIGTERM, and SIGKILL after grace. Errors name the exit status, the command and the end of its output.
func execute(ctx context.Context, run invocation, grace time.Duration) (output, error) {
	var stdout, stderr capture
	combined := tail{limit: errorOutput}
	stdoutLines, stderrLines := newLineWriter(run.logStdout), newLineWriter(run.logStderr)

	// Not exec.CommandContext: that kills only the shell, and what the shell started would live on.
	cmd := exec.Command(run.arguments[0], run.arguments[1:]...)
	cmd.Dir = run.dir
	cmd.Env = run.env
	cmd.Stdin = run.stdin
	cmd.Stdout = io.MultiWriter(&stdout, &combined, stdoutLines)
	cmd.Stderr = io.MultiWriter(&stderr, &combined, stderrLines)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}

	err := ctx.Err()
	if err == nil {
		err = cmd.Start()
	}
	if err == nil {
		err = wait(ctx, cmd, grace)
	}
	stdoutLines.flush()
	stderrLines.flush()
	if err != nil {
		return output{}, fmt.Errorf("%w: running %q:\n%s", err, run.redact(run.command), run.redact(combined.String()))
	}
	return output{stdout: stdout.String(), stderr: stderr.String()}, nil
}

func wait(ctx context.Context, cmd *exec.Cmd, grace time.Duration) error {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()

	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	reason := "cancelled"
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		reason = "timed out"
	}
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGTERM, grace}, {syscall.SIGKILL, pipeGrace}} {
		// The group may be gone already; then the channel says so at once.
		_ = syscall.Kill(-cmd.Process.Pid, step.signal)
		select {
		case err := <-ended:
			return fmt.Errorf("%s (%s)", reason, ending(err))
		case <-time.After(step.wait):
		}
	}
	return fmt.Errorf("%s (killed, but a process outside its group still holds its output open)", reason)
}

func ending(err error) string {
	if err == nil {
		return "it ended by itself"
	}
	return strings.TrimSpace(err.Error())
}
