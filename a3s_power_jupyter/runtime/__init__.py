"""Who is loaded: a pure eviction policy, a scheduler of leases, and worker processes."""
