"""Model names and manifest file names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a3s_power_jupyter.contract.errors import InvalidModelName, ModelAlreadyExists
from a3s_power_jupyter.store.names import check_name, manifest_filename


@pytest.mark.parametrize(
    "name",
    ["a", "llama3.2:3b", "owner/repo:Q4_K_M", "pull", "a+b@c", "..a", "a/...", "-", "x" * 255],
)
def test_valid_names(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "", "x" * 256, "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a b", "a\n", "ä",
        "a\\b", "a%2Fb", "a\0", "\ud800",
    ],
)  # fmt: skip
def test_invalid_names(name: str) -> None:
    with pytest.raises(InvalidModelName) as caught:
        check_name(name)
    assert caught.value.param == "name"
    caught.value.message.encode()  # the message can be sent for any name


@pytest.mark.parametrize(
    ("name", "shown"), [("مرحبا", "'مرحبا'"), ("🦊", "'🦊'"), ("a\u202eb", "'a\\u202eb'")]
)
def test_an_invalid_name_is_shown_as_typed(name: str, shown: str) -> None:
    with pytest.raises(InvalidModelName, match="valid model name") as caught:
        check_name(name)
    assert caught.value.message.startswith(f"{shown} is not")


def test_manifest_file_names() -> None:
    assert manifest_filename("llama3.2:3b", ()) == "llama3.2-3b.json"
    assert manifest_filename("owner/repo:Q4", ()) == "owner-repo-Q4.json"


def test_a_second_name_for_one_file_gets_eight_digits() -> None:
    second = manifest_filename("a/b", {"a-b.json"})
    assert re.fullmatch(r"a-b-[0-9a-f]{8}\.json", second)
    assert second != manifest_filename("a:b", {"a-b.json"})


def test_names_that_differ_in_case_do_not_share_a_file() -> None:
    first = manifest_filename("Llama", ())
    second = manifest_filename("llama", {first.lower()})
    assert first.lower() != second.lower()


def test_a_constructed_collision_is_refused() -> None:
    taken = {"a-b.json"}
    taken.add(manifest_filename("a/b", taken))
    with pytest.raises(ModelAlreadyExists):
        manifest_filename("a/b", taken)


@settings(deadline=None)
@given(st.lists(st.text("ABab:/.-", min_size=1, max_size=4) | st.just("x" * 255), unique=True))
def test_no_two_names_share_a_file(names: list[str]) -> None:
    taken: set[str] = set()
    for name in names:
        filename = manifest_filename(name, taken)
        assert filename.lower() not in taken
        assert len(filename) <= 255
        assert "/" not in filename
        taken.add(filename.lower())
