"""The native protocol, `farhand.v1`: frames that batch whatever is waiting, in columns, ↔ model nouns."""

import os

# gRPC reads it at its first channel. Its fork handlers would start its threads in the forked process, where they crash.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
