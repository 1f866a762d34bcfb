"""The HTTP side: the application, its middleware and its routes."""
