package main

import (
	"context"
	"io"
	"os"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
)

// invocation is one run of a command, with every default settled.
type invocation struct {
	command   string
	arguments []string // the interpreter and its arguments, then the command
	dir       string   // "" is the current directory
	env       []string
	stdin     io.Reader // nil is an empty standard input
	logStdout func(line string)
	logStderr func(line string)
	redact    func(text string) string // for the error, which repeats the command and its output
}

func newInvocation(ctx context.Context, command string, state Outputs) invocation {
	interpreter := state.Interpreter
	if len(interpreter) == 0 {
		interpreter = []string{"/bin/sh", "-c"}
	}
	run := invocation{
		command:   command,
		arguments: append(append([]string{}, interpreter...), command),
		env:       environment(state),
		logStdout: ignore,
		logStderr: ignore,
		redact:    redactor(ctx),
	}
	if state.Dir != nil {
		run.dir = *state.Dir
	}
	if state.Stdin != nil {
		run.stdin = strings.NewReader(*state.Stdin)
	}
	// A cancelled command still prints its last words, and they are worth showing.
	logger := p.GetLogger(context.WithoutCancel(ctx))
	show := func(line string) { logger.InfoStatus(run.redact(line)) }
	if logs(state.Logging, LogStdout) {
		run.logStdout = show
	}
	if logs(state.Logging, LogStderr) {
		run.logStderr = show
	}
	return run
}

// environment is the plugin's own, then what the program gave, then what the previous run printed; a later entry wins.
func environment(state Outputs) []string {
	env := os.Environ()
	for name, value := range state.Environment {
		env = append(env, name+"="+value)
	}
	if state.AddPreviousOutputInEnv != nil && !*state.AddPreviousOutputInEnv {
		return env
	}
	if state.Stdout != "" {
		env = append(env, "PULUMI_COMMAND_STDOUT="+state.Stdout)
	}
	if state.Stderr != "" {
		env = append(env, "PULUMI_COMMAND_STDERR="+state.Stderr)
	}
	return env
}

func logs(chosen *Logging, stream Logging) bool {
	return chosen == nil || *chosen == LogStdoutAndStderr || *chosen == stream
}

func ignore(string) {}
