"""Read what the hub says about a repository. Its replies may have any form.

The fields are those of huggingface_hub's ``ModelInfo``.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from msgspec import UNSET, UnsetType

from ...contract.text import printable
from ...contract.types import HubFormat, HubModel
from ..resolve.reference import REPO

#: What to ask for about each repository.
EXPAND = [
    "downloads", "gated", "gguf", "lastModified", "likes", "pipeline_tag", "safetensors", "tags",
]  # fmt: skip

#: Characters of the longest name of a repository, and of a task or a license.
MAX_ID = 200
MAX_TEXT = 100
#: Tags that are read of a repository.
MAX_TAGS = 1000
#: Largest count of anything.
MAX_COUNT = 1 << 53

#: Names of types, such as ``BF16`` and ``F8_E4M3``.
_TYPE = re.compile(r"[A-Z0-9_]{1,20}")

_FORMATS: tuple[HubFormat, ...] = ("gguf", "safetensors")
_LICENSE = "license:"


def model_of(raw: Any) -> HubModel | None:
    """Return the repository that the hub describes; None if it has no valid name.

    Other fields that are missing or of a wrong type are left out.
    """
    fields = raw if isinstance(raw, dict) else {}
    name = fields.get("id")
    if not isinstance(name, str) or len(name) > MAX_ID or not re.fullmatch(REPO, name):
        return None
    listed = fields.get("tags")
    listed = listed[:MAX_TAGS] if isinstance(listed, list) else []
    tags = [tag for tag in listed if isinstance(tag, str)]
    return HubModel(
        id=name,
        formats=tuple(name for name in _FORMATS if name in tags or fields.get(name)),
        downloads=_count(fields.get("downloads")) or 0,
        likes=_count(fields.get("likes")) or 0,
        task=_text(fields.get("pipeline_tag")),
        license=_license(tags),
        gated=_gated(fields.get("gated")),
        updated_at=_time(fields.get("lastModified")),
        parameter_count=_total(fields.get("safetensors")) or _total(fields.get("gguf")) or UNSET,
    )


def stored_type(raw: Any) -> str | None:
    """Return the type of most weights of a safetensors model, as the hub states it."""
    fields = raw.get("safetensors") if isinstance(raw, dict) else None
    counts = fields.get("parameters") if isinstance(fields, dict) else None
    known = {name: _count(n) or 0 for name, n in counts.items()} if isinstance(counts, dict) else {}
    name = max(known, key=lambda name: known[name], default=None)
    return name if name is not None and _TYPE.fullmatch(name) else None


def _count(value: Any) -> int | None:
    """Return a natural number, also if it is written as a float."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MAX_COUNT else None


def _total(value: Any) -> int | None:
    return _count(value.get("total")) if isinstance(value, dict) else None


def _text(value: Any) -> str | UnsetType:
    text = printable(value).strip() if isinstance(value, str) and len(value) <= MAX_TEXT else ""
    return text if text and text.isprintable() else UNSET


def _license(tags: list[str]) -> str | UnsetType:
    found = (tag.removeprefix(_LICENSE) for tag in tags if tag.startswith(_LICENSE))
    return _text(next(found, None))


def _gated(value: Any) -> Any:
    """Return `Gated`; whoever says "true" may review requests."""
    if value in ("auto", "manual"):
        return value
    return "manual" if value else False


def _time(value: Any) -> int | UnsetType:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        return UNSET
    try:
        when = datetime.fromisoformat(value)
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return max(0, int(when.timestamp()))
    except (ValueError, OverflowError):
        return UNSET
