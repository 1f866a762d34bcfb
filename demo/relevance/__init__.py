"""How much a reranker gains: retrieval alone and reranked, on questions whose answers are known."""
