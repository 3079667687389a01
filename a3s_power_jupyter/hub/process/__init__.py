"""The process that runs one pull."""
