"""Write SmolLM2 as GGUF with another chat template: ``python models.py IN OUT TEMPLATE [mean]``.

All servers render the same template. llama-cpp-python's takes it only from the file, and also how
to pool embeddings: as the mean of a text's tokens, or not at all.

A process of its own, because the writer shows its progress.
"""

from __future__ import annotations

import sys
from pathlib import Path

import gguf
from gguf.scripts.gguf_new_metadata import MetadataDetails, copy_with_new_metadata


def write(source: Path, target: Path, template: str, *, is_pooled: bool) -> None:
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, "llama")
    text = MetadataDetails(gguf.GGUFValueType.STRING, template)
    details = {gguf.Keys.Tokenizer.CHAT_TEMPLATE: text}
    if is_pooled:
        mean = MetadataDetails(gguf.GGUFValueType.UINT32, gguf.PoolingType.MEAN)
        details["llama.pooling_type"] = mean
    copy_with_new_metadata(reader, writer, details, [])


if __name__ == "__main__":
    read, written, template, *pooling = sys.argv[1:]
    text = Path(template).read_text(encoding="utf-8")
    write(Path(read), Path(written), text, is_pooled=pooling == ["mean"])
