"""KEEP: the only rooms that hold a connection."""
