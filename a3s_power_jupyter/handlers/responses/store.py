"""The responses that a server keeps in memory, so that clients can refer to them."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import msgspec

from ...contract.errors import InvalidParameter, ResponseNotFound
from ...contract.text import quoted

if TYPE_CHECKING:
    from .background import BackgroundRun

Json = dict[str, Any]

#: Most responses that are kept.
MAX_RESPONSES = 1000

#: Bytes that an item and a part of it take beside their texts.
ITEM_OVERHEAD, PART_OVERHEAD = 768, 256


class StoredResponse:
    """A response with its input.

    Attributes
    ----------
    input : list of dict
        The items of its request in their full form, without those before `previous_id`.
    run : BackgroundRun or None
        The generation, if the response was requested in the background.
    """

    def __init__(
        self,
        response: Json,
        input_: list[Json],
        run: BackgroundRun | None = None,
    ) -> None:
        self.id: str = response["id"]
        self.previous_id: str | None = response["previous_response_id"]
        self.input = input_
        self.run = run
        self._response = response

    @property
    def response(self) -> Json:
        """The response as it is now."""
        return self._response if self.run is None else self.run.response()

    @property
    def is_running(self) -> bool:
        return self.run is not None and self.run.is_running

    def items(self) -> list[Json]:
        """Return the items of the input and of the output so far."""
        return [*self.input, *self.response["output"]]

    def size(self) -> int:
        """Return about the bytes that the response, its input and its events take in memory."""
        events = 0 if self.run is None else self.run.size
        texts = sum(len(msgspec.json.encode(part)) for part in (self.response, self.input))
        return events + texts + sum(map(_overhead, self.items()))


class ResponseStore:
    """Keeps the most recently used responses.

    A response in progress is never dropped. One that was dropped is missed by those that follow it:
    a conversation in use is therefore kept as a whole, as far as it fits.

    Parameters
    ----------
    max_bytes : int
        Most bytes of all responses; 0 keeps no response that is complete.
    """

    def __init__(self, max_bytes: int, max_responses: int = MAX_RESPONSES) -> None:
        self._max_bytes = max_bytes
        self._max_responses = max_responses
        self._responses: OrderedDict[str, StoredResponse] = OrderedDict()
        self._sizes: dict[str, int] = {}
        # By their ids. Clients send back items, so several responses may have the same one.
        self._items: dict[str, dict[str, Json]] = {}
        self._bytes = 0

    def add(self, stored: StoredResponse) -> None:
        """Keep a response, or measure it again, and drop those used least recently."""
        self._forget(stored.id)
        size = stored.size()
        if size > self._max_bytes and not stored.is_running:
            return  # it would drop all others, and itself
        self._responses[stored.id] = stored
        self._sizes[stored.id] = size
        self._bytes += size
        for item in stored.items():
            self._items.setdefault(item["id"], {})[stored.id] = item
        self._shrink()

    @property
    def keeps_none(self) -> bool:
        """Whether no response is kept."""
        return self._max_bytes == 0

    def get(self, id_: str, param: str | None = None) -> StoredResponse:
        """Return a response.

        Raises
        ------
        ResponseNotFound
            If it is not kept, or not any more.
        """
        stored = self._responses.get(id_)
        if stored is None:
            raise ResponseNotFound(
                f"The server has no response {quoted(id_)}. It keeps the last "
                f"{self._max_responses:,} responses in memory, at most "
                f"{self._max_bytes / 2**20:g} MB (PowerApp.response_store_mb), until it stops, and "
                "none with store: false. Send the whole conversation as input.",
                param=param,
            )
        self._responses.move_to_end(id_)
        return stored

    def delete(self, id_: str) -> None:
        """Drop a response. Raises as `get`."""
        self.get(id_)
        self._forget(id_)

    async def close(self) -> None:
        """Stop the responses in progress."""
        for stored in self.running():
            if stored.run is not None:
                await stored.run.cancel()

    def running(self) -> list[StoredResponse]:
        """Return the responses in progress."""
        return [stored for stored in self._responses.values() if stored.is_running]

    def history(self, id_: str) -> tuple[list[Json], int]:
        """Return the items of a conversation, those of a response and of all before it, and bytes.

        Raises
        ------
        ResponseNotFound
            If one of them is not kept.
        InvalidParameter
            If one of them is in progress or has failed.
        """
        chain: list[StoredResponse] = []
        next_id: str | None = id_
        while next_id is not None:
            stored = self.get(next_id, "previous_response_id")
            status = stored.response["status"]
            if status not in ("completed", "incomplete"):
                raise InvalidParameter(
                    f"The response {next_id!r} is {status.replace('_', ' ')}. Only a response that "
                    "is complete can be continued.",
                    param="previous_response_id",
                )
            chain.append(stored)
            next_id = stored.previous_id
        items: list[Json] = []
        for stored in reversed(chain):
            self._responses.move_to_end(stored.id)  # the first one is the first to be dropped
            items += stored.items()
        return items, sum(self._sizes[stored.id] for stored in chain)

    def item(self, id_: str, at: str) -> Json:
        """Return an item of the output or input of a response.

        Raises
        ------
        ResponseNotFound
            If there is none.
        """
        same = [*self._items.get(id_, {}).values()]  # at once: large requests are read in a thread
        if same:
            return dict(same[-1])
        raise ResponseNotFound(
            f"{at} refers to {quoted(id_)}, which is no item of a response that the server keeps. "
            "Send the item itself.",
            param=at,
        )

    def _forget(self, id_: str) -> None:
        stored = self._responses.pop(id_, None)
        if stored is None:
            return
        self._bytes -= self._sizes.pop(id_)
        for item in stored.items():
            same = self._items.get(item["id"], {})
            same.pop(id_, None)
            if not same:
                self._items.pop(item["id"], None)

    def _shrink(self) -> None:
        for id_, stored in list(self._responses.items()):
            if self._bytes <= self._max_bytes and len(self._responses) <= self._max_responses:
                return
            if not stored.is_running:
                self._forget(id_)


def _overhead(item: Json) -> int:
    lists = (item.get(name) for name in ("content", "output", "summary"))
    return ITEM_OVERHEAD + PART_OVERHEAD * sum(len(p) for p in lists if isinstance(p, list))
