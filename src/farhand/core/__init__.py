"""The decisions, sans-IO: (event, now) → effects.

No clock, network, disk, thread, random or log may be imported here; time comes in as an argument, in seconds on one
monotonic clock, and what is to be done goes out as effects. `machine` is the only module others drive; the deciders
beside it don't know each other.
"""
