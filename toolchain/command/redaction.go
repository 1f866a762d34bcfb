package main

import (
	"context"
	"sort"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// minSecret is the shortest secret, in bytes, that is looked for: anything shorter would blot out ordinary text.
const minSecret = 4

type secretsKey struct{}

// withRedaction tells every operation that runs a command which of its inputs are secret. Only here are they still marked: the resource itself receives
// plain values.
func withRedaction(provider p.Provider) p.Provider {
	create, update, remove := provider.Create, provider.Update, provider.Delete
	provider.Create = func(ctx context.Context, req p.CreateRequest) (p.CreateResponse, error) {
		return create(withSecrets(ctx, req.Properties), req)
	}
	provider.Update = func(ctx context.Context, req p.UpdateRequest) (p.UpdateResponse, error) {
		return update(withSecrets(ctx, req.Inputs, req.State), req)
	}
	provider.Delete = func(ctx context.Context, req p.DeleteRequest) error {
		return remove(withSecrets(ctx, req.Properties), req)
	}
	return provider
}

func withSecrets(ctx context.Context, properties ...property.Map) context.Context {
	found := []string{}
	for _, m := range properties {
		found = append(found, secretTexts(property.New(m), false)...)
	}
	return context.WithValue(ctx, secretsKey{}, found)
}

// secretTexts lists the texts inside a value that are secret, or lie below something that is.
func secretTexts(v property.Value, secret bool) []string {
	secret = secret || v.Secret()
	found := []string{}
	switch {
	case v.IsString():
		if text := v.AsString(); secret && len(text) >= minSecret {
			found = append(found, text)
		}
	case v.IsArray():
		for _, item := range v.AsArray().All {
			found = append(found, secretTexts(item, secret)...)
		}
	case v.IsMap():
		for _, item := range v.AsMap().All {
			found = append(found, secretTexts(item, secret)...)
		}
	}
	return found
}

// redactor returns what hides the secrets of the operation in a text that people see. It finds them as they were given, not encoded or cut in two.
func redactor(ctx context.Context) func(string) string {
	secrets, _ := ctx.Value(secretsKey{}).([]string)
	// The longest first: a secret may contain another.
	sort.Slice(secrets, func(i, j int) bool { return len(secrets[i]) > len(secrets[j]) })
	pairs := []string{}
	for _, secret := range secrets {
		pairs = append(pairs, secret, "[secret]")
	}
	return strings.NewReplacer(pairs...).Replace
}
