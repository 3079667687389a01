"""Find out whether a llama.cpp model has a classifier that ranks documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import llama_cpp as lc

from ...store.files import source_file
from ...store.formats.gguf import read_header
from ...store.formats.gguf_rerankers import no_reranker
from ..protocol import Load

#: Labels of a decoder that is asked whether a document answers a query, in their order.
ANSWERS = [b"yes", b"no"]


def label_count(pointer: Any) -> int:
    """Return the number of labels of a ``llama_model``; 1 without a classifier."""
    return int(lc.llama_model_n_cls_out(pointer))


def why_no_reranker(load: Load, pointer: Any) -> str:
    """Return why a model cannot rank documents; "" if it can. A sentence without its period."""
    headers = [read_header(source_file(Path(path))) for path in load.paths]
    reason = no_reranker(headers[0], [tensor for h in headers for tensor in h.tensors])
    labels = [lc.llama_model_cls_label(pointer, i) for i in range(label_count(pointer))]
    if not reason and len(labels) > 1 and labels != ANSWERS:
        return "The model has other labels than 'yes' and 'no'"
    return reason
