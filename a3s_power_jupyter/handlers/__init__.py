"""HTTP handlers: read requests, call the service, and write replies."""
