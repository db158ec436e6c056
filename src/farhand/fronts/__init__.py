"""The hub's doors, one folder a protocol: messages in, verbs of `hub.service` called, answers out.

No business logic."""
