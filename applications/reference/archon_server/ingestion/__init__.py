"""Takes uploads and crawls in and stores them, in the background."""
