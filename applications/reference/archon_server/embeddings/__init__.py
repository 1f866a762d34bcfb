"""Vectors for questions and passages, where an embeddings endpoint is configured."""
