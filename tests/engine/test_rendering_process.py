"""Chat templates in their processes, which are killed at their limits and started again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from a3s_power_jupyter.contract.errors import (
    ContextLengthExceeded,
    InvalidParameter,
    PowerError,
    UnsupportedRequestFields,
)
from a3s_power_jupyter.engine.cancellation import cancellable
from a3s_power_jupyter.engine.rendering import process as process_module
from a3s_power_jupyter.engine.rendering import renderer as rendering
from a3s_power_jupyter.engine.rendering.protocol import RenderOptions
from a3s_power_jupyter.engine.template import MAX_TEMPLATE, ChatTemplate, TemplateSources
from support.waiting import wait_until

HELLO = [{"role": "user", "content": "hello"}]
BOMB = [{"role": "user", "content": "bomb"}]

GOOD = "{% for m in messages %}{{ m.content }}{% endfor %}"

CALLS = (
    "{% for m in messages %}{{ m.content }}{% for c in m.tool_calls or [] %}"
    "<call>{{ c.function | tojson }}</call>{% endfor %}{% endfor %}"
)

#: Code in a loop over the messages `m`.
ENDLESS = {
    "loops": "{% for a in range(99999) %}" * 4 + "{% endfor %}" * 4,
    "power": "{% set n = messages | length + 8 %}{{ n ** (n ** n) }}",
    "lists": (
        "{% set ns = namespace(l=[]) %}{% for a in range(60) %}{% set ns.l = [ns.l, ns.l] %}"
        "{% endfor %}{{ ns.l | tojson }}"
    ),
}
GREEDY = {
    "text": "{{ m.content * 10**9 }}",
    "number": "{{ '%9999999999d' % (messages | length) }}",
    "format": "{{ '{:>1000000000}'.format(m.content) }}",
    "filter": "{{ m.content | center(10**9) }}",
    "json": "{{ messages | tojson(indent=10**9) }}",
    "growing text": (
        "{% set ns = namespace(s='x') %}{% for a in range(60) %}{% set ns.s = ns.s + ns.s %}"
        "{% endfor %}"
    ),
    "growing list": (
        "{% set ns = namespace(l=[0]) %}{% for a in range(60) %}{% set ns.l = ns.l + ns.l %}"
        "{% endfor %}"
    ),
}


def chat_template(source: str = GOOD, num_ctx: int = 64) -> ChatTemplate:
    return ChatTemplate(TemplateSources(source), bos_token="", eos_token="", num_ctx=num_ctx)


def problem(source: str) -> str:
    """Return the reason that a template cannot be used."""
    template = chat_template(source)
    with pytest.raises(UnsupportedRequestFields) as caught:
        template.render(HELLO)
    assert caught.value.param == "messages"
    assert caught.value.message.startswith("This model cannot chat. ")
    (note,) = template.notes
    assert note.startswith("The model cannot chat. ")
    return caught.value.message


def for_bombs(source: str) -> str:
    return (
        "{% for m in messages %}{% if m.content == 'bomb' %}"
        + source
        + "{% endif %}{{ m.content }}{% endfor %}"
    )


def processes() -> list[psutil.Process]:
    """Return the rendering processes of this process."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # it has just been killed
            if "a3s_power_jupyter.engine.rendering.main" in child.cmdline():
                found.append(child)
    return found


def only_process() -> psutil.Process:
    """Wait until there is one rendering process, and return it."""
    wait_until(lambda: len(processes()) == 1)
    return processes()[0]


def computing() -> list[psutil.Process]:
    """Return the rendering processes that have computed for a while."""
    found = []
    for process in processes():
        with suppress(psutil.NoSuchProcess):
            if process.cpu_times().user > 0.2:
                found.append(process)
    return found


def kill_idle_process() -> None:
    """Kill the process, and wait until all of its threads have ended."""
    process = only_process()
    process.kill()
    (running,) = rendering.renderer()._idle
    wait_until(lambda: running.exited)


def failure(template: ChatTemplate) -> PowerError:
    with pytest.raises(InvalidParameter) as caught:
        template.render(BOMB)
    return caught.value


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "CPU_SECONDS", 0.3)


def test_the_reason_of_an_invalid_template_ends_with_one_period() -> None:
    text = r"end of template.*[^.]\. Use /v1/completions, or register"
    assert re.search(text, problem("{{ x"))


@pytest.mark.parametrize("source", ENDLESS.values(), ids=ENDLESS)
def test_a_template_that_takes_too_long_is_stopped(source: str, short: None) -> None:
    template = chat_template(for_bombs(source))
    error = failure(template)
    assert error.param == "messages"
    assert "chat template" in error.message
    assert "more than 0.3 seconds of CPU time" in error.message
    assert "default_parameters.chat_template" in error.message
    assert template.render(HELLO) == "hello"


@pytest.mark.parametrize("source", GREEDY.values(), ids=GREEDY)
def test_a_template_that_takes_too_much_memory_is_stopped(source: str) -> None:
    template = chat_template(for_bombs(source))
    error = failure(template)
    assert "more than 1 GiB of memory" in error.message
    assert "default_parameters.chat_template" in error.message
    assert template.render(HELLO) == "hello"


@pytest.mark.parametrize("source", [ENDLESS["loops"], "{{ 9 ** (9 ** 9) }}"])
def test_only_a_chat_needs_a_template_that_ends(source: str, short: None) -> None:
    assert "could not render a short message: it took more" in problem(source)
    assert chat_template().render(HELLO) == "hello"


def test_only_a_chat_needs_a_valid_template() -> None:
    assert "not valid: Expected an expression" in problem("{% if %}")


def test_a_template_that_rejects_every_chat_is_in_the_notes() -> None:
    template = chat_template("{{ missing() }}")
    with pytest.raises(InvalidParameter, match="'missing' is undefined"):
        template.render(HELLO)
    (note,) = template.notes
    assert "'missing' is undefined. If no chat works, register" in note


def test_only_a_chat_needs_a_template_of_possible_length() -> None:
    assert "1,048,577 characters; at most 1,048,576" in problem("x" * (MAX_TEMPLATE + 1))


@pytest.mark.parametrize("source", [ENDLESS["loops"], GREEDY["growing text"]])
def test_a_template_that_fails_only_for_tools_gets_the_general_prompt(
    source: str, short: None
) -> None:
    template = chat_template("{% if tools %}" + source + "{% endif %}" + GOOD)
    assert template.notes == ()
    assert template.render(HELLO) == "hello"
    tools = [{"type": "function", "function": {"name": "add"}}]
    assert '"name": "add"' in template.render(HELLO, RenderOptions(tools=tools))


@pytest.mark.parametrize("name", ["messages", "tools", "bos_token", "raise_exception"])
def test_a_request_cannot_replace_the_variables_of_a_template(name: str) -> None:
    with pytest.raises(InvalidParameter, match=f"cannot set '{name}'") as caught:
        chat_template().render(HELLO, RenderOptions(template_kwargs={name: 1}))
    assert caught.value.param == f"chat_template_kwargs.{name}"


def test_a_prompt_that_cannot_fit_is_refused_by_its_length() -> None:
    source = "{{ messages[0].content * 10**6 if messages[0].content == 'hello' }}"
    with pytest.raises(ContextLengthExceeded, match="more than 1,048,576 characters"):
        chat_template(source, num_ctx=8).render(HELLO)
    assert len(chat_template(source, num_ctx=20_000).render(HELLO)) == 5 * 10**6


def test_the_time_on_the_clock_is_limited_too(monkeypatch: pytest.MonkeyPatch) -> None:
    template = chat_template()
    monkeypatch.setattr(process_module, "WALL_SECONDS", 0.3)
    process = only_process()
    process.suspend()
    with pytest.raises(InvalidParameter, match=r"did not end within 0\.3 seconds"):
        template.render(HELLO)
    monkeypatch.undo()
    assert template.render(HELLO) == "hello"


def test_memory_is_limited_without_the_limit_of_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    template = chat_template(for_bombs(ENDLESS["loops"]))
    monkeypatch.setattr(process_module, "MEMORY_BYTES", 2**20)
    assert "more than 1 GiB of memory" in failure(template).message


def test_a_process_that_died_while_idle_is_replaced() -> None:
    template = chat_template()
    kill_idle_process()
    assert template.render(HELLO) == "hello"


def test_the_death_of_the_process_ends_the_request() -> None:
    template = chat_template(for_bombs(ENDLESS["loops"]))
    process = only_process()
    killer = threading.Timer(0.2, os.kill, (process.pid, signal.SIGSEGV))
    killer.start()
    error = failure(template)
    killer.join()
    assert "it ended its process (SIGSEGV)" in error.message
    assert template.render(HELLO) == "hello"


def test_a_cancelled_request_stops_its_template() -> None:
    template = chat_template(for_bombs(ENDLESS["loops"]))
    process = only_process()
    left = threading.Event()
    messages: list[str] = []

    def render() -> None:
        with cancellable(left.is_set):
            messages.append(failure(template).message)

    threads = [threading.Thread(target=render) for _ in range(3)]
    used = process.cpu_times().user
    for thread in threads:
        thread.start()
    wait_until(lambda: process.cpu_times().user > used + 0.1)
    left.set()
    assert template.render(HELLO) == "hello"
    for thread in threads:
        thread.join()
    assert all("was cancelled" in message for message in messages)
    assert len(messages) == 3


def test_a_request_that_is_cancelled_during_the_start_leaves_the_process() -> None:
    template = chat_template()
    kill_idle_process()
    with cancellable(lambda: True), pytest.raises(InvalidParameter, match="was cancelled"):
        template.render(HELLO)
    assert template.render(HELLO) == "hello"


@pytest.mark.parametrize("count", [rendering.MAX_PROCESSES - 1, rendering.MAX_PROCESSES + 2])
def test_slow_templates_do_not_delay_other_requests(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With more slow templates than processes, other requests wait for one of them."""
    monkeypatch.setattr(process_module, "CPU_SECONDS", 60.0)
    template = chat_template(for_bombs(ENDLESS["loops"]))
    left = threading.Event()
    messages: list[str] = []

    def render() -> None:
        with cancellable(left.is_set):
            messages.append(failure(template).message)

    threads = [threading.Thread(target=render) for _ in range(count)]
    for thread in threads:
        thread.start()
    expected = min(count, rendering.MAX_PROCESSES)
    wait_until(lambda: len(computing()) == expected)
    if count < rendering.MAX_PROCESSES:
        assert template.render(HELLO) == "hello"
        assert messages == []
    else:
        threading.Event().wait(3 * rendering.PATIENCE)
        assert len(processes()) == rendering.MAX_PROCESSES
    left.set()
    for thread in threads:
        thread.join()
    assert template.render(HELLO) == "hello"
    only_process()


def test_there_is_one_process_for_all_templates() -> None:
    templates = [chat_template(GOOD + str(i)) for i in range(3)]
    prompts: list[str] = []
    threads = [
        threading.Thread(target=lambda t=t: prompts.append(t.render(HELLO)))  # type: ignore[misc]
        for t in templates * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(prompts) == sorted(["hello0", "hello1", "hello2"] * 4)
    only_process()


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[bytes]]:
    """A process in which a template computes a power, which holds Python's interpreter lock."""
    code = (
        "from a3s_power_jupyter.engine.template import ChatTemplate, TemplateSources\n"
        "sources = TemplateSources('{{ 9 ** (9 ** 9) }}')\n"
        "ChatTemplate(sources, bos_token='', eos_token='', num_ctx=8)"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        yield process
        process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is of Linux")
def test_the_process_ends_with_its_worker(worker: subprocess.Popen[bytes]) -> None:
    (process,) = wait_until(lambda: psutil.Process(worker.pid).children())
    wait_until(lambda: process.cpu_times().user > 0.5)
    worker.kill()
    assert psutil.wait_procs([process], timeout=15.0)[1] == []


def test_tools_of_any_size_are_within_the_limits() -> None:
    template = chat_template("{{ tools | tojson }}" + CALLS, num_ctx=20_000)
    small = {"type": "function", "function": {"name": "f", "description": "x" * 10**6}}
    assert len(template.render(HELLO, RenderOptions(tools=[small]))) > 10**6
    large = {"type": "function", "function": {"name": "f", "description": "x" * 10**7}}
    with pytest.raises(ContextLengthExceeded, match="more than 5,120,000 characters"):
        template.render(HELLO, RenderOptions(tools=[large]))
    assert template.render(HELLO).endswith("hello")


def test_schemas_that_grow_when_they_are_simplified_are_stopped(short: None) -> None:
    both = [{"properties": {k: {"$ref": f"#/$defs/{i}"} for k in "ab"}} for i in range(1, 40)]
    parameters = {"$ref": "#/$defs/0", "$defs": {str(i): each for i, each in enumerate(both)}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
    strict = (
        "{% if tools and not tools[0].function.parameters.type %}{{ raise_exception('no type') }}"
    )
    template = chat_template(strict + "{% endif %}{{ tools | tojson }}" + CALLS)
    assert template.format.native_tools
    with pytest.raises(InvalidParameter, match=r"CPU time|memory"):
        template.render(HELLO, RenderOptions(tools=tools))
    assert template.render(HELLO).endswith("hello")
