"""Exceptions of a transfer that the user does not see."""

from __future__ import annotations


class ContentChanged(Exception):
    """The content at the hub differs from its listing, which has to be requested again."""
