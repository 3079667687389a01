"""What runs in a worker process, and the pipe to it (`protocol`)."""
