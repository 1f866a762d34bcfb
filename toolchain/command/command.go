package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Command runs a shell command when it is created, updated and deleted.
type Command struct {
	grace time.Duration
}

// Inputs are what a program gives. Any changed input but Triggers is an update, which runs Update, or Create where that is not given.
type Inputs struct {
	Create                 *string           `pulumi:"create,optional"`
	Update                 *string           `pulumi:"update,optional"`
	Delete                 *string           `pulumi:"delete,optional"`
	Interpreter            []string          `pulumi:"interpreter,optional"` // program and arguments that take the command; default /bin/sh -c
	Dir                    *string           `pulumi:"dir,optional"`         // default: the plugin's directory, that is the program's
	Environment            map[string]string `pulumi:"environment,optional"` // added to the plugin's own environment
	Stdin                  *string           `pulumi:"stdin,optional"`
	Triggers               []any             `pulumi:"triggers,optional"` // a change replaces the resource
	Logging                *Logging          `pulumi:"logging,optional"`
	AddPreviousOutputInEnv *bool             `pulumi:"addPreviousOutputInEnv,optional"` // default true
}

// Outputs are the inputs and what the last run printed, each without its last newline.
type Outputs struct {
	Inputs
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

// Logging says which of the two streams is shown while the command runs; both are always captured.
type Logging string

const (
	LogStdout          Logging = "stdout"
	LogStderr          Logging = "stderr"
	LogStdoutAndStderr Logging = "stdoutAndStderr"
	LogNone            Logging = "none"
)

// Values names the members in the schema.
func (Logging) Values() []infer.EnumValue[Logging] {
	return []infer.EnumValue[Logging]{
		{Name: "Stdout", Value: LogStdout, Description: "Show standard output, not standard error."},
		{Name: "Stderr", Value: LogStderr, Description: "Show standard error, not standard output."},
		{Name: "StdoutAndStderr", Value: LogStdoutAndStderr, Description: "Show both."},
		{Name: "None", Value: LogNone, Description: "Show neither."},
	}
}

// Annotate puts the resource under its token, command:local:Command.
func (c *Command) Annotate(a infer.Annotator) {
	a.SetToken("local", "Command")
}

// WireDependencies lets secrets and unknowns of every input flow into both outputs: a command may print what it was given.
func (c *Command) WireDependencies(f infer.FieldSelector, args *Inputs, state *Outputs) {
	f.OutputField(&state.Stdout).DependsOn(f.InputField(args))
	f.OutputField(&state.Stderr).DependsOn(f.InputField(args))
}

// Check refuses what this provider does not do, rather than ignoring it.
func (c *Command) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[Inputs], error) {
	given, refused := req.NewInputs, []p.CheckFailure{}
	for _, property := range []string{"assetPaths", "archivePaths"} {
		if value, ok := given.GetOk(property); ok && !value.IsNull() {
			refused = append(refused, p.CheckFailure{
				Property: property,
				Reason: "is not supported by this build of the command provider, which returns stdout and stderr only; " +
					"read the files in a later step, or use the provider from Pulumi's own download",
			})
		}
		given = given.Delete(property)
	}
	inputs, failures, err := infer.DefaultCheck[Inputs](ctx, given)
	failures = append(failures, refused...)
	if inputs.Logging != nil && !given.Get("logging").IsComputed() {
		failures = append(failures, inputs.Logging.check()...)
	}
	return infer.CheckResponse[Inputs]{Inputs: inputs, Failures: failures}, err
}

func (l Logging) check() []p.CheckFailure {
	allowed := []string{}
	for _, member := range l.Values() {
		if member.Value == l {
			return nil
		}
		allowed = append(allowed, string(member.Value))
	}
	return []p.CheckFailure{{
		Property: "logging",
		Reason:   fmt.Sprintf("is %q; allowed are %s", string(l), strings.Join(allowed, ", ")),
	}}
}

// Create runs the create command, if there is one.
func (c *Command) Create(ctx context.Context, req infer.CreateRequest[Inputs]) (infer.CreateResponse[Outputs], error) {
	id, err := resource.NewUniqueHex(req.Name, 8, 0)
	if err != nil {
		return infer.CreateResponse[Outputs]{}, err
	}
	state := Outputs{Inputs: req.Inputs}
	if !req.DryRun {
		state, err = c.run(ctx, req.Inputs.Create, state)
	}
	return infer.CreateResponse[Outputs]{ID: id, Output: state}, err
}

// Update runs the update command, or the create command where there is none.
func (c *Command) Update(ctx context.Context, req infer.UpdateRequest[Inputs, Outputs]) (infer.UpdateResponse[Outputs], error) {
	state := Outputs{Inputs: req.Inputs, Stdout: req.State.Stdout, Stderr: req.State.Stderr}
	if req.DryRun {
		return infer.UpdateResponse[Outputs]{Output: state}, nil
	}
	command := req.Inputs.Update
	if command == nil {
		command = req.Inputs.Create
	}
	state, err := c.run(ctx, command, state)
	return infer.UpdateResponse[Outputs]{Output: state}, err
}

// Delete runs the delete command of the state, if there is one.
func (c *Command) Delete(ctx context.Context, req infer.DeleteRequest[Outputs]) (infer.DeleteResponse, error) {
	_, err := c.run(ctx, req.State.Delete, req.State)
	return infer.DeleteResponse{}, err
}

// run executes a command with the inputs of a state and returns the state with the new outputs; without a command the state is as it was.
func (c *Command) run(ctx context.Context, command *string, state Outputs) (Outputs, error) {
	if command == nil {
		return state, nil
	}
	output, err := execute(ctx, newInvocation(ctx, *command, state), c.grace)
	if err != nil {
		return state, err
	}
	state.Stdout, state.Stderr = output.stdout, output.stderr
	return state, nil
}
