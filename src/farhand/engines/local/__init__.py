"""This machine's own threads and processes."""
