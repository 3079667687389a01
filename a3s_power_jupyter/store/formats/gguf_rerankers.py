"""Recognize cross-encoders in GGUF files, as far as llama.cpp computes their scores.

A classifier of llama.cpp is the tensor ``cls``, tanh and the tensor ``cls.output``, as in RoBERTa.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from .description import positive_int
from .gguf import Header, Tensor

#: The template into which a decoder gets a query and a document.
TEMPLATE = "tokenizer.chat_template.rerank"


def no_reranker(header: Header, tensors: Sequence[Tensor]) -> str:
    """Return why a model cannot rank documents; "" if it can.

    Parameters
    ----------
    tensors : sequence of Tensor
        Those of all shards.

    Returns
    -------
    str
        A sentence without its period.
    """
    sizes = {tensor.name: tensor.elements for tensor in tensors}
    if "cls.output.weight" not in sizes:
        return "The model is no cross-encoder"
    architecture = header.text("general.architecture")
    width = positive_int(header.metadata.get(f"{architecture}.embedding_length"))
    if width is UNSET:
        return "The model has no embedding_length"
    labels = sizes["cls.output.weight"] // width
    if architecture == "qwen3":
        return _no_decoder(header, labels)
    if architecture == "modern-bert":  # llama.cpp takes the mean of all tokens
        return "A GGUF file does not say which tokens the classifier of ModernBERT reads"
    if architecture != "bert":
        return f"llama.cpp does not compute the scores of the architecture {architecture!r}"
    if labels != 1:
        return f"The model has {labels} labels instead of one"
    if "cls.weight" not in sizes:
        return (
            "The file lacks the pooler of its classifier, which llama.cpp's converter leaves out "
            "for BERT"
        )
    if "token_types.weight" not in sizes:
        return "llama.cpp does not have the classifier of DistilBERT"
    if header.text("tokenizer.ggml.model") == "bert" and sizes["token_types.weight"] > width:
        return "llama.cpp does not tell the query from the document in BERT models"
    return ""


def _no_decoder(header: Header, labels: int) -> str:
    template = header.text(TEMPLATE)
    if labels != 2:
        return f"The model has {labels} labels instead of 'yes' and 'no'"
    if "{query}" not in template or "{document}" not in template:
        return f"The file has no template for a query and a document ({TEMPLATE})"
    return ""
