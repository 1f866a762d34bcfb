"""Bundles: environments and snapshots as one stream, for hosts without a network."""
