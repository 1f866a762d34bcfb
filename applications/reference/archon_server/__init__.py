"""The reference archon-server: documents in, reranked passages out, over the HTTP API of Archon."""
