"""Numbers of a slice."""
