"""The door for database agents and their callers: messages of `agnt` ↔ the hub's verbs."""
