"""The persona Power: the models of this notebook server in the chats of Jupyter AI."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

from jupyter_ai_persona_manager import (
    BasePersona,
    CommandOption,
    ModelConfiguration,
    ModelOption,
    ModelSpec,
    PersonaDefaults,
    Usage,
)
from jupyterlab_chat.models import Message, NewMessage
from traitlets import Unicode

from ..contract.errors import ContextLengthExceeded, InvalidParameter, ModelNotFound, PowerError
from .attached import Part, parts_of
from .conversation import NOTICE, messages_of, shortened
from .harmless import harmless
from .own_server import Model, OwnServer

#: In the metadata of a chat: the model that was chosen in it.
_CHOSEN = "a3s_power_model"

_SYSTEM = (
    "You are a helpful assistant in JupyterLab. Answer briefly and precisely, in Markdown. "
    "Put code into fenced blocks with their language."
)

#: Seconds between two updates of an answer in the chat. Each of them saves the chat's file.
_UPDATE_SECONDS = 0.15


class PowerPersona(BasePersona):  # type: ignore[misc]  # Jupyter AI is optional
    """Answers with the models of the server that it runs in."""

    model = Unicode(
        help="Model of chats in which none was chosen. By default, one that is in memory, or the "
        "first one."
    ).tag(config=True)
    system = Unicode(_SYSTEM, help="System prompt of all chats. May be empty.").tag(config=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._server = OwnServer()
        self._answering: asyncio.Task[None] | None = None
        self._picked: str | None = None  # the model that the picker sent last
        self.report_slash_commands(
            [
                CommandOption(
                    name="/model", description="Show the models, or choose one: /model NAME"
                )
            ]
        )

    @property
    def defaults(self) -> PersonaDefaults:
        return PersonaDefaults(
            name="Power",
            description="Local models of this notebook server.",
            avatar_path=str(Path(__file__).with_name("power.svg")),
            system_prompt=self.system,
        )

    async def prepare(self) -> None:
        """List the models in the picker, when the persona is chosen."""
        try:
            await self._list_models()
        except PowerError as error:
            self.log.warning("The persona Power could not list models: %s", error.message)

    async def apply_model_spec(self, spec: ModelSpec) -> None:
        """Take the model of the picker, which comes with each message, if it is another one.

        Otherwise, a model that a command has chosen would be replaced at once.
        """
        if spec.id is not None and spec.id == self._picked:
            return
        self._picked = spec.id
        await super().apply_model_spec(spec)

    async def update_model(self, model_id: str) -> None:
        self.chat.set_metadata(_CHOSEN, model_id)

    async def process_message(self, message: Message) -> None:
        self._answering = asyncio.ensure_future(self._process(message))
        try:
            await asyncio.wait({self._answering})
            if not self._answering.cancelled():
                self._answering.result()
        except PowerError as error:
            self._notify(error.message)
        finally:
            self._answering.cancel()
            self._answering = None
            self.clear_status()

    async def cancel_response(self) -> None:
        if self._answering is not None:
            self._answering.cancel()

    async def shutdown(self) -> None:
        await super().shutdown()
        await self.cancel_response()
        await self._server.close()

    async def _process(self, message: Message) -> None:
        models = await self._list_models()
        command, _, name = message.body.strip().partition(" ")
        if command == "/model":
            await self._choose(name.strip(), models)
            return
        if not models:
            raise ModelNotFound(
                "There is no chat model on this server. Open Local Models in the launcher, and "
                "pull one that is recommended."
            )
        await self._answer(message, self._chosen(models))

    async def _list_models(self) -> list[Model]:
        """Show the models in the picker, and return them."""
        models = await self._server.chat_models()
        options = [ModelOption(id=model.id, name=model.id) for model in models]
        current = self._chosen(models).id if models else None
        self.report_model_configuration(ModelConfiguration(current=current, options=options))
        return models

    def _chosen(self, models: list[Model]) -> Model:
        """Return the model of this chat, or a default if it has been deleted."""
        by_name = {model.id: model for model in models}
        for name in (self.chat.get_metadata().get(_CHOSEN), self.model):
            if name in by_name:
                return by_name[name]
        return models[0]

    async def _choose(self, name: str, models: list[Model]) -> None:
        names = [model.id for model in models]
        if name in names:
            await self.update_model(name)
            await self._list_models()
            self._notify(f"`{name}` answers in this chat from now on.")
            return
        choices = "\n".join(f"- `/model {each}`" for each in names) or "There is no chat model."
        if name:
            raise ModelNotFound(
                f"There is no chat model `{name}`. Choose one of these:\n\n{choices}"
            )
        self._notify(f"The models of this server:\n\n{choices}")

    async def _answer(self, message: Message, model: Model) -> None:
        root = Path(self.parent.root_dir)
        sees = "vision" in model.capabilities

        def attached(each: Message) -> list[Part]:
            known = self.chat.get_attachments()
            files = [known[key] for key in each.attachments or () if key in known]
            try:
                return parts_of(files, root, images=sees)
            except InvalidParameter:
                if each.id == message.id:
                    raise
                return []  # of a former message: the file may be gone

        messages = await asyncio.to_thread(
            messages_of, self.chat.get_messages(), message, self.id, self.system_prompt, attached
        )
        while True:
            try:
                await self._stream(model, messages)
                return
            except ContextLengthExceeded:
                shorter = shortened(messages)
                if shorter is None:
                    raise
                messages = shorter

    async def _stream(self, model: Model, messages: list[dict[str, Any]]) -> None:
        """Show an answer while it is generated. What has arrived of it stays if it is stopped."""
        text = ""
        sent_id: str | None = None
        shown = ""
        shown_at = 0.0
        self.set_status(f"is waiting for {model.id}...")

        def show() -> None:
            nonlocal sent_id, shown, shown_at
            if text == shown:
                return
            if sent_id is None:
                sent_id = self.chat.add_message(NewMessage(body="", sender=self.id))
            self._update(sent_id, harmless(text))
            shown, shown_at = text, time.monotonic()

        try:
            async with aclosing(self._server.chat(model.id, messages)) as chunks:
                async for chunk in chunks:
                    for choice in chunk.get("choices", ()):
                        delta = choice.get("delta") or {}
                        if delta.get("reasoning_content") and not text:
                            self.set_status("is thinking...")
                        if delta.get("content"):
                            text += delta["content"]
                            self.set_status()
                    if time.monotonic() - shown_at >= _UPDATE_SECONDS:
                        show()
                    if chunk.get("usage"):
                        await self._report_usage(model, chunk["usage"])
        finally:
            show()

    async def _report_usage(self, model: Model, usage: dict[str, Any]) -> None:
        loaded = await self._server.model(model.id)
        prompt, answer = usage["prompt_tokens"], usage["completion_tokens"]
        self.report_usage(Usage(context_tokens=prompt + answer, context_size=loaded.context))
        self.report_usage(
            Usage(input_tokens=prompt, output_tokens=answer, total_tokens=prompt + answer),
            append=True,
        )

    def _notify(self, text: str) -> None:
        """Say something that is no part of the conversation with the model."""
        self._update(
            self.chat.add_message(NewMessage(body="", sender=self.id)), text, {NOTICE: True}
        )

    def _update(self, sent_id: str, body: str, metadata: dict[str, Any] | None = None) -> None:
        message = Message(
            id=sent_id,
            body=body,
            sender=self.id,
            time=time.time(),
            raw_time=False,
            metadata=metadata,
        )
        self.chat.update_message(message, trigger_actions=[])
