"""Names of tensors without the prefixes of torch's wrappers.

A model that is saved inside a wrapper has the wrapper's attribute in front of each name:
``_orig_mod.`` for torch.compile, ``module.`` for DataParallel and DistributedDataParallel.
"""

from __future__ import annotations

from collections.abc import Collection

_WRAPPERS = ("_orig_mod.", "module.")


def wrapper_prefix(names: Collection[str]) -> str:
    """Return the prefix of wrappers that all of the names start with, or ""."""
    prefix = ""
    while names:
        found = [p for p in _WRAPPERS if all(name.startswith(prefix + p) for name in names)]
        if not found:
            break
        prefix += found[0]
    return prefix
