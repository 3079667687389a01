"""Engines, which run in worker processes, and the protocol between a worker and the server."""
