"""Blobs in a bucket of S3 or of a store that speaks as it does, by `obstore` (``pip install 'farhand[s3]'``)."""
