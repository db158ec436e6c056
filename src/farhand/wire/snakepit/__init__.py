"""The wire of snakepit: what pools and Python workers say ↔ model. No I/O; the generated code is in `_pb`."""
