"""Divide an answer into blocks: thoughts, texts and uses of tools, one after the other."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from ...contract.types import Delta, ToolCallDelta
from ..chat.answer import check_object, is_object

Event: TypeAlias = "dict[str, Any]"
Kind = Literal["thinking", "text", "tool_use"]

#: The signature of thoughts. Nothing is signed, but some clients keep no thoughts without one.
SIGNATURE = "unsigned"


class Block:
    """One block of a message so far. `call` is the index of a call among those of the answer."""

    def __init__(self, kind: Kind, *, call: int = -1, id_: str = "", name: str = "") -> None:
        self.kind = kind
        self.call = call
        self.id = id_
        self.name = name
        self.pieces: list[str] = []

    @property
    def text(self) -> str:
        """The thoughts, the text, or the JSON text of the tool's input."""
        return "".join(self.pieces)

    def start(self) -> dict[str, Any]:
        """Return the block without its content."""
        if self.kind == "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}
        if self.kind == "text":
            return {"type": "text", "text": ""}
        return {"type": "tool_use", "id": self.id, "name": self.name, "input": {}}

    def delta(self, piece: str) -> dict[str, Any]:
        """Return the change that adds `piece` to the content."""
        if self.kind == "thinking":
            return {"type": "thinking_delta", "thinking": piece}
        if self.kind == "text":
            return {"type": "text_delta", "text": piece}
        return {"type": "input_json_delta", "partial_json": piece}

    def whole(self) -> dict[str, Any]:
        """Return the block with its content. The input of a tool must be complete."""
        if self.kind == "thinking":
            return {"type": "thinking", "thinking": self.text, "signature": SIGNATURE}
        if self.kind == "text":
            return {"type": "text", "text": self.text}
        return self.start() | {"input": msgspec.Raw((self.text or "{}").encode())}

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing in a block of an answer that was cut."""
        return self.kind != "tool_use" or (self.text != "" and is_object(self.text))


class Content:
    """The blocks of one answer. A block ends where the next one begins.

    Parameters
    ----------
    hides_thoughts : bool
        Whether to leave out the text of thoughts.
    """

    def __init__(self, *, hides_thoughts: bool = False) -> None:
        self.blocks: list[Block] = []
        self._hides_thoughts = hides_thoughts
        self._open: Block | None = None
        self._spaces = ""  # white space that is sent only if text follows

    def add(self, delta: Delta) -> list[Event]:
        """Add a part of the answer, and return the events to stream for it.

        Raises
        ------
        InvalidToolCall
            If the arguments of a call are not a JSON object.
        """
        events: list[Event] = []
        if delta.reasoning:
            piece = "" if self._hides_thoughts else delta.reasoning
            events += self._extend(self._of_kind("thinking"), piece)
        if delta.text:
            events += self._add_text(delta.text)
        for part in delta.tool_calls:
            events += self._extend(self._of_call(part), part.arguments)
        return events

    def finish(self, *, complete: bool) -> list[Event]:
        """End the last block, and return the events to stream for it.

        Parameters
        ----------
        complete : bool
            Whether the answer was not cut. If it was, a last use of a tool without all of its
            input is no longer one of the blocks.

        Raises
        ------
        InvalidToolCall
            If the answer was not cut, and the arguments of a call are not a JSON object.
        """
        events: list[Event] = []
        if self._spaces and not self.blocks:  # the whole answer
            events += self._extend(self._of_kind("text"), self._spaces)
        if complete or self._open is None or self._open.is_whole:
            return events + self._close()
        events.append(self._event("stop"))
        self.blocks.pop()
        self._open = None
        return events

    @property
    def uses_tools(self) -> bool:
        return any(block.kind == "tool_use" for block in self.blocks)

    def whole(self) -> list[dict[str, Any]]:
        """Return the blocks for a whole reply."""
        return [block.whole() for block in self.blocks]

    def _add_text(self, text: str) -> list[Event]:
        """Add a text. White space alone, between other blocks, is no block of its own."""
        if self._open is None or self._open.kind != "text":
            self._spaces += text
            if self._spaces.isspace():
                return []
            text = self._spaces
        return self._extend(self._of_kind("text"), text)

    def _of_kind(self, kind: Kind) -> Block:
        return self._open if self._open is not None and self._open.kind == kind else Block(kind)

    def _of_call(self, part: ToolCallDelta) -> Block:
        if self._open is not None and self._open.call == part.index:
            return self._open
        return Block("tool_use", call=part.index, id_=part.id, name=part.name)

    def _extend(self, block: Block, piece: str) -> list[Event]:
        """Add `piece` to `block`, which begins now if it is not the open one."""
        events: list[Event] = []
        if block is not self._open:
            events += self._close()
            self.blocks.append(block)
            self._open = block
            self._spaces = ""
            events.append(self._event("start", content_block=block.start()))
        if piece:
            block.pieces.append(piece)
            events.append(self._event("delta", delta=block.delta(piece)))
        return events

    def _close(self) -> list[Event]:
        block = self._open
        if block is None:
            return []
        if block.kind == "tool_use":
            check_object(block.name, block.text)
        events: list[Event] = []
        if block.kind == "thinking":
            signed = {"type": "signature_delta", "signature": SIGNATURE}
            events.append(self._event("delta", delta=signed))
        events.append(self._event("stop"))
        self._open = None
        return events

    def _event(self, what: str, **fields: Any) -> Event:
        return {"type": f"content_block_{what}", "index": len(self.blocks) - 1, **fields}
