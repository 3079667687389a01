"""Quantize a GGUF file with llama.cpp."""

from __future__ import annotations

from pathlib import Path

import llama_cpp as lc

from .exceptions import CannotConvert

#: ISQ kind -> llama.cpp's file type. Q4K is the mix that llama.cpp calls Q4_K_M.
_FILE_TYPES = {
    "Q4_0": lc.LLAMA_FTYPE_MOSTLY_Q4_0,
    "Q4K": lc.LLAMA_FTYPE_MOSTLY_Q4_K_M,
    "Q6K": lc.LLAMA_FTYPE_MOSTLY_Q6_K,
    "Q8_0": lc.LLAMA_FTYPE_MOSTLY_Q8_0,
}

#: ISQ kind -> bits per weight, including scales, rounded up.
BITS = {"Q4_0": 5, "Q4K": 5, "Q6K": 7, "Q8_0": 9}


def quantize(source: Path, target: Path, kind: str, threads: int) -> None:
    """Quantize a file to one of the kinds in `BITS`.

    Raises
    ------
    CannotConvert
        If llama.cpp reports an error.
    """
    params = lc.llama_model_quantize_default_params()
    params.ftype = _FILE_TYPES[kind]
    params.nthread = threads
    status = lc.llama_model_quantize(str(source).encode(), str(target).encode(), params)
    if status != 0:
        raise CannotConvert(f"llama.cpp could not quantize it (status {status})")
