"""The wire of nextflow: what Nextflow and its AI actors say ↔ model. No I/O; the generated code is in `_pb`."""
