// Package shim hands out the upstream provider, which lives in an internal package: only a module whose path lies below upstream's may import it.
package shim

import (
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/terraform-providers/terraform-provider-docker/internal/provider"
)

// NewProvider returns the upstream provider; the version is only sent to registries as part of the user agent.
func NewProvider() *schema.Provider { return provider.New("pulumi")() }
