"""The prompts of the assistant."""

from __future__ import annotations

import msgspec


class Prompt(msgspec.Struct, frozen=True):
    """Templates of two messages, with words in braces that `assistant/prompts.py` fills in.

    Attributes
    ----------
    system : str
        The system message; empty for none.
    user : str
    """

    system: str
    user: str


class Prompts(msgspec.Struct, frozen=True):
    """The prompts, each under the name of what it is for."""

    explain_error: Prompt
    fix_error: Prompt
    explain: Prompt
    improve: Prompt
    document: Prompt
    write_tests: Prompt
    write_code: Prompt
