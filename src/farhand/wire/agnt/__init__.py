"""The wire of agnt: what database agents and their callers say ↔ model. No I/O; the generated code is in `_pb`."""
