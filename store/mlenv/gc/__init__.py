"""Garbage collection: what nothing needs any more is removed."""
