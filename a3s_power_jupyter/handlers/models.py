"""Handlers of models: register, list, show, delete, load, unload and pin them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from msgspec import UNSET

from ..contract.errors import InvalidKeepAlive, InvalidParameter, PowerError
from ..contract.field_errors import described
from ..contract.parameters import LoadParameters, canonical_isq, check, parse_keep_alive
from ..contract.types import RegisterBody
from ..service.local_models import kept_parameters
from .anthropic.errors import SharedRoute
from .anthropic.models import model_info, model_page
from .auth import allowed
from .base import PowerHandler
from .event_stream import EventStreamHandler
from .inference import own_names
from .local_models import file_path
from .model_names import find


class ModelsHandler(SharedRoute, PowerHandler):
    @allowed("read")
    async def get(self) -> None:
        """List all models, sorted by id, and say why some may be missing."""
        models, problems = await self.service.catalog.models()
        if self.is_anthropic:
            names = ("limit", "after_id", "before_id")
            page = {name: self.get_query_argument(name, "") for name in names}
            self.finish_json(model_page(models, **page))
            return
        reply: dict[str, Any] = {"object": "list", "data": models}
        self.finish_json(reply | ({"problems": problems} if problems else {}))

    @allowed("write")
    async def post(self) -> None:
        """Register a model."""
        body = await self.decode(lambda: check(self.json_body(), RegisterBody))
        contents_path = body.contents_path
        if contents_path is None:
            await self._register(body)
            return
        if body.path is not None:
            raise InvalidParameter(
                "Both path and contents_path are set. Omit one of them.", param="contents_path"
            )
        path = file_path(contents_path, self.contents_manager)
        with own_names({"path": "contents_path"}):
            await self._register(msgspec.structs.replace(body, path=path))

    async def _register(self, body: RegisterBody) -> None:
        request, notes = await self.service.local_models.completed(body)
        model = await self.until_disconnect(self.service.catalog.register(request))
        notes += kept_parameters(request, model)
        if notes:
            known = () if model.notes is UNSET else model.notes
            model = msgspec.structs.replace(model, notes=(*notes, *known))
        self.finish_json(model, status=201)


class ModelHandler(SharedRoute, PowerHandler):
    @allowed("read")
    async def get(self, name: str) -> None:
        """Show a model, also its chat template or what its deletion frees if asked to."""
        catalog = self.service.catalog
        manifest = await find(catalog, name)
        model = catalog.describe(manifest)
        if self.is_anthropic:
            self.finish_json(model_info(model))
            return
        if self.flag("template"):
            template = await self.service.headers.template(manifest)
            model = msgspec.structs.replace(model, template=template or UNSET)
        if self.flag("deletion"):
            deletion = await catalog.preview_deletion(manifest)
            model = msgspec.structs.replace(model, deletion=deletion)
        self.finish_json(model)

    @allowed("write")
    async def patch(self, name: str) -> None:
        """Change default parameters; null removes one."""
        request = await self.decode(lambda: check(self.json_body(), _ChangeRequest))
        self.finish_json(await self.service.defaults.change(name, request.default_parameters))

    @allowed("write")
    async def delete(self, name: str) -> None:
        """Unload and delete a model; a busy one only with ``?force=true``."""
        freed = await self.service.catalog.delete(name, force=self.flag("force"))
        self.finish_json({"deleted": True, "id": name, "object": "model", "freed_bytes": freed})


class _ChangeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    default_parameters: dict[str, Any]


class GarbageHandler(ModelHandler):
    """``POST /v1/models/gc``. The other verbs address a model named ``gc``."""

    @allowed("write")
    async def post(self, name: str) -> None:
        request = await self.decode(lambda: check(self.json_body(), _GarbageRequest))
        removed, problems = await self.service.catalog.collect_garbage(dry_run=request.dry_run)
        self.finish_json(
            {
                "object": "gc",
                "dry_run": request.dry_run,
                "removed": removed,
                "freed_bytes": sum(item.size for item in removed),
                "problems": problems,
            }
        )


class _GarbageRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dry_run: bool = False


class LoadHandler(EventStreamHandler):
    @allowed("write")
    async def post(self, name: str) -> None:
        """Load a model. Reply with a stream of progress if accepted, else with the Model."""
        parameters, keep_alive = await self.decode(lambda: _load_request(self.json_body()))
        events = self.service.loading.load(name, parameters, keep_alive)
        if "text/event-stream" in self.request.headers.get("Accept", ""):
            await self.stream(events)
        else:
            last = await self.until_disconnect(_last(events))
            self.finish_json(last["model"])

    def error_events(self, error: PowerError) -> list[Any]:
        return [{"status": "error", **self.error_body(error)}]


class EstimateHandler(PowerHandler):
    @allowed("read")
    async def post(self, name: str) -> None:
        """Compute what a load would take and whether it fits, without loading anything."""
        parameters, _ = await self.decode(lambda: _load_request(self.json_body()))
        estimating = self.service.estimates.estimate(name, parameters)
        self.finish_json(await self.until_disconnect(estimating))


def _load_request(body: dict[str, Any]) -> tuple[LoadParameters, float | None]:
    """Return the parameters and the ``keep_alive`` of a request to load a model."""
    keep_alive = _keep_alive(body.pop("keep_alive", None))
    parameters = check(body, LoadParameters)
    if parameters.isq is not UNSET:
        kind = canonical_isq(parameters.isq, param="isq")
        parameters = msgspec.structs.replace(parameters, isq=kind)
    return parameters, keep_alive


async def _last(events: AsyncGenerator[dict[str, Any], None]) -> dict[str, Any]:
    last: dict[str, Any] = {}
    async for event in events:
        last = event
    return last


def _keep_alive(value: Any) -> float | None:
    """Return the seconds of a request's ``keep_alive``, or None if it is absent.

    Raises
    ------
    InvalidKeepAlive
        If it is not a duration.
    """
    if value is None:
        return None
    if not isinstance(value, (str, int, float)):
        raise InvalidKeepAlive(
            f"keep_alive must be a duration, such as '5m', 300 or -1, not {described(value)}.",
            param="keep_alive",
        )
    return parse_keep_alive(value)


class UnloadHandler(PowerHandler):
    @allowed("write")
    async def post(self, name: str) -> None:
        """Unload a model; a busy one only with ``?force=true``."""
        await self.check_no_fields()
        self.finish_json(await self.service.loading.unload(name, force=self.flag("force")))


class PinHandler(PowerHandler):
    @allowed("write")
    async def post(self, name: str) -> None:
        """Exempt a model from eviction and idle unloading."""
        await self.check_no_fields()
        self.finish_json(await self.service.loading.pin(name, True))


class UnpinHandler(PowerHandler):
    @allowed("write")
    async def post(self, name: str) -> None:
        await self.check_no_fields()
        self.finish_json(await self.service.loading.pin(name, False))
