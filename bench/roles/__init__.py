"""One module a process: `python -m bench.roles.NAME ARGUMENTS`.

Each writes a line of JSON on stdout once it is ready, and ends when its stdin does. A client then obeys orders, a line
of JSON each: `{"do": "rate", "in_flight": 256, "seconds": 3}` is answered by `{"value": 1234.5}`.
"""
