"""Devaria's JSON bodies ↔ the model; no I/O."""
