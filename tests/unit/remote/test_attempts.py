"""Test the attempts at one request to several upstreams."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from a3s_power_jupyter.contract.errors import (
    PowerError,
    ServerBusy,
    UnsupportedRequestFields,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnreachable,
)
from a3s_power_jupyter.contract.redaction import Redactor
from a3s_power_jupyter.contract.types import Manifest, Upstream
from a3s_power_jupyter.remote.attempts import Attempts
from a3s_power_jupyter.remote.failures import combined
from a3s_power_jupyter.remote.health import HealthTracker
from a3s_power_jupyter.remote.transport import RouteMissing

SECRET = "sk-key-of-the-upstream"
A, B, C = "http://a/v1", "http://b/v1", "http://c/v1"


class Upstreams:
    """The health of three upstreams, with a clock and what was counted."""

    def __init__(self, *urls: str) -> None:
        self.now = 100.0
        self.failures: list[str] = []
        self.manifest = Manifest("far", "remote", 0, upstream=Upstream(urls, "m"))
        self.tracker = HealthTracker(
            lambda _: None,
            lambda _: None,
            lambda _, code: self.failures.append(code),
            lambda _: Redactor(SECRET),
            clock=self.clock,
        )

    def clock(self) -> float:
        self.now += 1.0
        return self.now

    def attempts(self, key: str = "key") -> Attempts:
        return Attempts(self.tracker, self.manifest, key)

    def state(self, url: str) -> str:
        servers = {s.base_url: s for s in self.tracker.get(self.manifest).servers}
        return servers[url].state(self.now)

    def ask(self, answer: Callable[[str], str], key: str = "key", *, commit: bool = False) -> str:
        attempts = self.attempts(key)
        for attempt in attempts:
            with attempt:
                assert sum(self.tracker.load.values()) == 1
                if commit:
                    attempt.commit()
                return answer(attempt.base_url)
        raise attempts.error


@pytest.fixture
def upstreams() -> Upstreams:
    return Upstreams(A, B, C)


def refuse(_url: str) -> str:
    raise UpstreamUnreachable(f"Refused, with {SECRET}.")


def test_each_server_is_asked_once_until_one_answers(upstreams: Upstreams) -> None:
    asked: list[str] = []

    def third(url: str) -> str:
        asked.append(url)
        return url if len(asked) == 3 else refuse(url)

    answered = upstreams.ask(third)
    assert sorted(asked) == [A, B, C]
    assert [upstreams.state(url) for url in asked] == ["failed", "failed", "available"]
    assert upstreams.failures == ["upstream_unreachable"] * 2
    assert not upstreams.tracker.load
    assert upstreams.ask(lambda url: url, "another conversation") == answered


def test_one_error_for_all_servers(upstreams: Upstreams) -> None:
    with pytest.raises(UpstreamUnreachable) as caught:
        upstreams.ask(refuse)
    for url in (A, B, C):
        assert caught.value.message.count(url) == 1
    assert SECRET not in caught.value.message
    assert not upstreams.tracker.load
    assert len(upstreams.failures) == 3


def test_a_request_that_is_refused_is_not_sent_again(upstreams: Upstreams) -> None:
    asked: list[str] = []

    def too_hot(url: str) -> str:
        asked.append(url)
        raise UpstreamRefused("temperature must be positive")

    with pytest.raises(UpstreamRefused, match=r"^temperature"):
        upstreams.ask(too_hot)
    assert len(asked) == 1
    assert upstreams.failures == []


def test_an_answer_in_progress_is_not_begun_again(upstreams: Upstreams) -> None:
    asked: list[str] = []

    def break_off(url: str) -> str:
        asked.append(url)
        raise UpstreamError("Lost it.")

    with pytest.raises(UpstreamError, match=r"^Lost it\.$"):
        upstreams.ask(break_off, commit=True)
    assert len(asked) == 1
    assert upstreams.failures == ["upstream_error"]


def test_a_client_that_leaves_ends_the_attempts(upstreams: Upstreams) -> None:
    def leave(_url: str) -> str:
        raise GeneratorExit

    with pytest.raises(GeneratorExit):
        upstreams.ask(leave)
    assert not upstreams.tracker.load
    assert upstreams.failures == []


def test_a_busy_server_is_avoided_until_its_time_is_over(upstreams: Upstreams) -> None:
    first = upstreams.ask(lambda url: url)

    def busy(url: str) -> str:
        if url == first:
            raise ServerBusy("Full.", retry_after=20)
        return url

    second = upstreams.ask(busy)
    assert upstreams.state(first) == "busy"
    assert upstreams.ask(busy) == second != first
    upstreams.now += 20
    assert upstreams.state(first) == "available"
    assert upstreams.ask(lambda url: url) == first


def test_a_server_that_came_back_meanwhile_is_asked_again() -> None:
    upstreams = Upstreams(A, B)
    asked: list[str] = []

    def third(url: str) -> str:
        asked.append(url)
        if len(asked) == 2:  # the first one is back
            [server] = (
                s
                for s in upstreams.tracker.get(upstreams.manifest).servers
                if s.base_url == asked[0]
            )
            upstreams.tracker.answered(upstreams.manifest, server)
        return url if len(asked) == 3 else refuse(url)

    assert upstreams.ask(third) == asked[0] == asked[2]


def test_the_attempts_end_although_a_server_keeps_coming_back() -> None:
    upstreams = Upstreams(A, B)
    count = 0
    attempts = upstreams.attempts()
    for attempt in attempts:
        with attempt:
            count += 1
            refuse(attempt.base_url)
        for server in upstreams.tracker.get(upstreams.manifest).servers:
            upstreams.tracker.answered(upstreams.manifest, server)
    assert count == 4
    assert isinstance(attempts.error, UpstreamUnreachable)


def test_one_server_is_asked_once_and_its_error_is_unchanged() -> None:
    upstreams = Upstreams(A)
    with pytest.raises(UpstreamUnreachable, match=r"^Refused, with \[redacted\]\.$"):
        upstreams.ask(refuse)
    assert upstreams.failures == ["upstream_unreachable"]


def test_a_missing_route_is_no_failure_and_another_server_may_have_it(
    upstreams: Upstreams,
) -> None:
    def missing(_url: str) -> str:
        raise RouteMissing(UnsupportedRequestFields(f"No such route, says {SECRET}."))

    with pytest.raises(UnsupportedRequestFields) as caught:
        upstreams.ask(missing)
    assert caught.value.message == "No such route, says [redacted]."
    assert upstreams.failures == []
    assert upstreams.state(A) == "unknown"


def test_the_load_of_all_models_counts(upstreams: Upstreams) -> None:
    first = upstreams.ask(lambda url: url)
    other = Manifest("other", "remote", 0, upstream=Upstream(first, "n"))
    with next(iter(Attempts(upstreams.tracker, other, "key"))):
        attempt = next(iter(upstreams.attempts()))
        assert attempt.base_url != first
    assert next(iter(upstreams.attempts())).base_url == first


@pytest.mark.parametrize(
    ("errors", "kind", "retry_after"),
    [
        ([ServerBusy("x", retry_after=9), ServerBusy("y", retry_after=4)], ServerBusy, 4),
        ([UpstreamUnreachable("x"), ServerBusy("y", retry_after=4)], ServerBusy, 4),
        ([UpstreamUnreachable("x"), UpstreamError("y")], UpstreamError, None),
        ([UpstreamUnreachable("x"), UpstreamUnreachable("y")], UpstreamUnreachable, None),
    ],
)
def test_the_code_of_several_errors(
    errors: list[PowerError], kind: type[PowerError], retry_after: int | None
) -> None:
    error = combined([*zip((A, B), errors, strict=True)])
    assert type(error) is kind
    assert error.retry_after == retry_after
    assert error.message == f"None of the 2 upstreams answered. {A}: x {B}: y"


def test_long_messages_of_several_errors_are_cut() -> None:
    error = combined([(f"http://{n}/v1", UpstreamError(f"{n} " * 5000)) for n in range(16)])
    assert all(f"http://{n}/v1" in error.message for n in range(16))
    assert len(error.message) < 16 * 300
