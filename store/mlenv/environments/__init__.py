"""Environments: lock files, installation, byte code, import checks."""
