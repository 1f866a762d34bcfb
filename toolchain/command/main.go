// Command pulumi-resource-command is a provider for one resource, command:local:Command, with the inputs, outputs and life cycle of the
// provider that @pulumi/command 1.2.1 belongs to. That one is not published as a Go module, so this one is written from its documentation.
package main

import (
	"context"
	"fmt"
	"os"
)

const (
	providerName = "command"
	version      = "1.2.1"
)

func main() {
	provider := newProvider(terminationGrace)
	if err := provider.Run(context.Background(), providerName, version); err != nil {
		fmt.Fprintf(os.Stderr, "pulumi-resource-command: %v\n", err)
		os.Exit(1)
	}
}
