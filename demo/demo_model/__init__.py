"""The demo reranker: how it is trained, and how well it ranks passages that it was not trained on."""
