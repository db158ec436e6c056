"""Frozen nouns that every room may use. Nothing here acts, reads a clock or knows a wire: data and validation only."""
