"""Read what the memory of a model depends on from the headers of its files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from ...contract.types import Geometry
from ..files import source_file
from . import directory_geometry, gguf_geometry
from .ggml import TENSOR_TYPES
from .gguf import read_header
from .json_file import read_object


def gguf_geometry_of(paths: Sequence[Path], mmproj: Path | None = None) -> Geometry:
    """Return the geometry of a GGUF model and its projector. Takes up to 0.1 s.

    Raises
    ------
    InvalidGGUF, FileNotFound, NotAFile, PathUnreadable, FileChanged
        If a file is damaged, cannot be read, or changes while it is read.
    """
    headers = [read_header(source_file(path)) for path in paths]
    geometry = gguf_geometry.read_geometry(headers)
    if any(tensor.type not in TENSOR_TYPES for header in headers for tensor in header.tensors):
        files = sum(path.stat().st_size for path in paths)
        geometry = msgspec.structs.replace(geometry, weights=files)
    if mmproj is None:
        return geometry
    header = read_header(source_file(mmproj))
    return msgspec.structs.replace(
        geometry,
        projector=sum(map(gguf_geometry.tensor_bytes, header.tensors)),
        image=gguf_geometry.image_values(header),
    )


def directory_geometry_of(config: Path) -> Geometry:
    """Return the geometry of a model directory, given the path of its `config.json`.

    Raises
    ------
    InvalidModelDirectory, FileNotFound, NotAFile, PathUnreadable, FileChanged
        If the file cannot be used.
    """
    return directory_geometry.read_geometry(read_object(config))
