"""Render an OpenAPI document as a reference: routes by tag, and the objects they share.

A renderer for sphinxcontrib-openapi. The built-in renderers repeat all fields of a response below
each route. This one describes shared objects once, and the routes link to them::

    .. rest-reference:: rest-api.yml
       :tag: models

    .. rest-reference:: rest-api.yml
       :objects:
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinxcontrib.openapi.directive import create_directive_from_renderer
from sphinxcontrib.openapi.renderers.abc import RestructuredTextRenderer

Json = dict[str, Any]
Row = tuple[str, str, str]

#: Location of a parameter in OpenAPI -> field of sphinxcontrib-httpdomain.
_PARAMETER_FIELDS = {"path": "param", "query": "query"}


class ReferenceRenderer(RestructuredTextRenderer):
    """Render the routes of a tag, the shared objects, or, without options, an overview."""

    option_spec: ClassVar[dict[str, Any]] = {
        "tag": directives.unchanged,
        "objects": directives.flag,
    }

    def render_restructuredtext_markup(self, spec: Json) -> Iterator[str]:
        document = Document(spec)
        if "tag" in self._options:
            return routes(document, self._options["tag"])
        return objects(document) if "objects" in self._options else overview(document)


class Document:
    """An OpenAPI document with unresolved references."""

    def __init__(self, spec: Json) -> None:
        self._spec = spec

    def operations(self) -> Iterator[tuple[str, str, Json]]:
        """Yield path, verb and operation of each route, with the path's parameters included."""
        for path, item in self._spec["paths"].items():
            common = item.get("parameters", [])
            for verb, operation in item.items():
                if verb != "parameters":
                    parameters = [*common, *operation.get("parameters", [])]
                    yield path, verb, {**operation, "parameters": parameters}

    def resolve(self, node: Json) -> Json:
        """Return the target of `node` if it is a reference, else `node`."""
        while "$ref" in node:
            target: Any = self._spec
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            node = target
        return node

    def merge(self, schema: Json) -> Json:
        """Return a schema with the fields of its ``allOf``. Its own fields take precedence."""
        schema = self.resolve(schema)
        properties: Json = {}
        required: list[str] = []
        for part in (schema, *map(self.merge, schema.get("allOf", ()))):
            for name, field in part.get("properties", {}).items():
                properties[name] = {**self._field(field), **properties.get(name, {})}
            required += part.get("required", ())
        return {**schema, "properties": properties, "required": required}

    def _field(self, field: Json) -> Json:
        """Return the target of a reference to a field of a schema, which cannot be linked to."""
        return self.resolve(field) if "/properties/" in field.get("$ref", "") else field

    def shared_schemas(self) -> dict[str, Json]:
        """Return the schemas that are linked to: all but request bodies and merged parts."""
        schemas: dict[str, Json] = self._spec["components"]["schemas"]
        linked: set[str] = set()
        queue = [name for _, _, operation in self.operations() for name in self._links(operation)]
        while queue:
            name = queue.pop()
            if name not in linked:
                linked.add(name)
                queue += _references(self.merge(schemas[name]))
        return {name: schemas[name] for name in sorted(linked)}

    def _links(self, operation: Json) -> Iterator[str]:
        for response in operation["responses"].values():
            yield from _references(self.resolve(response))
        for content in operation.get("requestBody", {}).get("content", {}).values():
            yield from _references(self.merge(content["schema"]))


def _references(node: Any) -> Iterator[str]:
    """Yield the names of referenced schemas, except in ``allOf``, which is merged, not linked."""
    if isinstance(node, dict):
        if node.get("$ref", "").startswith("#/components/schemas/"):
            yield _name(node)
        for key, value in node.items():
            if key != "allOf":
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _name(reference: Json) -> str:
    return str(reference["$ref"].rpartition("/")[2])


# ---------------------------------------------------------------- parts of the page


def overview(document: Document) -> Iterator[str]:
    """Yield a table of all routes."""
    rows = [
        (f":http:{verb}:`{path}`", operation["summary"])
        for path, verb, operation in document.operations()
    ]
    yield from _table(("Route", "Description"), rows, widths="auto")


def routes(document: Document, tag: str) -> Iterator[str]:
    """Yield the routes of a tag."""
    for path, verb, operation in document.operations():
        if tag in operation["tags"]:
            yield f".. http:{verb}:: {path}"
            yield ""
            yield from _indented(_route(document, operation))
            yield ""


def objects(document: Document) -> Iterator[str]:
    """Yield the shared schemas, each under a heading."""
    for name, schema in document.shared_schemas().items():
        yield from (f".. _{_label(name)}:", "", name, "-" * len(name), "")
        merged = document.merge(schema)
        if merged.get("properties"):
            yield from (schema.get("description", ""), "")
            yield from _fields(merged)
        else:
            yield from (_sentences(_type(schema), *_facts(schema)), "")


def _route(document: Document, operation: Json) -> Iterator[str]:
    yield f"{operation['summary']}."
    yield ""
    for reference in operation["parameters"]:
        parameter = document.resolve(reference)
        field, schema = _PARAMETER_FIELDS[parameter["in"]], parameter["schema"]
        facts = _sentences(parameter.get("description", ""), *_facts(schema))
        yield f":{field} {schema['type']} {parameter['name']}: {facts}"
    yield ""
    if "requestBody" in operation:
        body = operation["requestBody"]
        yield "Body:" if body.get("required") else "Body (optional):"
        yield ""
        schema = document.merge(body["content"]["application/json"]["schema"])
        yield from _fields(schema) if schema["properties"] else (_type(schema), "")
    for status, response in operation["responses"].items():
        field = "otherwise" if status == "default" else f"statuscode {status}"
        yield f":{field}: {_reply(document.resolve(response))}"


def _reply(response: Json) -> str:
    contents = [
        f"``{media}``: {_content(content['schema'])}"
        for media, content in response.get("content", {}).items()
    ]
    return f"{response['description']}. {'; '.join(contents)}"


def _content(schema: Json) -> str:
    if "properties" not in schema:
        return _type(schema)
    fields = schema["properties"].items()
    return "object of " + ", ".join(f"``{name}`` ({_type(field)})" for name, field in fields)


# ---------------------------------------------------------------- schemas


def _fields(schema: Json) -> Iterator[str]:
    rows = list(_rows(schema, "", set(schema.get("required", ()))))
    yield from _table(("Field", "Type", "Description"), rows, widths="25 25 50")


def _rows(schema: Json, prefix: str, required: set[str]) -> Iterator[Row]:
    """Yield a row for each field, each followed by the rows of its nested fields."""
    fields = schema.get("properties", {}).items()
    for name, field in sorted(fields, key=lambda item: item[0] not in required):
        marker = "Required" if name in required else ""
        facts = _sentences(field.get("description", ""), marker, *_facts(field))
        yield f"``{prefix}{name}``", _type(field), facts
        inner, path = field, f"{prefix}{name}"
        if field.get("type") == "array":
            inner, path = field.get("items", {}), f"{path}[]"
        yield from _rows(inner, f"{path}.", set(inner.get("required", ())))


def _type(schema: Json) -> str:
    if "$ref" in schema:
        return f"`{_name(schema)} <#{_label(_name(schema))}>`__"
    if "const" in schema:
        return f"``{str(schema['const']).lower()}``"
    if "oneOf" in schema:
        return " or ".join(_type(variant) for variant in schema["oneOf"])
    kind = schema.get("type", "object")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        return f"array of {_type(schema['items'])}" if "items" in schema else "array"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object, each field {_type(schema['additionalProperties'])}"
    return str(kind)


def _facts(schema: Json) -> Iterator[str]:
    """Yield the allowed values, the range and the default of a schema."""
    if "enum" in schema:
        yield "One of " + ", ".join(map(_literal, schema["enum"]))
    if schema.get("type") == "array":
        items = schema.get("items", {})
        if "enum" in items:
            yield "Any of " + ", ".join(map(_literal, items["enum"]))
    yield _range(schema)
    if "default" in schema:
        yield f"Default: ``{str(schema['default']).lower()}``"


def _literal(value: Any) -> str:
    return f"``{value}``" if value != "" else '``""``'


def _range(schema: Json) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        return f"More than {schema['exclusiveMinimum']}, at most {high}"
    if low is not None and high is not None:
        return f"{low} to {high}"
    if low is not None:
        return f"At least {low}"
    return "" if high is None else f"At most {high}"


def _sentences(*parts: str) -> str:
    return " ".join(part if part[-1] in ".!?" else f"{part}." for part in parts if part)


# ---------------------------------------------------------------- reStructuredText


def _label(name: str) -> str:
    return f"rest-{name.lower()}"


def _table(headers: tuple[str, ...], rows: list[Any], *, widths: str) -> Iterator[str]:
    yield from (".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", "")
    for row in (headers, *rows):
        for i, cell in enumerate(row):
            yield f"   {'* -' if i == 0 else '  -'} {cell}"
    yield ""


def _indented(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield f"   {line}" if line else ""


def setup(app: Sphinx) -> dict[str, Any]:
    app.setup_extension("sphinxcontrib.openapi")
    app.add_directive("rest-reference", create_directive_from_renderer(ReferenceRenderer))
    return {"parallel_read_safe": True}
