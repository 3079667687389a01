"""Convert a tokenizer's vocabulary to GGUF: tokens, their types, and scores or merges."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf

from ..store.formats.json_file import read_object
from . import pretokenizers
from .exceptions import CannotConvert

Type = gguf.TokenType

_SPACE = "\u2581"  # SentencePiece's space


@dataclass
class Vocabulary:
    """A vocabulary as GGUF stores it.

    Attributes
    ----------
    model : str
        "gpt2" (byte-level BPE) or "llama" (SentencePiece's BPE).
    tokens : list of str
        In the order of their ids.
    types : list of int
        Type of each token (`gguf.TokenType`).
    pre : str or None
        llama.cpp's name of the pre-tokenizer; "gpt2" only.
    merges : list of str or None
        In the order in which they are applied; "gpt2" only.
    scores : list of float or None
        Pairs with higher scores are merged first; "llama" only.
    space_prefix : bool
        Whether a space is added before a text; "llama" only.
    """

    model: str
    tokens: list[str]
    types: list[int]
    pre: str | None = None
    merges: list[str] | None = None
    scores: list[float] | None = None
    space_prefix: bool = False

    def write(self, writer: gguf.GGUFWriter, rows: int) -> None:
        """Write the vocabulary, padded to the rows of the embedding matrix.

        Raises
        ------
        CannotConvert
            If there are more tokens than rows.
        """
        missing = rows - len(self.tokens)
        if missing < 0:
            raise CannotConvert(
                f"its tokenizer has {len(self.tokens)} tokens but its embedding {rows} rows"
            )
        padding = [f"[PAD{len(self.tokens) + i}]" for i in range(missing)]
        writer.add_tokenizer_model(self.model)
        writer.add_token_list(self.tokens + padding)
        writer.add_token_types(self.types + [Type.UNUSED] * missing)
        if self.pre is not None:
            writer.add_tokenizer_pre(self.pre)
        if self.merges is not None:
            writer.add_token_merges(self.merges)
        if self.scores is not None:
            writer.add_token_scores(self.scores + [-1e6] * missing)
            writer.add_add_space_prefix(self.space_prefix)


def read_vocabulary(directory: Path) -> Vocabulary:
    """Read the vocabulary of a directory's tokenizer.

    Raises
    ------
    CannotConvert
        If the type or a setting of the tokenizer is not supported.
    InvalidModelDirectory
        If tokenizer.json is damaged.
    """
    path = directory / "tokenizer.json"
    if not path.exists():
        if (directory / "tokenizer.model").exists():
            return _from_sentencepiece(directory / "tokenizer.model")
        raise CannotConvert("it has neither tokenizer.json nor tokenizer.model")
    tokenizer = read_object(path)
    model = tokenizer.get("model", {})
    if model.get("type") != "BPE":
        raise CannotConvert(f"its tokenizer has the type {model.get('type')}, not BPE")
    if model.get("dropout") or model.get("end_of_word_suffix"):
        raise CannotConvert("its tokenizer has settings that llama.cpp does not support")
    return _sentencepiece_bpe(tokenizer) if model.get("byte_fallback") else _byte_level(tokenizer)


def _byte_level(tokenizer: dict[str, Any]) -> Vocabulary:
    tokens, types = _tokens(tokenizer)
    return Vocabulary(
        model="gpt2",
        tokens=tokens,
        types=types,
        pre=pretokenizers.name_of(tokenizer.get("pre_tokenizer")),
        merges=[" ".join(merge) for merge in _merges(tokenizer)],
    )


def _sentencepiece_bpe(tokenizer: dict[str, Any]) -> Vocabulary:
    """Convert SentencePiece's BPE. A token's score is the negative rank of its merge."""
    tokens, types = _tokens(tokenizer)
    ids = {token: id_ for id_, token in enumerate(tokens)}
    scores = [0.0] * len(tokens)
    seen = set()
    for rank, (left, right) in enumerate(_merges(tokenizer), start=1):
        if left + right in ids and left + right not in seen:
            seen.add(left + right)
            scores[ids[left + right]] = float(-rank)
    for id_, token in enumerate(tokens):
        if types[id_] == Type.NORMAL and len(token) == 6 and token.startswith("<0x"):
            types[id_] = Type.BYTE
    return Vocabulary(
        "llama", tokens, types, scores=scores, space_prefix=_adds_space_prefix(tokenizer)
    )


def _tokens(tokenizer: dict[str, Any]) -> tuple[list[str], list[int]]:
    """Return the tokens and their types. Ids without a token get a placeholder."""
    vocabulary: dict[str, int] = dict(tokenizer["model"]["vocab"])
    added = {entry["content"]: entry for entry in tokenizer.get("added_tokens", [])}
    for content, entry in added.items():
        vocabulary[content] = entry["id"]
    size = max(vocabulary.values()) + 1
    if size > 2 * len(vocabulary) + 1024:
        raise CannotConvert("its tokenizer has implausible token ids")
    tokens = [f"[UNUSED{id_}]" for id_ in range(size)]
    types = [int(Type.UNUSED)] * size
    for token, id_ in vocabulary.items():
        tokens[id_] = token
        types[id_] = int(Type.NORMAL)
        if token in added:
            types[id_] = int(Type.CONTROL if added[token]["special"] else Type.USER_DEFINED)
    unknown = tokenizer["model"].get("unk_token")
    if unknown in vocabulary and tokenizer["model"].get("byte_fallback"):
        types[vocabulary[unknown]] = int(Type.UNKNOWN)
    return tokens, types


def _merges(tokenizer: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the merges as pairs. Older files store each as the string "left right"."""
    pairs = []
    for merge in tokenizer["model"].get("merges", []):
        left, right = merge.split(" ", 1) if isinstance(merge, str) else merge
        pairs.append((left, right))
    return pairs


def _adds_space_prefix(tokenizer: dict[str, Any]) -> bool:
    parts = [tokenizer.get("normalizer"), tokenizer.get("pre_tokenizer")]
    while parts:
        part = parts.pop() or {}
        parts += part.get("normalizers", []) + part.get("pretokenizers", [])
        if part.get("type") == "Prepend" and part.get("prepend") == _SPACE:
            return True
        if part.get("type") == "Metaspace":
            return bool(part.get("prepend_scheme", "always") != "never")
    return False


def _from_sentencepiece(path: Path) -> Vocabulary:
    from sentencepiece import SentencePieceProcessor
    from sentencepiece.sentencepiece_model_pb2 import ModelProto

    proto = ModelProto()
    proto.ParseFromString(path.read_bytes())
    if proto.trainer_spec.model_type != proto.trainer_spec.BPE:
        raise CannotConvert("its SentencePiece model has a type other than BPE")
    processor = SentencePieceProcessor(model_file=str(path))
    size = processor.vocab_size()
    return Vocabulary(
        model="llama",
        tokens=[processor.id_to_piece(id_) for id_ in range(size)],
        types=[_piece_type(processor, id_) for id_ in range(size)],
        scores=[processor.get_score(id_) for id_ in range(size)],
        space_prefix=proto.normalizer_spec.add_dummy_prefix,
    )


def _piece_type(processor: Any, id_: int) -> int:
    if processor.is_unknown(id_):
        return int(Type.UNKNOWN)
    if processor.is_control(id_):
        return int(Type.CONTROL)
    if processor.is_unused(id_):
        return int(Type.UNUSED)
    return int(Type.BYTE if processor.is_byte(id_) else Type.NORMAL)
