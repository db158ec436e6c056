"""Feeds the machine and performs its effects. `service.Hub` holds the verbs that every front calls.

Nothing here knows a protocol or decides: what a front sends comes in as nouns, decisions are the core's, and answers
go out through the `Sink` and `WorkerPort` that the front brought.
"""
