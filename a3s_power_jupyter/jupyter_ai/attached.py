"""Read the attachments of a message in Jupyter AI: files, notebooks, cells and images."""

from __future__ import annotations

import base64
import json
import mimetypes
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..contract.errors import InvalidParameter

#: Bytes of a file that are read. An attachment must fit into the context of a model.
MAX_BYTES = 1 << 20
MAX_IMAGE_BYTES = 10 << 20

Part = dict[str, Any]


def parts_of(attachments: Iterable[Any], root: Path, *, images: bool) -> list[Part]:
    """Return the parts of a user message that have the content of attachments.

    Parameters
    ----------
    attachments : iterable
        Objects as ``jupyterlab_chat.models.FileAttachment`` and ``NotebookAttachment``.
    root : Path
        Folder that the paths of attachments are relative to, and have to be in.
    images : bool
        Whether the model sees images.

    Raises
    ------
    InvalidParameter
        If an attachment cannot be read.
    """
    return [_part(attachment, root, images) for attachment in attachments]


def _part(attachment: Any, root: Path, images: bool) -> Part:
    name = str(attachment.value)
    path = _inside(root, name)
    if selection := _get(attachment, "selection"):
        return _text(f"Selection in {name}", str(_get(selection, "content") or ""), path)
    cells = _get(attachment, "cells")
    if cells or path.suffix == ".ipynb":
        return _text_of_cells(name, path, cells)
    kind = mimetypes.guess_type(name)[0] or ""
    if kind.startswith("image/") and kind != "image/svg+xml":
        return _image(name, path, kind, images)
    content = _read(name, path, MAX_BYTES)
    try:
        return _text(f"File {name}", content.decode(), path)
    except UnicodeDecodeError:
        raise _unreadable(name, "it is neither a text nor an image") from None


def _inside(root: Path, name: str) -> Path:
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise _unreadable(name, "it is outside the folder of the notebook server")
    return path


def _read(name: str, path: Path, most: int) -> bytes:
    try:
        if not path.is_file():  # a pipe would block
            raise _unreadable(name, "there is no such file")
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise _unreadable(name, error.strerror or str(error)) from None
    if len(content) > most:
        raise _unreadable(name, f"it is larger than {most >> 20} MB")
    return content


def _image(name: str, path: Path, kind: str, images: bool) -> Part:
    if not images:
        raise _unreadable(name, "this model does not see images")
    content = base64.b64encode(_read(name, path, MAX_IMAGE_BYTES)).decode()
    return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{content}"}}


def _text_of_cells(name: str, path: Path, wanted: Any) -> Part:
    """Return the cells of a notebook, or those that were attached, with their outputs as text."""
    try:
        notebook = json.loads(_read(name, path, MAX_IMAGE_BYTES))
        cells = list(notebook["cells"])
    except (ValueError, KeyError, TypeError):
        raise _unreadable(name, "it is not a notebook of version 4") from None
    selections = {_get(cell, "id"): _get(cell, "selection") for cell in wanted or ()}
    if wanted:
        cells = [cell for cell in cells if cell.get("id") in selections]
        if len(cells) < len(selections):
            raise _unreadable(name, "a cell is not in the saved notebook. Save it first")
    texts = [_cell_text(cell, selections.get(cell.get("id"))) for cell in cells]
    return _text(f"Notebook {name}", "\n\n".join(texts), path.with_suffix(".md"))


def _cell_text(cell: dict[str, Any], selection: Any) -> str:
    source = str(_get(selection, "content")) if selection else _joined(cell.get("source"))
    if cell.get("cell_type") != "code":
        return source
    texts = [_fenced(source, "python")]
    if not selection:
        texts += [_fenced(text) for text in map(_output_text, cell.get("outputs") or ()) if text]
    return "\n\n".join(texts)


def _output_text(output: dict[str, Any]) -> str:
    if output.get("output_type") == "stream":
        return _joined(output.get("text"))
    if output.get("output_type") == "error":
        return f"{output.get('ename')}: {output.get('evalue')}"
    return _joined((output.get("data") or {}).get("text/plain"))


def _joined(text: Any) -> str:
    return text if isinstance(text, str) else "".join(text or ())


def _text(title: str, content: str, path: Path) -> Part:
    suffix = path.suffix.removeprefix(".")
    return {"type": "text", "text": f"{title}:\n\n{_fenced(content, suffix)}"}


def _fenced(content: str, language: str = "") -> str:
    fence = "```"
    while fence in content:
        fence += "`"
    return f"{fence}{language}\n{content.rstrip()}\n{fence}"


def _get(value: Any, name: str) -> Any:
    """Return a field of a dataclass, or of the dict that some versions leave in its place."""
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


def _unreadable(name: str, reason: str) -> InvalidParameter:
    return InvalidParameter(f"{name} cannot be attached: {reason}.", param="attachments")
