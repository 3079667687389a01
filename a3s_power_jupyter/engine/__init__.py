"""The engines, which run in worker processes, and the protocol between worker and server."""
