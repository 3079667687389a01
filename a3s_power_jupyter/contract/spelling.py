"""Name settings in messages as in the code of whoever reads them.

Messages of the server name a setting as a request does: ``"overwrite": true`` in a body,
``?force=true`` in an address. The client writes ``overwrite=True``, and the magics ``--overwrite``
(`magics.spelling`).
"""

from __future__ import annotations

import re

_IN_REQUEST = re.compile(r'"(?P<name>[a-z_]+)": (?P<value>true|false)|\?(?P<flag>[a-z_]+)=true')


def in_python(text: str) -> str:
    """Return a message of the server with the settings as arguments of the client."""
    return _IN_REQUEST.sub(_argument, text)


def _argument(found: re.Match[str]) -> str:
    if found["flag"]:
        return f"{found['flag']}=True"
    return f"{found['name']}={found['value'].capitalize()}"
