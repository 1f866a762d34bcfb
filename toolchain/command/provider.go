package main

import (
	"context"
	"strings"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// newProvider returns the provider; grace is how long a cancelled command has between SIGTERM and SIGKILL.
func newProvider(grace time.Duration) p.Provider {
	provider := infer.Provider(infer.Options{
		Resources: []infer.InferredResource{infer.Resource(&Command{grace: grace})},
	})
	provider.Diff = replaceOnTriggers(provider.Diff)
	return withRedaction(provider)
}

type diffFunc = func(context.Context, p.DiffRequest) (p.DiffResponse, error)

// replaceOnTriggers makes every change of, or inside, `triggers` a replacement. A `replaceOnChanges` tag on the field would cover only a list that
// appears or disappears, not a changed element.
func replaceOnTriggers(diff diffFunc) diffFunc {
	replacement := map[p.DiffKind]p.DiffKind{
		p.Add:    p.AddReplace,
		p.Delete: p.DeleteReplace,
		p.Update: p.UpdateReplace,
	}
	return func(ctx context.Context, req p.DiffRequest) (p.DiffResponse, error) {
		response, err := diff(ctx, req)
		for path, change := range response.DetailedDiff {
			if kind, ok := replacement[change.Kind]; ok && isWithin(path, "triggers") {
				change.Kind = kind
				response.DetailedDiff[path] = change
			}
		}
		return response, err
	}
}

// isWithin tells whether a property path is the property itself or lies below it.
func isWithin(path, property string) bool {
	rest, found := strings.CutPrefix(path, property)
	return found && (rest == "" || rest[0] == '[' || rest[0] == '.')
}
