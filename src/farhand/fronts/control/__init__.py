"""The control protocol's doors: orders over HTTP, and data in a user's own protobuf messages over gRPC."""
