"""How messages say to register or pull a model again: as a request, or as a magic to type."""

from __future__ import annotations

import shlex
from typing import Literal

from msgspec import UNSET

from ..contract.parameters import DefaultParameters
from ..contract.types import Manifest
from .formats.description import DEFAULT_ISQ

#: The setting that a registration needs.
Setting = Literal["copy", "overwrite"]


class RequestWording:
    """Names settings as a request does. Clients replace them; see `contract.spelling`."""

    def register(self, manifest: Manifest, setting: Setting) -> str:
        """Return a clause: ``register 'a' again from /a.gguf with "copy": true``."""
        path, projector = _sources(manifest)
        origin = f" from {path}" if path else ""
        also = f' and its projector {projector} as "mmproj",' if projector else ""
        return f'register {manifest.name!r} again{origin}{also} with "{setting}": true'

    def replace(self, manifest: Manifest) -> str:
        """Return how to register a model with new content, which does not keep its parameters."""
        initial = (DefaultParameters(), DefaultParameters(isq=DEFAULT_ISQ))
        has_own = manifest.default_parameters not in initial
        also = " and give its default parameters again" if has_own else ""
        return f"{self.register(manifest, 'overwrite')}{also}"

    def pull(self, reference: str) -> str:
        """Return a clause: ``pull 'owner/repo:Q4' again``."""
        return f"pull {reference!r} again"


class MagicWording(RequestWording):
    """Adds the magic to type in a notebook, for programs in a terminal."""

    def register(self, manifest: Manifest, setting: Setting) -> str:
        path, projector = _sources(manifest)
        words = [manifest.name, path or "PATH", *(("--mmproj", projector) if projector else ())]
        command = f"%power register {shlex.join(words)} --{setting}"
        return f"register {manifest.name!r} again ({command})"

    def pull(self, reference: str) -> str:
        return f"pull {reference!r} again (%power pull {shlex.quote(reference)})"


def _sources(manifest: Manifest) -> tuple[str, str]:
    """Return the path of a model, and its projector's file name or path; '' for what is unknown."""
    path = "" if manifest.source.path is UNSET else manifest.source.path
    for file in manifest.files:
        if file.role == "mmproj":
            return path, file.name if file.path is UNSET else file.path
    return path, ""
