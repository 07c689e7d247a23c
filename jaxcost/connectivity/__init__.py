"""Paths between networks, and networks that are the same function."""
