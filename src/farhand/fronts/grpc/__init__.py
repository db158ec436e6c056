"""The native door: `farhand.v1` over grpc.aio, with health and reflection."""
