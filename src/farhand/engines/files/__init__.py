"""Local files: results that a service keeps, and the blobs of large payloads."""
