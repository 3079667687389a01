"""The language of the code below a cell magic.

`labextension/src/lab/context/cellMagic.ts` tells it in the same way.
"""

from __future__ import annotations

import re

#: Magics of code in another language than Python, and this language as in Markdown.
_LANGUAGES = {
    "bash": "bash",
    "file": "",
    "html": "html",
    "javascript": "javascript",
    "js": "javascript",
    "latex": "latex",
    "markdown": "markdown",
    "perl": "perl",
    "r": "r",
    "ruby": "ruby",
    "sh": "bash",
    "sql": "sql",
    "svg": "svg",
    "sx": "bash",
    "system": "bash",
    "writefile": "",
}

_MAGIC = re.compile(r"\s*%%(\w+)")


def code_language(source: str) -> str:
    """Return the language of the code of a cell in an IPython session; '' if it is not known."""
    found = _MAGIC.match(source)
    return _LANGUAGES.get(found[1].lower(), "python") if found else "python"
