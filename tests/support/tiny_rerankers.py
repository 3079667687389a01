"""Create directories of tiny random cross-encoders, and rank with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from sentence_transformers import CrossEncoder
from tokenizers.processors import TemplateProcessing

from a3s_power_jupyter.contract.types import Ranked, RerankRequest
from a3s_power_jupyter.engine.base import Engine
from support import tiny_models
from support.tiny_embeddings import SMALL

QUERY = "What does the fox do?"
DOCUMENTS = [
    "The quick brown fox jumps over the lazy dog.",
    "Pack my box with five dozen liquor jugs.",
    "Größe, naïve, Привет, 你好 and 🙂",
    "",
    "x",
    *(f"fox number {i} jumps " * (i % 5 + 1) for i in range(20)),
]


def tiny(
    directory: Path, name: str, *, labels: int = 1, types: bool = False, **settings: Any
) -> Path:
    """Write a random cross-encoder, and return the directory.

    Parameters
    ----------
    name : str
        Name of a configuration class of transformers.
    types : bool
        Whether the tokenizer has token types, which tell the query from the document.
    **settings
        Arguments of that class.
    """
    torch.manual_seed(5)
    config = getattr(transformers, name)(**{**SMALL, "num_labels": labels, **settings})
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter + 0.15 * torch.randn_like(parameter))
    model.save_pretrained(directory)
    tokenizer(settings.get("pad_token_id") or 0, types=types).save_pretrained(directory)
    return directory


def tokenizer(pad: int = 0, *, types: bool = False) -> transformers.PreTrainedTokenizerFast:
    """Return a tokenizer that puts `<s> query </s></s> document </s>` together."""
    tokens = tiny_models.byte_level("gpt-2")
    tokens.post_processor = TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s>:1 $B:1 </s>:1",
        special_tokens=[("<s>", 1), ("</s>", 2)],
    )
    names = ["<unk>", "<s>", "</s>"]
    inputs = ["input_ids", "token_type_ids"] if types else ["input_ids"]
    return transformers.PreTrainedTokenizerFast(
        model_input_names=[*inputs, "attention_mask"],
        tokenizer_object=tokens,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        unk_token="<unk>",
        pad_token=names[pad],
    )


def logits(directory: Path, query: str, documents: list[str]) -> Any:
    """Compute the scores with sentence-transformers, without an activation."""
    model = CrossEncoder(str(directory), device="cpu", model_kwargs={"dtype": "float32"})
    pairs = [(query, document) for document in documents]
    return model.predict(pairs, activation_fn=torch.nn.Identity(), show_progress_bar=False)


def rank(engine: Engine[Any], *requests: RerankRequest) -> list[Ranked]:
    """Submit all requests before the first step; return the result of each."""
    for id_, request in enumerate(requests):
        engine.submit(engine.prepare(id_, request))
    results: dict[int, Ranked] = {}
    while not engine.idle:
        for id_, item in engine.step():
            assert isinstance(item, Ranked), item
            results[id_] = item
    return [results[id_] for id_ in range(len(requests))]
