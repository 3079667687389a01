"""Child processes and the messages on their pipes."""
