"""Run one pull in its own process."""
