"""Send requests to the hub, within limits, and to where it redirects."""
