"""A client of a Hugging Face-like hub: listings, resumable downloads, mirrors."""
