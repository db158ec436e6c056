"""S3, or a server that speaks as it does, by obstore: the blobs of more than one hub."""

try:
    import obstore as obstore
except ImportError as missing:
    raise ImportError("blobs at s3:// need obstore: pip install 'farhand[s3]'") from missing
