"""Messages ↔ model, one folder a protocol. No I/O, no decisions: bytes in, nouns out, and back."""
