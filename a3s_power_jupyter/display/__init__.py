"""Format sizes, durations and pulls as text and HTML."""
