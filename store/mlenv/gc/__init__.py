"""Garbage collection: finds what nothing needs any more, and removes it."""
