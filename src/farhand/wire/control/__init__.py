"""The control protocol: orders over HTTP as JSON, data over gRPC in a user's own messages. No I/O."""
