"""Read the blocks of a content that become a part of the prompt: texts, images and documents."""

from __future__ import annotations

from typing import Any, TypeAlias

from ...contract.errors import InvalidParameter, UnsupportedRequestFields
from ...contract.text import quoted
from ..chat.contents import IMAGE_PART, MAX_PARTS, Part, text_part
from ..chat.images import check_count, read_image
from ..fields import optional_string, required_string, wrong_value

#: A block with its path in the request.
Located: TypeAlias = "tuple[dict[str, Any], str]"

#: Types of blocks that `BlockReader.parts` reads.
PARTS = ("text", "image", "document", "search_result")


class BlockReader:
    """Reads the blocks of one request.

    Attributes
    ----------
    images : list of bytes
        The image files, in the order in which their blocks were read.
    """

    def __init__(self) -> None:
        self.images: list[bytes] = []

    def parts(self, content: Any, at: str) -> list[Part]:
        """Return a content as parts, as in `ChatRequest.messages`. Empty texts are left out.

        Raises
        ------
        UnsupportedRequestFields
            If a block asks for a service of Anthropic.
        InvalidParameter
            If a block is malformed, or there are too many images.
        """
        found = []
        for block, where in blocks_of(content, at):
            found += self.part(block, where, PARTS)
        return found

    def part(self, block: dict[str, Any], at: str, accepted: tuple[str, ...]) -> list[Part]:
        """Return one block as parts. `accepted` are the types for the error about another one."""
        kind = type_of(block, at)
        if kind == "text":
            return _texts(required_string(block, "text", at))
        if kind == "image":
            return [self._image(block, at)]
        if kind == "document":
            return self._document(block, at)
        if kind == "search_result":
            return self._search_result(block, at)
        raise unsupported_block(kind, at, accepted)

    def _image(self, block: dict[str, Any], at: str) -> Part:
        check_count(len(self.images) + 1, at)
        source, kind, where = _source(block, at)
        if kind == "base64":
            self.images.append(read_image(source.get("data"), f"{where}.data"))
        elif kind == "url":
            self.images.append(read_image(source.get("url"), f"{where}.url"))
        else:
            raise UnsupportedRequestFields(
                f"{where} has the type {quoted(kind)}, which is not supported. Send the image in "
                "base64: {'type': 'base64', 'media_type': 'image/png', 'data': ...}.",
                param=f"{where}.type",
            )
        return IMAGE_PART

    def _document(self, block: dict[str, Any], at: str) -> list[Part]:
        _refuse_citations(block, at)
        source, kind, where = _source(block, at)
        head = _head(block, ("title", "context"), at)
        if kind == "text":
            return head + _texts(required_string(source, "data", where))
        if kind == "content":
            return head + self.parts(source.get("content"), f"{where}.content")
        raise UnsupportedRequestFields(
            f"{where} has the type {quoted(kind)}, which is not supported: the server reads no PDF "
            "files, URLs and uploaded files. Send the text of the document: {'type': 'text', "
            "'media_type': 'text/plain', 'data': ...}.",
            param=f"{where}.type",
        )

    def _search_result(self, block: dict[str, Any], at: str) -> list[Part]:
        _refuse_citations(block, at)
        head = _head(block, ("title", "source"), at)
        return head + self.parts(block.get("content"), f"{at}.content")


def blocks_of(content: Any, at: str) -> list[Located]:
    """Return the blocks of a content, each with its path. A string is a block of text.

    Raises
    ------
    InvalidParameter
        If `content` is neither a string nor a list of objects, or has too many of them.
    """
    if isinstance(content, str):
        return [({"type": "text", "text": content}, at)]
    if not isinstance(content, list):
        raise wrong_value(at, "a string or a list of blocks", content)
    if len(content) > MAX_PARTS:
        raise InvalidParameter(f"{at} has more than {MAX_PARTS:,} blocks.", param=at)
    for i, block in enumerate(content):
        if not isinstance(block, dict):
            raise wrong_value(f"{at}[{i}]", "an object", block)
    return [(block, f"{at}[{i}]") for i, block in enumerate(content)]


def type_of(block: dict[str, Any], at: str) -> str:
    """Return the type of a block, or raise `InvalidParameter`."""
    return required_string(block, "type", at)


def unsupported_block(kind: str, at: str, accepted: tuple[str, ...]) -> UnsupportedRequestFields:
    return UnsupportedRequestFields(
        f"{at} has the type {quoted(kind)}, which is not supported here. Use one of: "
        f"{', '.join(accepted)}.",
        param=f"{at}.type",
    )


def _texts(text: str) -> list[Part]:
    return [text_part(text)] if text else []


def _source(block: dict[str, Any], at: str) -> tuple[dict[str, Any], str, str]:
    """Return the ``source`` of a block, its type and its path."""
    source, where = block.get("source"), f"{at}.source"
    if not isinstance(source, dict):
        raise wrong_value(where, "an object", source)
    return source, required_string(source, "type", where), where


def _head(block: dict[str, Any], names: tuple[str, ...], at: str) -> list[Part]:
    """Return what precedes the text of a document: its title, and what is known about it."""
    return [part for name in names for part in _texts(optional_string(block, name, at) or "")]


def _refuse_citations(block: dict[str, Any], at: str) -> None:
    citations = block.get("citations")
    if isinstance(citations, dict) and citations.get("enabled"):
        where = f"{at}.citations"
        raise UnsupportedRequestFields(
            f"{where} asks for citations, which local models do not make. Remove it.", param=where
        )
