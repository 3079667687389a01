"""Find and check the multimodal projector (mmproj) of a GGUF vision model.

The projector encodes images. It is a separate file next to the model, with the architecture and
keys of llama.cpp's mtmd (clip-impl.h).
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from ...contract.errors import FileNotFound, InvalidParameter, UnsupportedModelFormat
from ..files import source_file
from ..os_errors import reading
from .description import Description, in_order
from .gguf import read_header

_MMPROJ_NAME = re.compile(r"(?<![A-Z0-9])mmproj(?![A-Z0-9]).*\.gguf$", re.IGNORECASE)


def is_mmproj(name: str) -> bool:
    """Return whether a file is a projector, by its name."""
    return _MMPROJ_NAME.search(name) is not None


def with_mmproj(description: Description, path: Path) -> Description:
    """Return `description` with the projector at `path`.

    Raises
    ------
    UnsupportedModelFormat
        If the file is not a projector for images.
    InvalidGGUF, FileNotFound, NotAFile, PathUnreadable, FileChanged
        If the file is damaged, cannot be read, or changes while it is read.
    """
    mmproj = source_file(path)
    header = read_header(mmproj)
    encodes_images = header.metadata.get("clip.has_vision_encoder") is not False
    if header.text("general.architecture") != "clip" or not encodes_images:
        raise UnsupportedModelFormat(
            f"{path} is not a multimodal projector (mmproj) for images. Choose the mmproj file "
            "that belongs to the model.",
            param="mmproj",
        )
    return with_vision(
        dataclasses.replace(
            description,
            files=(*description.files, dataclasses.replace(mmproj, role="mmproj")),
        )
    )


def with_vision(description: Description) -> Description:
    """Return `description` with the capability ``vision``."""
    return dataclasses.replace(
        description, capabilities=in_order({*description.capabilities, "vision"})
    )


def find_mmproj(model: Path) -> Path:
    """Return the only mmproj file next to a model.

    Raises
    ------
    FileNotFound
        If there is none.
    InvalidParameter
        If there are several.
    PathUnreadable
        If the directory cannot be read.
    """
    with reading(model.parent):
        found = sorted(path for path in model.parent.iterdir() if is_mmproj(path.name))
    if not found:
        raise FileNotFound(
            f"There is no mmproj file next to {model}, which the model needs for images. Set "
            "mmproj to its path, or omit the format to register the model for text only.",
            param="mmproj",
        )
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:5])
        raise InvalidParameter(
            f"There are {len(found)} mmproj files next to {model} ({names}). Set mmproj to the "
            "path of the right one.",
            param="mmproj",
        )
    return found[0]
