"""instructor: Pydantic models from forced tool calls and from schemas."""

from __future__ import annotations

from typing import Annotated, Literal

import instructor
from checks import CHAT, TOKEN, URL, check, require, run
from openai import OpenAI
from pydantic import BaseModel, Field

client = OpenAI(base_url=f"{URL}v1", api_key=TOKEN, max_retries=0)
MESSAGES = [{"role": "user", "content": "Describe a cat."}]


class Animal(BaseModel):
    """An animal."""

    name: Annotated[str, Field(max_length=20)]
    legs: Literal[2, 4, 6, 8]


def create(mode: instructor.Mode) -> None:
    patched = instructor.from_openai(client, mode=mode)
    animal = patched.chat.completions.create(
        model=CHAT, messages=MESSAGES, response_model=Animal, max_tokens=200, max_retries=1
    )
    require(isinstance(animal, Animal), animal)


@check
def tools() -> None:
    create(instructor.Mode.TOOLS)


@check
def json_schema() -> None:
    create(instructor.Mode.JSON_SCHEMA)


@check
def partial_stream() -> None:
    patched = instructor.from_openai(client, mode=instructor.Mode.TOOLS)
    animals = list(
        patched.chat.completions.create_partial(
            model=CHAT, messages=MESSAGES, response_model=Animal, max_tokens=200
        )
    )
    require(animals and animals[-1].name is not None, animals)


run()
