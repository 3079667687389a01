"""The thoughts of a model in items of the type ``reasoning``.

OpenAI hides the thoughts of its models and returns them encrypted, so that clients that store
nothing on the server can send them back. The thoughts of local models are no secret: they are in
the item as text. ``encrypted_content`` has the same thoughts once more, encoded, for clients that
send back that field only.
"""

from __future__ import annotations

import base64
from typing import Any

#: The start of what `sealed` returns. It is not encrypted, but says who can read it.
_MARK = "a3s-power:"


def sealed(thoughts: str) -> str:
    """Return thoughts in the form of ``encrypted_content``."""
    return _MARK + base64.urlsafe_b64encode(thoughts.encode()).decode()


def unsealed(content: str) -> str | None:
    """Undo `sealed`; None if `content` is that of another server."""
    if not content.startswith(_MARK):
        return None
    try:
        return base64.urlsafe_b64decode(content.removeprefix(_MARK)).decode()
    except ValueError:
        return None


def readable(parts: list[dict[str, Any]]) -> str:
    """Return the text of the parts of a content or a summary."""
    return "\n".join(part["text"] for part in parts)


def thoughts_of(item: dict[str, Any]) -> str:
    """Return the thoughts of an item in its full form, wherever they are."""
    text = readable(item.get("content") or []) or readable(item["summary"])
    return text or unsealed(item.get("encrypted_content") or "") or ""
