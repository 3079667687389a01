"""Error classes on the wire and in the public module."""

from __future__ import annotations

import pytest

import a3s_power_jupyter
from a3s_power_jupyter import errors
from a3s_power_jupyter.contract.errors import BY_CODE, ModelNotFound, PowerError, from_wire


def test_the_public_module_exports_every_class() -> None:
    exported = {getattr(errors, name) for name in errors.__all__}
    assert exported == set(BY_CODE.values())


@pytest.mark.parametrize("cls", BY_CODE.values())
def test_an_error_survives_the_wire(cls: type[PowerError]) -> None:
    sent = cls("Do this.", param="a.b", retry_after=3, candidates=["a/b:Q4_0"])
    error = from_wire(sent.to_wire())
    assert type(error) is cls
    assert (error.message, error.param, error.retry_after) == ("Do this.", "a.b", 3)
    assert error.candidates == ("a/b:Q4_0",)
    assert cls.__doc__


def test_an_unknown_code_is_the_base_class() -> None:
    error = from_wire({"message": "New.", "code": "from_the_future"})
    assert type(error) is PowerError
    assert str(error) == "New."
    assert ModelNotFound("x").to_wire() == {
        "message": "x",
        "type": "invalid_request_error",
        "code": "model_not_found",
    }


def test_the_errors_are_an_attribute_of_the_package() -> None:
    assert a3s_power_jupyter.__getattr__("errors") is errors
