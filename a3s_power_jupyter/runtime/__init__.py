"""Load models into worker processes, lease them to requests, and evict them. See design.md."""
