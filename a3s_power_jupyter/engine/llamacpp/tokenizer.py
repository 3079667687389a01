"""Answer requests about tokens with the vocabulary of a GGUF model."""

from __future__ import annotations

from collections.abc import Sequence

from .vocabulary import Vocabulary


class LlamaTokenizer:
    """Implements `base.Tokenizer`.

    Parameters
    ----------
    only_embeds : bool
        Whether the model's texts are to be embedded, so that they also get the special tokens that
        end a text.
    """

    def __init__(self, vocab: Vocabulary, *, only_embeds: bool) -> None:
        self._vocab = vocab
        self._only_embeds = only_embeds

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> list[int]:
        if add_special and not self._only_embeds:
            return self._vocab.tokenize_prompt(text, parse_special=parse_special)
        return self._vocab.tokenize(text, add_special=add_special, parse_special=parse_special)

    def detokenize(self, tokens: Sequence[int]) -> str:
        return self._vocab.detokenize(tokens)

    def piece(self, token: int) -> bytes:
        return self._vocab.token_to_text(token)
