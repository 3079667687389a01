"""Check grammars in llguidance's Lark that come from requests."""

from __future__ import annotations

import json
import re

from .gbnf import MAX_RULES
from .problems import CannotConstrain
from .schemas import prepared

_SCHEMA = re.compile(r"%json\s*(?=\{)")
_BRACKETS = re.compile(r"[(\[]|[)\]]")
_IGNORED = re.compile(r'"(?:\\.|[^"\\\n])*"|/(?:\\.|[^/\\\n])+/|//[^\n]*|#[^\n]*')
_RULE = re.compile(r"^[ \t]*[?!]?[A-Za-z_][\w-]*\s*(?:\[[^\]]*\])?\s*:", re.MULTILINE)
_REPETITION = re.compile(r"(?:\{\s*|,\s*|~\s*|\.\.\s*)(\d{7,})")

#: Deepest nesting of groups. llguidance parses them on the stack of its thread.
MAX_DEPTH = 100


def checked_lark(grammar: str) -> str:
    """Return a grammar in which the JSON schemas are rewritten as those of other requests.

    Raises
    ------
    CannotConstrain
        If a schema cannot be kept, or the grammar has too many rules or is nested too deeply.
    """
    _check_depth(grammar)
    if len(_RULE.findall(grammar)) > MAX_RULES:
        raise CannotConstrain(f"The grammar has more than {MAX_RULES} rules.")
    out, at = "", 0
    while match := _SCHEMA.search(grammar, at):
        out += grammar[at : match.end()]
        try:
            schema, at = json.JSONDecoder().raw_decode(grammar, match.end())
        except (ValueError, RecursionError):
            raise CannotConstrain("A schema after '%json' in the grammar is not JSON.") from None
        out += json.dumps(prepared(schema))
    return out + grammar[at:]


def _check_depth(grammar: str) -> None:
    depth = 0
    text = _IGNORED.sub("", grammar)
    for bracket in _BRACKETS.finditer(text):
        depth = max(0, depth + (1 if bracket[0] in "([" else -1))
        if depth > MAX_DEPTH:
            raise CannotConstrain("The grammar is nested too deeply. Use a flatter one.")
    if _REPETITION.search(text):
        raise CannotConstrain("The grammar repeats something more than a million times.")
