"""The bodies of the hub's HTTP API ↔ model. No I/O."""
