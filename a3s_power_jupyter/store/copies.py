"""Further names for the files of a model."""

from __future__ import annotations

import msgspec

from ..contract.errors import ModelAlreadyExists
from ..contract.parameters import DefaultParameters
from ..contract.types import Manifest
from .formats.description import with_template
from .manifest import content


def copy_manifest(
    original: Manifest, name: str, parameters: DefaultParameters | None, old: Manifest | None
) -> Manifest:
    """Return the manifest of a further name of a model; `old` if it need not change.

    `Manifest.created` is that of `original`, because it says when the files were hashed.

    Parameters
    ----------
    parameters : DefaultParameters or None
        The default parameters of the new name; None for those of `original`.
    old : Manifest or None
        The model that has this name.

    Raises
    ------
    ModelAlreadyExists
        If `old` has other files, or, without `parameters`, other default parameters.
    """
    copy = msgspec.structs.replace(original, name=name)
    if parameters is not None:
        capabilities = with_template(original.capabilities, parameters)
        copy = msgspec.structs.replace(
            copy, default_parameters=parameters, capabilities=capabilities
        )
    if old is None:
        return copy
    if content(old) == content(copy):
        return old
    with_own = msgspec.structs.replace(copy, default_parameters=old.default_parameters)
    if parameters is None or content(old) != content(with_own):
        raise ModelAlreadyExists(
            f"The model {name!r} already exists with different content or parameters. Choose "
            "another name, or delete it first.",
            param="name",
        )
    return copy
