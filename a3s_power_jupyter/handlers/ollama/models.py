"""Handlers of Ollama's routes for models: list, show, copy, create and delete them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from ...contract.errors import InvalidModelName, ModelAlreadyExists, ModelBusy, ModelNotFound
from ...contract.parameters import DefaultParameters
from ...contract.types import Manifest, Model
from ..auth import allowed
from ..fields import Refused, read_fields
from ..ignored import HEADER, header_value, ignored_fields
from ..inference import own_names
from ..model_names import without_latest
from .create import REFUSED_IN_CREATE, default_parameters
from .descriptions import expiry, process, tag
from .errors import OllamaHandler
from .names import find, find_name, listed
from .pull_lines import SUCCESS
from .show import show

T = TypeVar("T", bound=msgspec.Struct)

Name = Annotated[str, Meta(min_length=1)]

#: The older name of the field.
ALIASES = {"name": "model"}


class OllamaModelHandler(OllamaHandler):
    """Base class of the handlers of models."""

    async def read(
        self, type_: type[T], aliases: Mapping[str, str] = ALIASES, refused: Refused | None = None
    ) -> T:
        """Return the fields of the body, and name those without effect in a header of the reply.

        Raises
        ------
        BodyTooLarge, InvalidJSON, InvalidParameter, UnsupportedRequestFields
            As `json_body` and `read_fields`.
        """
        refused = refused or {}

        def decode() -> tuple[T, str]:
            # Clients in Go send both names of a field, one of them empty.
            body = {name: value for name, value in self.json_body().items() if value != ""}
            ignored = header_value(ignored_fields(body, type_, aliases, refused))
            return read_fields(body, type_, aliases=aliases, refused=refused), ignored

        fields, ignored = await self.decode(decode)
        if ignored:
            self.set_header(HEADER, ignored)
        return fields

    async def entries(self) -> list[tuple[Manifest, Model]]:
        """Return all models with their state, the newest first."""
        listing = await self.service.catalog.usable_listing()
        newest = sorted(listing.manifests, key=lambda manifest: -manifest.created)
        return [(manifest, self.service.catalog.describe(manifest)) for manifest in newest]


class TagsHandler(OllamaModelHandler):
    @allowed("read")
    async def get(self) -> None:
        """List all models."""
        entries = await self.entries()
        names = {manifest.name for manifest, _ in entries}
        models = [tag(manifest, model, names) for manifest, model in entries]
        await self.finish_pieces({"models": models})


class ProcessesHandler(OllamaModelHandler):
    @allowed("read")
    async def get(self) -> None:
        """List the models in memory, those that stay longest first."""
        entries = await self.entries()
        names = {manifest.name for manifest, _ in entries}
        loaded = [entry for entry in entries if entry[1].loaded and entry[0].format != "remote"]
        loaded.sort(key=lambda entry: expiry(entry[1]), reverse=True)
        models = [process(manifest, model, names) for manifest, model in loaded]
        self.finish_json({"models": models})


class ShowFields(msgspec.Struct, frozen=True):
    model: Name
    verbose: bool = False


class ShowHandler(OllamaModelHandler):
    @allowed("read")
    async def post(self) -> None:
        """Show a model."""
        fields = await self.read(ShowFields)
        manifest = await find(self.service, fields.model)
        with own_names({}):
            header = await self.service.headers.read(manifest)
        listing = await self.service.catalog.usable_listing()
        name = listed(manifest.name, {other.name for other in listing.manifests})
        model = self.service.catalog.describe(manifest)
        reply = show(manifest, model, header, name=name, verbose=fields.verbose)
        await self.finish_pieces(reply)


class DeleteFields(msgspec.Struct, frozen=True):
    model: Name
    force: bool = False  # not in Ollama, where a busy model can be deleted


class DeleteHandler(OllamaModelHandler):
    @allowed("write")
    async def delete(self) -> None:
        """Unload and delete a model; a busy one only with ``force``."""
        fields = await self.read(DeleteFields)
        name = await find_name(self.service, fields.model)
        await self.service.catalog.delete(name, force=fields.force)
        self.finish()


class CopyFields(msgspec.Struct, frozen=True):
    source: Name
    destination: Name


class CopyHandler(OllamaModelHandler):
    @allowed("write")
    async def post(self) -> None:
        """Give a model a further name."""
        fields = await self.read(CopyFields, {})
        source = await find(self.service, fields.source, param="source")
        await self.copy(source, fields.destination, param="destination")
        self.finish()

    async def copy(
        self,
        source: Manifest,
        name: str,
        parameters: DefaultParameters | None = None,
        *,
        param: str,
    ) -> None:
        """Give a model the further name `name`, as the field `param` of the request has it.

        Raises
        ------
        PowerError
            As `Copies.copy`.
        """
        try:
            name = (await find(self.service, name)).name
        except ModelNotFound:
            name = without_latest(name)
        try:
            await self.service.copies.copy(source.name, name, parameters)
        except (InvalidModelName, ModelAlreadyExists, ModelBusy) as error:
            error.param = param
            raise


class CreateFields(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    model: Name
    from_: Name
    system: str = ""
    parameters: dict[str, Any] = {}
    stream: bool = True


class CreateHandler(CopyHandler):
    @allowed("write")
    async def post(self) -> None:
        """Give a model a further name with other default parameters."""
        fields = await self.read(CreateFields, refused=REFUSED_IN_CREATE)
        source = await find(self.service, fields.from_, param="from")
        parameters = default_parameters(source.default_parameters, fields.parameters, fields.system)
        await self.copy(source, fields.model, parameters, param="model")
        if fields.stream:
            await self.send_event({"status": "writing manifest"})
            await self.send_event(SUCCESS)
            self.finish(set_content_type=self.content_type)
        else:
            self.finish_json(SUCCESS)
