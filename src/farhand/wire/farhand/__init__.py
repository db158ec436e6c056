"""The native protocol, `farhand.v1`: frames that batch whatever is waiting, in columns, ↔ model nouns."""
