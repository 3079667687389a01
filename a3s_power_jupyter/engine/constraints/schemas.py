"""Rewrite a JSON schema as one that llguidance keeps exactly, or refuse it.

Answers are valid for the original schema. They may be narrower: the properties of an object are
written in the order of the schema, and no others, unless `additionalProperties` allows them.
"""

from __future__ import annotations

import json
from typing import Any

from .alternatives import exclude_each_other, tag_of
from .keywords import (
    COMBINING,
    KEPT,
    MAPS,
    MAX_PROPERTIES,
    check_kept,
    check_value,
    constrains,
    wrong,
)
from .numbers import BOUNDS, is_whole, number_keywords
from .objects import adds_no_property, can_be_closed, check_counts
from .problems import CannotConstrain
from .references import References
from .strings import add, add_format, add_pattern, pattern_of
from .unique_items import with_arrays_listed

#: White space between the parts of JSON: a space, or a line break and an indentation. It is
#: bounded, because small models may otherwise write spaces until `max_tokens`.
WHITESPACE = r" |\n(?: {0,20}|\t{0,10})"

#: Deepest nesting of subschemas, where references count as well. llguidance follows them on the
#: stack of its thread.
MAX_DEPTH = 120

#: Longest schema as JSON, in characters.
MAX_SCHEMA = 2**18

#: Most subschemas.
MAX_SUBSCHEMAS = 20_000

#: Escapes in the names of additional properties. With ``\\u``, a name of `properties` could be
#: spelled in another way, and its value would not be checked.
_ESCAPES = 'nrbtf\\"'


def prepared(schema: Any) -> dict[str, Any]:
    """Return the schema for llguidance, with its options.

    Raises
    ------
    CannotConstrain
        If a keyword cannot be kept. The error has its path.
    """
    if schema is False:
        raise CannotConstrain("The JSON schema is false, which allows no answer.")
    if schema is not True and not isinstance(schema, dict):
        raise CannotConstrain("A JSON schema must be an object or a boolean.")
    _check_size(schema)
    rewriting = _Rewriting({} if schema is True else schema)
    whole = rewriting.whole()
    options = {"whitespace_pattern": WHITESPACE}
    if not rewriting.needs_unicode_escapes:
        options["json_allowed_escapes"] = _ESCAPES
    return {**whole, "x-guidance": options}


def _check_size(schema: Any) -> None:
    try:
        length = len(json.dumps(schema))
    except RecursionError:
        raise CannotConstrain("The JSON schema is nested too deeply. Use a flatter one.") from None
    if length > MAX_SCHEMA:
        raise CannotConstrain(
            f"The JSON schema has {length:,} characters; at most {MAX_SCHEMA:,} are possible."
        )


class _Rewriting:
    """Rewrites one schema. Definitions are written once for each way in which they are used."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._references = References(root)
        self._definitions: dict[str, Any] = {}
        self._names: dict[tuple[int, bool, str | None], str] = {}
        self._depth = 0
        self._count = 0
        self.needs_unicode_escapes = False

    def whole(self) -> dict[str, Any]:
        result: dict[str, Any] = self._schema(self._root, "", combined=False)
        if self._definitions:
            result = {**result, "$defs": self._definitions}
        return result

    # ------------------------------------------------------------ subschemas

    def _schema(self, node: Any, path: str, *, combined: bool, tag: str | None = None) -> Any:
        """Rewrite a subschema.

        Parameters
        ----------
        combined : bool
            Whether other subschemas apply to the same values, so that its objects may need
            properties that it does not list.
        tag : str or None
            A property to require.
        """
        if isinstance(node, bool):
            return {} if node else False
        if not isinstance(node, dict):
            raise CannotConstrain(f"A JSON schema must be an object or a boolean, at {path}.", path)
        self._enter(path)
        node = with_arrays_listed(self._with_names(node), self._resolve, constrains)
        for name, value in node.items():
            check_kept(name, value, f"{path}/{_escaped(name)}")
        node = {name: value for name, value in node.items() if name in KEPT}
        combined = combined or _combines(node)
        result: dict[str, Any] = {}
        for name, value in node.items():
            self._keyword(node, name, value, f"{path}/{name}", result, combined)
        if any(name in node for name in (*BOUNDS, "multipleOf")) or is_whole(node):
            result = {name: value for name, value in result.items() if name not in BOUNDS}
            result.update(number_keywords(node, path, combined=combined))
        if tag is not None:
            result["required"] = [*dict.fromkeys([*result.get("required", ()), tag])]
        if not combined and can_be_closed(node):
            result["additionalProperties"] = False
        check_counts(result, path)
        self._depth -= 1
        return result

    def _with_names(self, node: dict[str, Any]) -> dict[str, Any]:
        """Return a schema without `propertyNames`, if it lists the names or has a pattern only."""
        names = self._resolve(node.get("propertyNames"))
        if not isinstance(names, dict) or node.keys() & {*MAPS, "required"}:
            return node
        names = {name: value for name, value in names.items() if name in KEPT and name != "type"}
        values = names.get("enum", [names["const"]] if "const" in names else None)
        part = node.get("additionalProperties", True)
        if len(names) != 1 or not isinstance(part, dict | bool):
            return node
        rest = {name: value for name, value in node.items() if name != "propertyNames"}
        rest["additionalProperties"] = False
        if isinstance(values, list) and all(isinstance(value, str) for value in values):
            return {**rest, "properties": dict.fromkeys(values, part)}
        if isinstance(names.get("pattern"), str):
            return {**rest, "patternProperties": {names["pattern"]: part}}
        return node

    def _enter(self, path: str) -> None:
        self._depth += 1
        self._count += 1
        if self._depth > MAX_DEPTH:
            raise CannotConstrain("The JSON schema is nested too deeply. Use a flatter one.", path)
        if self._count > MAX_SUBSCHEMAS:
            raise CannotConstrain(f"The JSON schema has more than {MAX_SUBSCHEMAS:,} subschemas.")

    def _keyword(
        self, node: Any, name: str, value: Any, path: str, result: dict[str, Any], combined: bool
    ) -> None:
        """Add a keyword to the result."""
        if name == "$ref":
            result[name] = self._reference(value, path, combined)
        elif name == "oneOf":
            self._one_of(value, path, result, combined)
        elif name in ("allOf", "anyOf"):
            add(result, name, self._list(value, path, combined))
        elif name in MAPS:
            result[name] = self._map(name, value, path, combined)
        elif name == "prefixItems" or (name == "items" and isinstance(value, list)):
            result[name] = self._list(value, path, combined)
        elif name in ("items", "additionalItems", "additionalProperties"):
            result[name] = self._schema(value, path, combined=combined)
        elif name == "pattern":
            add_pattern(result, pattern_of(value, path))
        elif name == "format":
            add_format(node, value, path, result)
        else:
            result[name] = check_value(name, value, path)
            if name in ("const", "enum"):
                self._note_escapes(value)

    def _list(self, value: Any, path: str, combined: bool) -> list[Any]:
        name = path.rpartition("/")[2]
        if not isinstance(value, list) or (not value and name in COMBINING):
            raise wrong(name, "a list of schemas", path)
        return [
            self._schema(part, f"{path}/{index}", combined=combined)
            for index, part in enumerate(value)
        ]

    def _map(self, name: str, value: Any, path: str, combined: bool) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise wrong(name, "an object with a schema for each name", path)
        if len(value) > MAX_PROPERTIES:
            raise CannotConstrain(
                f"An object has {len(value):,} properties; at most {MAX_PROPERTIES:,} are "
                f"possible, at {path}.",
                path,
            )
        result = {}
        for key, part in value.items():
            inner = f"{path}/{_escaped(key)}"
            new = pattern_of(key, inner) if name == "patternProperties" else key
            self._note_escapes(key)
            result[new] = self._schema(part, inner, combined=combined)
        return result

    # ------------------------------------------------------------ references and alternatives

    def _reference(self, value: Any, path: str, combined: bool, tag: str | None = None) -> str:
        """Return the new name of a definition, and rewrite it if it is not yet."""
        target = self._references.target(value, path)
        key = id(target), combined, tag
        if key not in self._names:
            name = self._names[key] = f"d{len(self._names)}"
            self._definitions[name] = {}  # keeps the order in which references are found
            where = value if value.startswith("#") else path
            self._definitions[name] = self._schema(
                target, where.removeprefix("#"), combined=combined, tag=tag
            )
        return f"#/$defs/{self._names[key]}"

    def _resolve(self, node: Any) -> Any:
        """Follow the references that are all of a schema."""
        seen: set[int] = set()
        while isinstance(node, dict) and id(node) not in seen:
            seen.add(id(node))
            kept = [name for name in node if name in KEPT]
            parts = node.get("allOf")
            if kept == ["$ref"]:
                node = self._references.target(node["$ref"], "")
            elif kept == ["allOf"] and isinstance(parts, list) and len(parts) == 1:
                node = parts[0]
            else:
                break
        return node

    def _one_of(self, value: Any, path: str, result: dict[str, Any], combined: bool) -> None:
        """Add `oneOf` as `anyOf`, if its alternatives exclude each other."""
        if not isinstance(value, list) or not value:
            raise wrong("oneOf", "a list of schemas", path)
        resolved = [self._resolve(part) for part in value]
        tag = tag_of(resolved) if len(value) > 1 else None
        closed = (lambda node: False) if combined else can_be_closed
        if tag is None and not exclude_each_other(resolved, self._resolve, closed):
            raise CannotConstrain(
                "The alternatives of 'oneOf' may overlap, so that no grammar can keep it. Use "
                f"'anyOf', or give each a property with a different 'const', at {path}.",
                path,
            )
        alternatives = [
            self._alternative(part, f"{path}/{index}", combined, tag)
            for index, part in enumerate(value)
        ]
        add(result, "anyOf", alternatives)

    def _alternative(self, part: Any, path: str, combined: bool, tag: str | None) -> Any:
        if tag is not None and isinstance(part, dict) and "$ref" in part:
            return {"$ref": self._reference(part["$ref"], path, combined, tag)}
        if tag is not None and isinstance(part, dict) and "allOf" in part:
            return self._alternative(part["allOf"][0], path, combined, tag)
        return self._schema(part, path, combined=combined, tag=tag)

    def _note_escapes(self, value: Any) -> None:
        """Note whether a constant has a control character, which only ``\\u`` can write."""
        text = json.dumps(value, ensure_ascii=False)
        self.needs_unicode_escapes |= "\\u00" in text


def _combines(node: dict[str, Any]) -> bool:
    """Whether several subschemas apply to the same value."""
    combining = [name for name in COMBINING if name in node]
    if not combining:
        return False
    parts = node.get("allOf")
    beside = {name for name in node if not adds_no_property(name, node[name])}
    return len(beside) > 1 or (isinstance(parts, list) and len(parts) > 1)


def _escaped(name: str) -> str:
    """Return a name for a JSON pointer, shortened."""
    name = name if len(name) <= 60 else name[:57] + "..."
    return name.replace("~", "~0").replace("/", "~1")
