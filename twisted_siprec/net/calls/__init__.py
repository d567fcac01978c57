"""The recording server, which joins signalling to media, and what is told of its calls."""
