"""Create directories of tiny random cross-encoders, and rank with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import torch
import transformers
from safetensors.torch import load_file
from sentence_transformers import CrossEncoder
from tokenizers.processors import TemplateProcessing

from a3s_power_jupyter.contract.types import Ranked, RerankRequest
from a3s_power_jupyter.convert.converter import convert
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


def logits(directory: Path, query: str, documents: list[str], *, batch_size: int = 32) -> Any:
    """Compute the scores with sentence-transformers, without an activation."""
    model = CrossEncoder(str(directory), device="cpu", model_kwargs={"dtype": "float32"})
    pairs = [(query, document) for document in documents]
    identity = torch.nn.Identity()
    return model.predict(
        pairs, activation_fn=identity, batch_size=batch_size, show_progress_bar=False
    )


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


_MODULES = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
    "classifier.dense": "cls",
    "classifier.out_proj": "cls.output",
}
_LAYER = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}


def to_gguf(directory: Path, path: Path, *, leave_out: str = "-", **keys: Any) -> Path:
    """Write an XLM-RoBERTa of `tiny` as GGUF, and return its path.

    Parameters
    ----------
    leave_out : str
        Beginning of the names of tensors to leave out.
    **keys
        Metadata to add; ``__`` in a name means a dot.
    """
    config = json.loads((directory / "config.json").read_text())
    offset = config["pad_token_id"] + 1
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_context_length(config["max_position_embeddings"] - offset)
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    if len(config["id2label"]) > 1:
        writer.add_classifier_output_labels([*config["id2label"].values()])
    _add_vocabulary(writer, directory, config["vocab_size"])
    for key, value in keys.items():
        add = writer.add_bool if isinstance(value, bool) else writer.add_string
        add(key.replace("__", "."), value)
    for name, tensor in load_file(directory / "model.safetensors").items():
        module, _, kind = name.removeprefix("roberta.").rpartition(".")
        target = f"{_target(module)}.{kind}"
        if target.startswith("position_embd"):
            tensor = tensor[offset:]
        if not target.startswith(leave_out):
            writer.add_tensor(target, tensor.numpy().copy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _target(module: str) -> str:
    if not module.startswith("encoder.layer."):
        return _MODULES[module]
    _, _, number, part = module.split(".", 3)
    return f"blk.{number}.{_LAYER[part]}"


def _add_vocabulary(writer: gguf.GGUFWriter, directory: Path, size: int) -> None:
    wire = json.loads((directory / "tokenizer.json").read_text())
    known = {number: token for token, number in wire["model"]["vocab"].items()}
    special = {token["id"] for token in wire["added_tokens"]}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([known.get(number, f"[PAD{number}]") for number in range(size)])
    kinds = gguf.TokenType
    writer.add_token_types(
        [kinds.CONTROL if n in special else kinds.NORMAL if n in known else kinds.UNUSED
         for n in range(size)]
    )  # fmt: skip
    writer.add_token_merges([" ".join(pair) for pair in wire["model"]["merges"]])
    writer.add_token_type_count(1)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_sep_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(True)


def to_decoder_gguf(directory: Path, path: Path, template: str, labels: tuple[int, int]) -> Path:
    """Write a Qwen3 as GGUF that answers "yes" or "no", and return its path.

    Parameters
    ----------
    template : str
        Template of a query and a document.
    labels : tuple of int
        The tokens of the two answers.
    """
    whole = path.with_name("whole.gguf")
    convert(directory, whole, lambda _value: None)
    reader = gguf.GGUFReader(whole)
    writer = gguf.GGUFWriter(path, "qwen3")
    for key in reader.fields.values():
        if key.name != "general.architecture" and not key.name.startswith("GGUF."):
            kind = key.types[-1] if key.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(key.name, key.contents(), key.types[0], sub_type=kind)
    writer.add_string("tokenizer.chat_template.rerank", template)
    writer.add_pooling_type(gguf.PoolingType.RANK)
    writer.add_classifier_output_labels(["yes", "no"])
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    head = load_file(directory / "model.safetensors")["lm_head.weight"]
    writer.add_tensor("cls.output.weight", head[[*labels]].float().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
