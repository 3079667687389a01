"""From a list of files to blobs on disk."""
