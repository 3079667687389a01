"""``%power scan``: models of other programs on the server's machine."""

from __future__ import annotations

import argparse

from ..display import source_tables
from ..display.output import Output
from .session import Session


def scan(session: Session, arguments: argparse.Namespace) -> Output:
    """List models of other programs, each with the command that registers it."""
    return source_tables.local_models(session.client.local_models())
