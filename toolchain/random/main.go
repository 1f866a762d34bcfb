// Command pulumi-resource-random is the random provider for Pulumi: the upstream Terraform provider behind Pulumi's bridge, under the tokens that the
// @pulumi/random SDK of the same version uses.
package main

import (
	"context"

	pf "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/tokens"
	"github.com/terraform-providers/terraform-provider-random/shim"
)

const version = "4.21.2"

// The engine asks the plugin for nothing more than its name and version: the full schema only serves to generate SDKs, and those come from npm.
const packageSchema = `{"name":"random","version":"` + version + `"}`

func provider() tfbridge.ProviderInfo {
	info := tfbridge.ProviderInfo{
		P:                           pf.ShimProvider(shim.NewProvider()),
		Name:                        "random",
		Version:                     version,
		MetadataInfo:                tfbridge.NewProviderMetadata([]byte(`{}`)),
		EnableAccurateBridgePreview: true,
	}
	standard := tokens.MakeStandard("random")
	info.MustComputeTokens(tokens.SingleModule("random_", "index", func(module, name string) (string, error) {
		return standard(module, "Random"+name)
	}))
	return info
}

func main() {
	pf.Main(context.Background(), "random", provider(), pf.ProviderMetadata{
		PackageSchema:  []byte(packageSchema),
		BridgeMetadata: []byte(`{}`),
	})
}
