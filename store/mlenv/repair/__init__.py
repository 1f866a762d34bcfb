"""Repairs damaged environments and snapshots in place."""
