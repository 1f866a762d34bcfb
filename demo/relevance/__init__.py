"""Measures how much reranking improves search results, on questions whose answers are known."""
