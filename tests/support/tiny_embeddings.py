"""Create directories of tiny random embedding models, and embed with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer

from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import Embedded, EmbeddingRequest
from a3s_power_jupyter.engine.embeddings import EmbeddingEngine
from a3s_power_jupyter.engine.protocol import Load
from support import tiny_models

SMALL = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "vocab_size": 408,
    "pad_token_id": 0,
}
DENSE = {
    "in_features": 64,
    "out_features": 24,
    "bias": True,
    "activation_function": "torch.nn.modules.activation.Tanh",
}


def load(directory: Path, **parameters: Any) -> EmbeddingEngine:
    files = [path for path in sorted(directory.rglob("*")) if path.is_file()]
    files = [file for file in files if file.suffix in (".jinja", ".json", ".txt", ".safetensors")]
    message = Load(
        "huggingface",
        tuple(map(str, files)),
        LoadParameters(num_thread=1, **parameters),
        names=tuple(str(path.relative_to(directory)) for path in files),
    )
    return EmbeddingEngine.load(message, lambda _value: None)


def embed(engine: EmbeddingEngine, *requests: EmbeddingRequest) -> list[Any]:
    """Submit all requests before the first step; return the matrix of each."""
    for id_, request in enumerate(requests):
        engine.submit(engine.prepare(id_, request))
    matrices: dict[int, Any] = {}
    while not engine.idle:
        for id_, item in engine.step():
            assert isinstance(item, Embedded)
            matrices[id_] = np.frombuffer(item.vectors, "<f4").reshape(-1, item.dimensions)
    return [matrices[id_] for id_ in range(len(requests))]


def reference(directory: Path, texts: list[str], **options: Any) -> Any:
    model = SentenceTransformer(str(directory), device="cpu", model_kwargs={"dtype": "float32"})
    return model.encode(texts, normalize_embeddings=True, show_progress_bar=False, **options)


def tiny(directory: Path, config: Any, **files: Any) -> Path:
    """Write a random model with the files of sentence-transformers, and return the directory.

    Parameters
    ----------
    **files
        Contents of the files of the modules "pooling" and "dense", and settings.
    """
    torch.manual_seed(3)
    transformers.AutoModel.from_config(config).save_pretrained(directory)
    tokenizer = tiny_models.byte_level("gpt-2")
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", pad_token="<unk>"
    )
    fast.save_pretrained(directory)
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    if "dense" in files:
        modules.append(("2_Dense", "Dense"))
        write(directory / "2_Dense/config.json", files.pop("dense"))
        weights = {"linear.weight": torch.randn(24, 64), "linear.bias": torch.randn(24)}
        save_file(weights, directory / "2_Dense/model.safetensors")
    rows = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(modules)
    ]
    write(directory / "modules.json", rows)
    write(directory / "sentence_bert_config.json", {"max_seq_length": 48, "do_lower_case": False})
    pooling = {"word_embedding_dimension": 64, **files.pop("pooling")}
    write(directory / "1_Pooling/config.json", pooling)
    settings = {"__version__": {}, "similarity_fn_name": "cosine", **files}
    write(directory / "config_sentence_transformers.json", settings)
    return directory


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value))
