"""Combine the errors of several upstreams to one."""

from __future__ import annotations

from collections.abc import Sequence

from ..contract.errors import PowerError, ServerBusy, UpstreamError
from .responses import cut

#: Characters of each message in that of all.
MAX_PART = 240


def combined(failures: Sequence[tuple[str, PowerError]]) -> PowerError:
    """Return the error for a request that no upstream has answered.

    It has the code that all errors have in common. Otherwise it is `ServerBusy` if one of the
    upstreams was busy, because the same request may succeed later, and `UpstreamError` if not.

    Parameters
    ----------
    failures : sequence of (str, PowerError)
        The URL and the error of each upstream, without secrets; not empty.
    """
    if len(failures) == 1:
        return failures[0][1]
    errors = [error for _, error in failures]
    kinds = {type(error) for error in errors}
    kind: type[PowerError] = UpstreamError
    if len(kinds) == 1:
        kind = kinds.pop()
    elif ServerBusy in kinds:
        kind = ServerBusy
    servers: dict[str, list[str]] = {}
    for url, error in failures:
        servers.setdefault(error.message, []).append(url)
    if len(servers) == 1 and kind.status < 500:
        message = errors[0].message  # about the request, not the servers
    else:
        reasons = (f"{', '.join(urls)}: {cut(text, MAX_PART)}" for text, urls in servers.items())
        message = f"None of the {len(failures)} upstreams answered. {' '.join(reasons)}"
    waits = [error.retry_after for error in errors if error.retry_after is not None]
    return kind(message, param=errors[0].param, retry_after=min(waits, default=None))
