"""Operating system processes: starting others, and ending this one gracefully."""
