"""The image part (mmproj) of a vision model in GGUF: a file of its own beside the model."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from ...contract.errors import FileNotFound, InvalidParameter, UnsupportedModelFormat
from ..files import reading, source_file
from .description import Description
from .gguf import read_header

_NAMED_SO = re.compile(r"(?<![A-Z0-9])mmproj(?![A-Z0-9]).*\.gguf$", re.IGNORECASE)


def with_mmproj(description: Description, path: Path) -> Description:
    """The model of `description`, with its image part at `path`.

    Raises
    ------
    InvalidGGUF, FileNotFound, NotAFile, PathUnreadable
    UnsupportedModelFormat
        `path` is another kind of GGUF file.
    """
    part = source_file(path)
    header = read_header(part)
    sees = header.metadata.get("clip.has_vision_encoder") is not False
    if header.text("general.architecture") != "clip" or not sees:
        raise UnsupportedModelFormat(
            f"{path} is no image part of a model (mmproj). It is published beside the model, and "
            "its name begins with mmproj.",
            param="mmproj",
        )
    return with_vision(
        dataclasses.replace(
            description,
            files=(*description.files, dataclasses.replace(part, role="mmproj")),
        )
    )


def with_vision(description: Description) -> Description:
    """`description` of a model that comes with its image part."""
    return dataclasses.replace(description, capabilities=(*description.capabilities, "vision"))


def find_mmproj(model: Path) -> Path:
    """The one mmproj file beside a model.

    Raises
    ------
    FileNotFound
        There is none.
    InvalidParameter
        There are several.
    """
    with reading(model.parent):
        found = sorted(path for path in model.parent.iterdir() if _NAMED_SO.search(path.name))
    if not found:
        raise FileNotFound(
            f"There is no mmproj file beside {model}, and without it the model sees no images. "
            "Give its path as mmproj, or leave the format out to register the model for text.",
            param="mmproj",
        )
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:5])
        raise InvalidParameter(
            f"There are {len(found)} mmproj files beside {model} ({names}). Give the path of the "
            "right one as mmproj.",
            param="mmproj",
        )
    return found[0]
