"""Refuse fields of other servers that would be silently without effect on the answer.

Unknown fields are ignored. A field belongs here if an answer without it is a different one: it
would break a constraint, leave out a part of the prompt, or be of another kind.
"""

from __future__ import annotations

from typing import Any

from ..fields import Refused

_NOTHING: tuple[Any, ...] = ("", [], {}, False)

_CONSTRAINT = "Use response_format with a JSON schema."
_TOKENS = "Use logit_bias with -100 for each token to exclude."

#: Each field with the values that request nothing, and with what to do instead.
REFUSED: Refused = {
    # OpenAI
    "audio": (_NOTHING, "Audio is not supported. Request text only."),
    "modalities": (([], ["text"]), "Only text is supported."),
    "web_search_options": ((), "The server does not search the web."),
    # vLLM: constraints on the answer
    "structural_tag": (_NOTHING, _CONSTRAINT),
    "allowed_token_ids": (([],), _TOKENS),
    "bad_words": (([],), _TOKENS),
    # vLLM, llama.cpp, Anthropic: parts of the prompt and of the model
    "system": (_NOTHING, "Send it as the first message, with the role system."),
    "documents": (_NOTHING, "Put the documents into a message."),
    "prompt_embeds": (_NOTHING, "Send the prompt as text."),
    "lora": (_NOTHING, "Register a model that has the adapter merged."),
    "use_beam_search": ((False,), "Only sampling is supported."),
    # Jina, vLLM, sentence-transformers, Text Embeddings Inference
    "late_chunking": ((False,), "Each text is embedded alone."),
    "truncate_prompt_tokens": ((-1,), "Use truncate."),
    "truncation_direction": (("Right", "right"), "Use truncate with 'end' or 'start'."),
    "normalize": ((True,), "Vectors always have the length 1."),
    "normalized": ((True,), "Vectors always have the length 1."),
}
