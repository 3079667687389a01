"""Find the states on disk that fit to a llama.cpp context."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import llama_cpp as lc
import msgspec
from msgspec import UNSET

from ..prompt_files import PromptFiles
from ..protocol import Load
from .model import LlamaModel


def prompt_files(
    load: Load, model: LlamaModel, context: Mapping[str, object]
) -> PromptFiles | None:
    """Return the files of a model's states; None if they are not kept on disk.

    llama.cpp does not check the version of a state, nor all of the parameters that it depends on.

    Parameters
    ----------
    context : mapping
        Settings of the context, which are numbers.
    """
    parameters = msgspec.structs.replace(
        load.parameters, chat_template=UNSET, use_mmap=UNSET, use_mlock=UNSET
    )
    return PromptFiles.of(
        load.prompt_cache,
        "llama.cpp",
        msgspec.to_builtins(parameters),
        [model.gpu_layers, model.device],
        dict(context),
        *_build(),
    )


def _build() -> tuple[object, ...]:
    """Return what tells two builds of llama.cpp apart: version, CPU features and libraries."""
    system_info = lc.llama_print_system_info().decode(errors="replace")
    libraries = sorted((Path(lc.__file__).parent / "lib").glob("*"))
    return lc.__version__, system_info, [[path.name, path.stat().st_size] for path in libraries]
