"""The items of an answer, and the events of each while it is generated."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from ...contract.types import TokenLogprob
from ..json_reply import raw_json
from .items import new_id
from .reasoning import sealed

Json = dict[str, Any]
Status = Literal["in_progress", "completed", "incomplete"]


class Output:
    """An item of an answer so far.

    Attributes
    ----------
    index : int
        Its position in the output.
    status : str
        ``in_progress`` until it is closed.
    """

    prefix: ClassVar[str]

    def __init__(self, index: int) -> None:
        self.index = index
        self.id = new_id(self.prefix)
        self.status: Status = "in_progress"
        self._fragments: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self._fragments)

    def item(self) -> Json:
        """Return the item in its full form, as it is now."""
        raise NotImplementedError

    def open(self) -> list[Json]:
        """Return the first events."""
        added = {"type": "response.output_item.added", "output_index": self.index}
        return [added | {"item": self.item()}, *self._opened()]

    def close(self, status: Status) -> list[Json]:
        """Return the last events."""
        closed = self._closed()
        self.status = status
        done = {"type": "response.output_item.done", "output_index": self.index}
        return [*closed, done | {"item": self.item()}]

    def _opened(self) -> list[Json]:
        return []

    def _closed(self) -> list[Json]:
        raise NotImplementedError

    def _event(self, kind: str, **more: Any) -> Json:
        return {"type": f"response.{kind}", "item_id": self.id, "output_index": self.index, **more}


class Message(Output):
    """The text of an answer."""

    prefix = "msg"

    def __init__(self, index: int) -> None:
        super().__init__(index)
        # The tokens of parts, and those of events, which have fewer fields. Encoded lists are
        # nothing that the garbage collector looks at.
        self._tokens: list[msgspec.Raw] = []
        self._brief_tokens: list[msgspec.Raw] = []

    def item(self) -> Json:
        is_new = self.status == "in_progress" and not self._fragments
        return {
            "id": self.id,
            "type": "message",
            "status": self.status,
            "role": "assistant",
            "content": [] if is_new else [self._part()],
        }

    def add(self, text: str, tokens: list[TokenLogprob]) -> list[Json]:
        """Return the events of a further part of the text, with its tokens if requested."""
        self._fragments.append(text)
        self._tokens += [_encoded(token, whole=True) for token in tokens]
        brief = [_encoded(token, whole=False) for token in tokens]
        self._brief_tokens += brief
        return [self._event("output_text.delta", content_index=0, delta=text, logprobs=brief)]

    def _part(self) -> Json:
        return {
            "type": "output_text",
            "text": self.text,
            "annotations": [],
            "logprobs": list(self._tokens),
        }

    def _opened(self) -> list[Json]:
        return [self._event("content_part.added", content_index=0, part=self._part())]

    def _closed(self) -> list[Json]:
        tokens = list(self._brief_tokens)
        return [
            self._event("output_text.done", content_index=0, text=self.text, logprobs=tokens),
            self._event("content_part.done", content_index=0, part=self._part()),
        ]


class Thoughts(Output):
    """The thoughts of a model as text, or as the summary that a client has requested.

    Models write no summaries. What is returned as the summary are the thoughts themselves.
    """

    prefix = "rs"

    def __init__(self, index: int, *, as_summary: bool, is_sealed: bool) -> None:
        super().__init__(index)
        self._as_summary = as_summary
        self._is_sealed = is_sealed

    def item(self) -> Json:
        parts = [self._part()] if self._fragments else []
        item: Json = {"id": self.id, "type": "reasoning", "status": self.status}
        if self._as_summary:
            item["summary"] = parts
        else:
            item |= {"summary": [], "content": parts}
        if self._is_sealed and self._fragments:
            item["encrypted_content"] = sealed(self.text)
        return item

    def add(self, text: str) -> list[Json]:
        """Return the events of a further part of the thoughts."""
        self._fragments.append(text)
        return [self._text_event("delta", delta=text)]

    def _part(self) -> Json:
        kind = "summary_text" if self._as_summary else "reasoning_text"
        return {"type": kind, "text": self.text}

    def _text_event(self, kind: str, **more: Any) -> Json:
        if self._as_summary:
            return self._event(f"reasoning_summary_text.{kind}", summary_index=0, **more)
        return self._event(f"reasoning_text.{kind}", content_index=0, **more)

    def _part_event(self, kind: str) -> Json:
        part = self._part()
        if self._as_summary:
            return self._event(f"reasoning_summary_part.{kind}", summary_index=0, part=part)
        return self._event(f"content_part.{kind}", content_index=0, part=part)

    def _opened(self) -> list[Json]:
        return [self._part_event("added")]

    def _closed(self) -> list[Json]:
        return [self._text_event("done", text=self.text), self._part_event("done")]


class FunctionCall(Output):
    """A call of a function, which may be in a namespace."""

    prefix = "fc"

    def __init__(self, index: int, call_id: str, name: str, namespace: str | None) -> None:
        super().__init__(index)
        self._call_id = call_id
        self._name = name
        self._namespace = namespace

    def item(self) -> Json:
        item = {
            "id": self.id,
            "type": "function_call",
            "status": self.status,
            "call_id": self._call_id,
            "name": self._name,
            "arguments": self.text,
        }
        return item if self._namespace is None else item | {"namespace": self._namespace}

    def add(self, arguments: str) -> list[Json]:
        """Return the events of a further part of the arguments."""
        if not arguments:
            return []
        self._fragments.append(arguments)
        return [self._event("function_call_arguments.delta", delta=arguments)]

    def _closed(self) -> list[Json]:
        return [self._event("function_call_arguments.done", arguments=self.text)]


def _encoded(token: TokenLogprob, *, whole: bool) -> msgspec.Raw:
    """Return the JSON of a token with its alternatives, with or without their bytes."""
    top = [_fields(text, raw, logprob, whole=whole) for text, raw, logprob in token.top]
    fields = _fields(token.token, token.bytes, token.logprob, whole=whole)
    return raw_json(fields | {"top_logprobs": top})


def _fields(text: str, raw: list[int], logprob: float | None, *, whole: bool) -> Json:
    fields: Json = {"token": text, "logprob": logprob}
    return fields | {"bytes": raw} if whole else fields
