#!/bin/sh
# Starts the engine of the container. Its argument is the text of the engine's daemon.json.
set -eu

# The container is not privileged, so Docker has mounted these file systems read-only. Each mount is changed alone: the
# machine's other mounts of the same file systems keep the rest busy.
for each in /sys /sys/fs/cgroup /sys/fs/cgroup/*/; do
  if mountpoint -q "$each"; then mount -o remount,bind,rw "$each"; fi
done

mkdir -p /etc/docker
printf %s "$1" >/etc/docker/daemon.json
exec dockerd
