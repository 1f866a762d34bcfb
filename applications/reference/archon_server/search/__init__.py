"""Finds passages and ranks them."""
