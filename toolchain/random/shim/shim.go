// Package shim hands out the upstream provider, which lives in an internal package: only a module whose path lies below upstream's may import it.
package shim

import (
	tf "github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/terraform-providers/terraform-provider-random/internal/provider"
)

// NewProvider returns the upstream provider.
func NewProvider() tf.Provider { return provider.New() }
