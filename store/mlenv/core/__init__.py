"""What every other package uses: names of models, errors, progress messages, file locks, durable writes, disk space."""
