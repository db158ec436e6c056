"""Nextflow's doors: AI actions over gRPC, and what Nextflow itself posts over HTTP. Both ask the same policy."""
