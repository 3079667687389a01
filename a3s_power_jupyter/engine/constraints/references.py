"""Find the target of a reference within a JSON schema."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from ...contract.text import quoted
from .problems import CannotConstrain


class References:
    """The references of one schema.

    Parameters
    ----------
    root : dict
        The whole schema.
    """

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._id = str(root.get("$id", root.get("id", ""))).removesuffix("#")
        self._anchors: dict[str, Any] | None = None

    def target(self, reference: Any, path: str) -> Any:
        """Return the schema that a ``$ref`` names.

        Raises
        ------
        CannotConstrain
            If it is not in this schema.
        """
        if not isinstance(reference, str):
            raise CannotConstrain(f"'$ref' must be a string, in the JSON schema at {path}.", path)
        local = reference.removeprefix(self._id) if self._id else reference
        found = None
        if local in ("", "#"):
            found = self._root
        elif local.startswith("#/"):
            found = self._at(unquote(local[2:]))
        elif local.startswith("#"):
            found = self._anchored().get(local[1:])
        if not isinstance(found, (dict, bool)):
            raise CannotConstrain(
                f"'$ref' is {quoted(reference)}, which is not in the schema. References to other "
                f"documents are not followed. Put the schema into '$defs', and refer to it as in "
                f"'#/$defs/name', at {path}.",
                path,
            )
        return found

    def _at(self, pointer: str) -> Any:
        node: Any = self._root
        for part in pointer.split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(node, list) and name.isdecimal() and int(name) < len(node):
                node = node[int(name)]
            elif isinstance(node, dict) and name in node:
                node = node[name]
            else:
                return None
        return node

    def _anchored(self) -> dict[str, Any]:
        if self._anchors is None:
            self._anchors = {}
            nodes: list[Any] = [self._root]
            while nodes:
                node = nodes.pop()
                nodes += [n for n in _values(node) if isinstance(n, (dict, list))]
                if isinstance(node, dict) and isinstance(node.get("$anchor"), str):
                    self._anchors[node["$anchor"]] = node
        return self._anchors


def _values(node: Any) -> list[Any]:
    return list(node.values()) if isinstance(node, dict) else node
