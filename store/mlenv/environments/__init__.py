"""ML environments: lock files, installation, byte code, import checks."""
