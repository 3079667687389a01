"""Name settings in messages as on the line of a magic.

The client writes ``overwrite=True`` (`contract.spelling`), where the magics have ``--overwrite``.
"""

from __future__ import annotations

import re

from ..contract.parameters import DefaultParameters
from ..contract.spelling import in_python

#: Options without a value.
_FLAGS = ("background", "copy", "force", "keep_partial", "overwrite")

#: Options of which the name is no English word, so that it cannot mean anything else.
_OPTIONS = {
    name: "--" + name.replace("_", "-")
    for name in ("api_key_env", "json_schema", "keep_alive", "max_rounds", "tool_choice")
} | {"base_url": "--upstream-url", "reasoning_effort": "--effort"}

#: Parameters of models, which are given with ``-p``.
_PARAMETERS = [name for name in DefaultParameters.__struct_fields__ if "_" in name]

_NAMES = "|".join(sorted({*_OPTIONS, *_PARAMETERS}, key=len, reverse=True))
# A name in quotes is part of a value, and one after a dash is an option already.
_NAME = re.compile(rf"(?<![\w'\"`./-])(?<!-p )({_NAMES})(?![\w'\"`])")
_FLAG = re.compile(rf"\b({'|'.join(_FLAGS)})=True\b")
_NESTED = re.compile(r"\bupstream\.(?=[a-z_]+)")
_DEFAULT = re.compile(r"\bdefault_parameters\.(?=[a-z_]+)")

# Values of an option that is given several times are a list, which nobody has typed.
_ELEMENT = re.compile(r"(--[a-z-]+)\[(\d+)\]")
_TOO_MANY = re.compile(r"(--[a-z-]+) must have at most (\d+) elements, not (\d+)")

# What can be written in place of a wrong name, without the option before it.
_ALTERNATIVES = re.compile(r"(Use one of: [^.]*)")


def in_options(text: str) -> str:
    """Return a message of the client or the server with the settings as options of a magic."""
    text = in_python(text).replace(" in 'default_parameters'", "").replace(" in 'upstream'", "")
    text = _FLAG.sub(lambda found: "--" + found[1].replace("_", "-"), text)
    text = _NESTED.sub("", _DEFAULT.sub("-p ", text))
    parts = _ALTERNATIVES.split(text)
    parts[::2] = [_NAME.sub(_option, part) for part in parts[::2]]
    text = _TOO_MANY.sub(r"\1 can be given \2 times at most, not \3", "".join(parts))
    return _ELEMENT.sub(lambda found: f"{found[1]} number {int(found[2]) + 1}", text)


def _option(found: re.Match[str]) -> str:
    return _OPTIONS.get(found[1]) or f"-p {found[1]}"
