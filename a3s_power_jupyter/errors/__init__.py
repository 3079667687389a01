"""The errors that this package raises, for ``except`` clauses."""

from __future__ import annotations

from ..contract.errors import *  # noqa: F403
