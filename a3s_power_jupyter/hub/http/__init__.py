"""Send requests to the hub and follow its redirects, within limits."""
