"""Name the fields of a request that have no effect, in a reply header and in the log."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import quote

import msgspec

from ..contract.lenient import struct_fields
from ..contract.parameters import close_matches
from ..contract.text import quoted

#: The reply header with the names.
HEADER = "X-Power-Ignored"

#: Most bytes of a name in the header, and of all names. Proxies limit the head of a reply to 4 kB.
MAX_NAME = 64
MAX_HEADER = 1024

#: Most names in the log.
MAX_LOGGED = 20


def ignored_fields(
    body: dict[str, Any],
    type_: type[msgspec.Struct],
    aliases: Mapping[str, str] = {},
    refused: Collection[str] = (),
) -> Iterator[str]:
    """Yield the fields of `body` that are not null and not in `type_`, in their order.

    ``stream_options.x`` is a field of an object that is a struct in `type_`. Fields of other
    objects, such as messages, are not named.

    Parameters
    ----------
    aliases : dict
        Other names of fields of `type_`.
    refused : collection of str
        Fields that are refused, unless they request nothing.
    """
    known = {field.encode_name: field.type for field in struct_fields(type_)}
    for name, value in body.items():
        if value is None or name in refused or aliases.get(name) in known:
            continue
        if name not in known:
            yield name
        elif isinstance(value, dict) and _is_struct(known[name]):
            for nested in ignored_fields(value, known[name], aliases):
                yield f"{name}.{nested}"


def _is_struct(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, msgspec.Struct)


def header_value(names: Iterator[str]) -> str:
    """Return the names for `HEADER`, separated by commas; ``...`` stands for further ones.

    Characters other than letters, digits and ``_.-~`` are percent-encoded.
    """
    listed: list[str] = []
    size = 0
    for name in names:
        item = quote(name[:MAX_NAME], safe="", errors="replace")[:MAX_NAME] or '""'
        size += len(item) + 2
        if size > MAX_HEADER:
            return ", ".join([*listed, "..."])
        listed.append(item)
    return ", ".join(listed)


def describe(names: Iterator[str], type_: type[msgspec.Struct]) -> str:
    """Return the names for the log, each with the name of a known field if it looks like one."""
    known = [field.encode_name for field in struct_fields(type_)]
    described = []
    for name in islice(names, MAX_LOGGED):
        near = close_matches(name, known)
        described.append(quoted(name) + (f" (did you mean {near[0]!r}?)" if near else ""))
    return ", ".join(described)
