"""A soak test: many clients that do random things to one server for a long time.

``python -m soak`` in `tests/` runs it, as ``make soak`` does. See docs/reliability.md.
"""
