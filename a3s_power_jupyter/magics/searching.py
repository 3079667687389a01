"""``%power search``: search the hub, and show the models of a repository."""

from __future__ import annotations

import argparse
import re

from ..client.search_methods import HubModels, Repository
from ..display import hub_tables, output
from ..display.output import Output
from .session import Session

#: A single word that names a repository, or is the address of one.
_REPOSITORY = re.compile(r"(?:(?:https?|hf)://|hf\.co/)\S+|[\w.-]+/[\w.-]+(?:@[\w./+-]+)?")


def search(session: Session, arguments: argparse.Namespace) -> Output:
    """Show the repositories with these words in their names, or the models of one repository."""
    words = " ".join(arguments.words)
    if _REPOSITORY.fullmatch(words):
        return _show_repository(session, words, arguments.num_ctx)
    found = session.client.search(
        words, format=arguments.format, sort=arguments.sort, limit=arguments.limit
    )
    session.found = [model.id for model in found]
    table = hub_tables.repositories(found)
    return output.stack([table, output.note(_next_steps(found))]) if found else table


def _next_steps(found: HubModels) -> str:
    return (
        f"%power search {found[0].id} shows which quantizations of a repository fit this machine. "
        "%power pull OWNER/NAME downloads the best one."
    )


def _show_repository(session: Session, name: str, num_ctx: int | None) -> Output:
    found = session.client.repository(name, num_ctx=num_ctx)
    session.found = [variant.reference for variant in found.variants]
    return output.stack([hub_tables.repository(found), output.note(_how_to_pull(found))])


def _how_to_pull(found: Repository) -> str:
    if not found.variants:
        return "Search for another repository: %power search WORDS"
    here = next((v.installed for v in found.variants if v.recommended and v.installed), None)
    if here is not None:
        return f"The recommended one is already here: %%power {here} sends a cell to it."
    recommended = [variant for variant in found.variants if variant.recommended]
    if recommended:
        return f"Download it: %power pull {recommended[0].reference}"
    return (
        f"None of them fits this machine with {found.num_ctx} tokens of context. Try fewer with "
        "--num-ctx, free some memory, or choose a smaller model."
    )
