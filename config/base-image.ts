/**
 * The image that everything is built from when configuration says `baseImage: auto` and the set-up found nothing else:
 * Debian bookworm with CPython 3.11, pinned by the digest of its multi-platform index.
 */
export const DEFAULT_BASE_IMAGE =
  "python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b";
