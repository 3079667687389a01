"""Methods of the client that register, load and remove models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from ..contract.errors import ConnectionLost
from ..contract.types import LoadPhase, Removable
from .connection import DEFAULT_TIMEOUT, Connection
from .replies import converted, decoded
from .results import Estimate, LoadedModels, Model, Models, Removables


class _Models(msgspec.Struct):
    data: list[Model]


class _Deleted(msgspec.Struct):
    freed_bytes: int


class _Loaded(msgspec.Struct):
    model: Model


class _Progress(msgspec.Struct):
    status: LoadPhase
    progress: float


class _Collected(msgspec.Struct):
    removed: list[Removable]


class ModelMethods:
    """Model operations of `Client`, which provides the connection."""

    _connection: Connection

    def models(self, *, timeout: float | None = DEFAULT_TIMEOUT) -> Models:
        """List the registered models.

        Parameters
        ----------
        timeout : float or None
            Seconds to wait for the server; None waits forever.

        Returns
        -------
        list of Model
            Sorted by name.
        """
        body = self._connection.request("GET", "models", timeout=timeout)
        return Models(decoded(body, _Models).data)

    def show(self, name: str, *, template: bool = False) -> Model:
        """Return one model.

        Parameters
        ----------
        template : bool
            Whether to read its chat template from its files, as `Model.template`.

        Raises
        ------
        ModelNotFound
            If no model has this name.
        """
        return self._model("GET", _path(name, "?template=true" if template else ""))

    def ps(self) -> LoadedModels:
        """List the models that are in memory, being loaded or being unloaded."""
        return LoadedModels(m for m in self.models() if m.state not in ("unloaded", "failed"))

    def register(
        self,
        name: str,
        path: str | Path | None = None,
        *,
        format: str | None = None,  # noqa: A002  # name of the field in the REST API
        default_parameters: Mapping[str, Any] | None = None,
        copy: bool = False,
        overwrite: bool = False,
        upstream: Mapping[str, str | Sequence[str]] | None = None,
        mmproj: str | Path | None = None,
    ) -> Model:
        """Register a model under a name.

        The files of the model are hashed, which takes a few seconds per GB.

        Parameters
        ----------
        name : str
            Name of the model, such as ``"llama3.2:3b"``.
        path : str or Path, optional
            GGUF file, model directory or manifest in Ollama's folder, on the server's machine. A
            relative path is relative to the working directory of this process.
        format : str, optional
            ``"gguf"``, ``"safetensors"``, ``"vision"``, ``"huggingface"`` or ``"remote"``. Detected
            from the files by default.
        default_parameters : mapping, optional
            Default load and sampling parameters, such as ``num_ctx`` and ``temperature``. By
            default, a model with the same files and name keeps those that it has.
        copy : bool
            Whether to copy the files into the server's store. By default they stay in place.
        overwrite : bool
            Whether to replace a different model with the same name, also its default parameters.
        upstream : mapping, optional
            ``base_url``, ``model`` and ``api_key_env`` of an OpenAI-compatible server, for the
            format ``"remote"``, which has no `path`. A list as ``base_url`` names several servers
            with the same model and key, which share the requests.
        mmproj : str or Path, optional
            Vision projector file of a GGUF model.

        Raises
        ------
        FileNotFound
            If `path` does not exist.
        InvalidGGUF, InvalidModelDirectory, UnsupportedModelFormat
            If the files are not a supported model.
        InvalidParameter
            If a default parameter is unknown or out of range.
        ModelAlreadyExists
            If the name is taken by a different model and `overwrite` is False.
        """
        body = {
            "name": name,
            "path": _absolute(path),
            "mmproj": _absolute(mmproj),
            "format": format,
            "default_parameters": default_parameters,
            "copy": copy,
            "overwrite": overwrite,
            "upstream": upstream,
        }
        given = {key: value for key, value in body.items() if value is not None}
        return self._model("POST", "models", body=given)

    def update(self, name: str, **parameters: Any) -> Model:
        """Change default parameters of a model; None removes one.

        Defaults of requests, such as ``temperature``, apply from the next request on. If a load
        parameter changes, a loaded model is unloaded once it is idle, and loaded with it by the
        next request.

        Parameters
        ----------
        **parameters
            Default load and sampling parameters, such as ``num_ctx`` and ``temperature``.

        Raises
        ------
        ModelNotFound
            If no model has this name.
        InvalidParameter
            If a parameter is unknown, out of range, or has no effect on this model.
        """
        return self._model("PATCH", _path(name), body={"default_parameters": parameters})

    def delete(self, name: str, *, force: bool = False) -> int:
        """Unload and delete a model. Files registered in place are kept.

        Parameters
        ----------
        force : bool
            Whether to delete the model even if it is busy.

        Returns
        -------
        int
            Bytes freed on disk.

        Raises
        ------
        ModelNotFound
            If no model has this name.
        ModelBusy
            If the model is busy and `force` is False.
        """
        body = self._connection.request("DELETE", _path(name, force=force), timeout=None)
        return decoded(body, _Deleted).freed_bytes

    def load(
        self,
        name: str,
        *,
        keep_alive: str | float | None = None,
        progress: Callable[[LoadPhase, float], None] | None = None,
        **parameters: Any,
    ) -> Model:
        """Load a model and wait until it is ready.

        A model that is loaded with other parameters is reloaded once the requests that it
        processes have ended.

        Parameters
        ----------
        keep_alive : str or float, optional
            How long the idle model stays loaded: a duration such as ``"5m"``, seconds, 0 to unload
            it as soon as it is idle, or -1 to keep it loaded.
        progress : callable, optional
            Called with the phase, ``"converting"`` or ``"loading"``, and its progress from 0 to 1.
        **parameters
            Load parameters, such as ``num_ctx``, ``num_gpu`` and ``num_thread``.

        Raises
        ------
        ModelNotFound
            If no model has this name.
        InvalidParameter
            If a load parameter is unknown or out of range.
        InsufficientMemory, ModelLoadFailed
            If the model cannot be loaded.
        """
        body = parameters if keep_alive is None else {**parameters, "keep_alive": keep_alive}
        with closing(self._connection.stream("POST", _path(name, "/load"), body=body)) as events:
            for event in events:
                if event.get("status") == "success":
                    return converted(event, _Loaded).model
                if progress is not None and "progress" in event:
                    step = converted(event, _Progress)
                    progress(step.status, step.progress)
        raise ConnectionLost(f"The connection was closed before {name!r} was loaded. Try again.")

    def estimate(self, name: str, **parameters: Any) -> Estimate:
        """Return what a load of a model would take and whether it fits. Nothing is loaded.

        Parameters
        ----------
        **parameters
            Load parameters, such as ``num_ctx``, ``num_gpu`` and ``num_parallel``.

        Raises
        ------
        ModelNotFound
            If no model has this name.
        InvalidParameter
            If a load parameter is unknown or out of range, or the model is a remote one.
        """
        reply = self._connection.request("POST", _path(name, "/estimate"), body=parameters)
        return decoded(reply, Estimate)

    def unload(self, name: str, *, force: bool = False) -> Model:
        """Unload a model from memory.

        Parameters
        ----------
        force : bool
            Whether to unload the model even if it is busy.

        Raises
        ------
        ModelNotFound
            If no model has this name.
        ModelBusy
            If the model is busy and `force` is False.
        """
        return self._model("POST", _path(name, "/unload", force=force))

    def pin(self, name: str) -> Model:
        """Keep a model in memory, once it is loaded, until `unpin` or `unload`."""
        return self._model("POST", _path(name, "/pin"))

    def unpin(self, name: str) -> Model:
        """Allow a pinned model to be unloaded when it is idle."""
        return self._model("POST", _path(name, "/unpin"))

    def gc(self, *, dry_run: bool = True) -> Removables:
        """Find unused files in the store, and remove them unless `dry_run` is True.

        Returns
        -------
        list of Removable
            The files and their sizes.
        """
        body = {"dry_run": dry_run}
        reply = self._connection.request("POST", "models/gc", body=body, timeout=None)
        return Removables(decoded(reply, _Collected).removed)

    def _model(self, method: str, path: str, body: object = None) -> Model:
        __tracebackhide__ = True  # also where another error is raised from this one
        reply = self._connection.request(method, path, body=body, timeout=None)
        return decoded(reply, Model)


def _absolute(path: str | Path | None) -> str | None:
    return None if path is None else str(Path(path).expanduser().absolute())


def _path(name: str, action: str = "", *, force: bool = False) -> str:
    # "models/pull" is the route of pulls, so a model of that name is percent-encoded.
    quoted = "%70ull" if name == "pull" else quote(name, safe="")
    return f"models/{quoted}{action}{'?force=true' if force else ''}"
