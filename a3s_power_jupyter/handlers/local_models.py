"""Handler of ``/v1/local-models``, and paths of JupyterLab's file browser."""

from __future__ import annotations

from typing import Any

from jupyter_server.services.contents.fileio import FileManagerMixin
from jupyter_server.utils import ApiPath, to_os_path

from ..contract.errors import InvalidParameter
from .auth import allowed
from .base import PowerHandler


class LocalModelsHandler(PowerHandler):
    @allowed("read")
    async def get(self) -> None:
        """List the models that other programs have downloaded to this machine."""
        self.finish_json(await self.service.local_models.models())


def file_path(contents_path: str, manager: Any) -> str:
    """Return the path on the server of a path in JupyterLab's file browser.

    Parameters
    ----------
    contents_path : str
        Path relative to the root of the file browser, with slashes.
    manager : ContentsManager
        What the file browser shows.

    Raises
    ------
    InvalidParameter
        If the path leaves the root, or the file browser does not show files of the server.
    """
    if not isinstance(manager, FileManagerMixin):
        raise InvalidParameter(
            f"The file browser does not show files of this machine ({type(manager).__name__}). Set "
            "path to the path of the model on the server instead.",
            param="contents_path",
        )
    if not contents_path.strip("/"):
        raise InvalidParameter(
            "contents_path is the root of the file browser. Give the path of a file or a folder in "
            "it, such as models/model.gguf.",
            param="contents_path",
        )
    parts = contents_path.strip("/").split("/")
    if "\0" in contents_path or any(part in ("", ".", "..") for part in parts):
        raise InvalidParameter(
            f"{contents_path[:200]!r} is not a path of the file browser. Give the path from its "
            "root without '..', such as models/model.gguf.",
            param="contents_path",
        )
    return to_os_path(ApiPath("/".join(parts)), manager.root_dir)  # type: ignore[attr-defined]
