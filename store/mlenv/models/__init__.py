"""Model snapshots: from a hub or from an archive, and the baselines of their answers."""
