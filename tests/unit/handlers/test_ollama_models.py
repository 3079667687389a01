"""Models as Ollama's API describes them."""

from __future__ import annotations

from typing import Any

import msgspec
import ollama
import pytest
from msgspec import UNSET

from a3s_power_jupyter.contract.errors import InvalidParameter, UnsupportedRequestFields
from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import (
    Manifest,
    Model,
    ModelDetails,
    Source,
    StoredFile,
    Upstream,
)
from a3s_power_jupyter.handlers.fields import NO_LIMIT, read_fields
from a3s_power_jupyter.handlers.ollama.create import REFUSED_IN_CREATE, default_parameters
from a3s_power_jupyter.handlers.ollama.descriptions import (
    NEVER,
    capabilities,
    details,
    digest,
    human_number,
    process,
    tag,
    timestamp,
)
from a3s_power_jupyter.handlers.ollama.models import CreateFields
from a3s_power_jupyter.handlers.ollama.show import parameter_lines, show

FILE = StoredFile("m.gguf", 100, "a" * 64)
LLAMA = Manifest(
    "llama3.2",
    "gguf",
    created=1_700_000_000,
    files=(FILE,),
    details=ModelDetails("llama", 3_212_749_888, "Q4_K_M", 3072),
    capabilities=("completion", "chat", "embeddings", "tools"),
    context_length=131072,
    default_parameters=DefaultParameters(
        num_ctx=4096, stop=["<|eot_id|>", "a b"], system="Be terse.", max_tokens=50
    ),
    generation_defaults=DefaultParameters(temperature=0.6),
)
REMOTE = Manifest(
    "gpt",
    "remote",
    created=2,
    capabilities=("completion", "chat", "embeddings"),
    upstream=Upstream("http://localhost:8000/v1", "big"),
)
HEADER: dict[str, Any] = {
    "general.architecture": "llama",
    "general.license": "apache-2.0",
    "llama.context_length": 131072,
    "llama.rope.dimension_sections": [16, 24, 24, 0],
    "tokenizer.ggml.scores": [0.0] * 9,
    "tokenizer.chat_template": "{{ messages }}",
    "tokenizer.chat_template.tool_use": "{{ tools }}",
}

#: Fields of Ollama's Go types that its Python package does not have.
ONLY_IN_GO = {"name", "capabilities", "remote_model", "remote_host", "system"}


def model(manifest: Manifest, **known: Any) -> Model:
    return Model(
        id=manifest.name,
        created=manifest.created,
        format=manifest.format,
        size_bytes=manifest.size_bytes,
        size=manifest.size_bytes,
        parameters=manifest.details,
        default_parameters=manifest.default_parameters,
        capabilities=manifest.capabilities,
        source=Source(),
        context_length=manifest.context_length,
        **{"state": "unloaded", "loaded": False, "pinned": False} | known,
    )


def parse(value: Any, type_: Any) -> Any:
    """Return `value` as Ollama's package parses it, with nothing left over or converted."""
    parsed = type_.model_validate_json(msgspec.json.encode(value), strict=True)
    fields = {field.alias or name for name, field in type_.model_fields.items()}
    assert {*value} - fields <= ONLY_IN_GO
    return parsed


# ---------------------------------------------------------------- lists


def test_a_model_in_a_list() -> None:
    entry = tag(LLAMA, model(LLAMA), {"llama3.2"})
    parsed = parse(entry, ollama.ListResponse.Model)
    assert entry["name"] == parsed.model == "llama3.2:latest"
    assert (parsed.size, parsed.digest) == (100, digest(LLAMA))
    assert parsed.modified_at.timestamp() == 1_700_000_000
    shown = parse(entry["details"], type(parsed.details))
    assert (shown.format, shown.family, shown.families) == ("gguf", "llama", ["llama"])
    assert (shown.parameter_size, shown.quantization_level) == ("3.2B", "Q4_K_M")
    assert entry["capabilities"] == ["completion", "tools"]


def test_a_remote_model_in_a_list() -> None:
    entry = tag(REMOTE, model(REMOTE), {"gpt"})
    parse(entry, ollama.ListResponse.Model)
    assert (entry["remote_model"], entry["remote_host"]) == ("big", "http://localhost:8000/v1")
    assert entry["details"]["format"] == entry["details"]["family"] == ""
    assert entry["details"]["families"] == []


def test_the_digest_is_that_of_the_content() -> None:
    changed = [
        msgspec.structs.replace(LLAMA, files=(msgspec.structs.replace(FILE, sha256="b" * 64),)),
        msgspec.structs.replace(LLAMA, default_parameters=DefaultParameters()),
        REMOTE,
        msgspec.structs.replace(REMOTE, upstream=Upstream("http://localhost/v1", "big")),
    ]
    assert len({digest(LLAMA), *map(digest, changed)}) == 5
    assert digest(msgspec.structs.replace(LLAMA, name="copy", created=3)) == digest(LLAMA)
    assert len(digest(LLAMA)) == 64


@pytest.mark.parametrize(
    ("format_", "written"),
    [("gguf", "gguf"), ("safetensors", "safetensors"), ("vision", "safetensors"),
     ("huggingface", "safetensors")],
)  # fmt: skip
def test_formats(format_: Any, written: str) -> None:
    assert details(Manifest("m", format_, created=1))["format"] == written


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (("embeddings",), ["embedding"]),
        (("completion", "chat", "vision", "tools", "reasoning"),
         ["completion", "vision", "tools", "thinking"]),
        (("completion", "embeddings"), ["completion"]),
        ((), []),
    ],
)  # fmt: skip
def test_capabilities(ours: Any, theirs: list[str]) -> None:
    assert capabilities(model(msgspec.structs.replace(LLAMA, capabilities=ours))) == theirs


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (22_713_216, "22.71M"), (134_515_008, "134.52M"), (1500, "2K"),
     (7_000_000_000, "7B"), (8_030_261_248, "8.0B"), (70_553_706_496, "70.6B"), (5_000_000, "5M")],
)  # fmt: skip
def test_numbers_of_parameters(number: int, text: str) -> None:
    assert human_number(number) == text


@pytest.mark.parametrize("created", [-1, 10**18, 0])
def test_times_that_cannot_be_written(created: int) -> None:
    """The manifest of one model hides no other model."""
    manifest = msgspec.structs.replace(LLAMA, created=created)
    parse(tag(manifest, model(manifest), set()), ollama.ListResponse.Model)


# ---------------------------------------------------------------- in memory


def test_a_loaded_model() -> None:
    loaded = model(
        LLAMA, state="loaded", loaded=True, memory_bytes=300, gpu_memory_bytes=200, num_ctx=4096,
        expires_at=1_800_000_000.25,
    )  # fmt: skip
    entry = process(LLAMA, loaded, {"llama3.2"})
    parsed = parse(entry, ollama.ProcessResponse.Model)
    assert (parsed.model, parsed.size, parsed.size_vram) == ("llama3.2:latest", 300, 200)
    assert parsed.context_length == 4096
    assert parsed.expires_at.timestamp() == 1_800_000_000.25


@pytest.mark.parametrize("known", [{"state": "busy"}, {"pinned": True, "expires_at": 1.0}])
def test_a_model_that_no_timer_unloads(known: dict[str, Any]) -> None:
    entry = process(LLAMA, model(LLAMA, loaded=True, **known), set())
    assert entry["expires_at"] == timestamp(NEVER) == "9999-12-31T23:59:59Z"
    assert parse(entry, ollama.ProcessResponse.Model).expires_at.year == 9999


# ---------------------------------------------------------------- show


def test_show() -> None:
    reply = show(LLAMA, model(LLAMA), HEADER, name="llama3.2:latest", verbose=False)
    parsed = parse(reply, ollama.ShowResponse)
    assert parsed.template == "{{ messages }}"
    assert parsed.license == "apache-2.0"
    assert parsed.capabilities == ["completion", "tools"]
    assert reply["system"] == "Be terse."
    assert [line.split(maxsplit=1) for line in parsed.parameters.splitlines()] == [
        ["num_ctx", "4096"],
        ["temperature", "0.6"],
        ["stop", '"<|eot_id|>"'],
        ["stop", '"a b"'],
        ["num_predict", "50"],
    ]
    assert parsed.modelfile.startswith(
        'FROM llama3.2:latest\nTEMPLATE """{{ messages }}"""\nSYSTEM'
    )
    assert "\nPARAMETER num_predict " in parsed.modelfile


def test_an_answer_without_a_limit() -> None:
    endless = msgspec.structs.replace(
        LLAMA, default_parameters=DefaultParameters(max_tokens=NO_LIMIT)
    )
    assert parameter_lines(endless)[-1].split() == ["num_predict", "-1"]


def test_model_info_has_what_clients_read() -> None:
    info = show(LLAMA, model(LLAMA), HEADER, name="m", verbose=False)["model_info"]
    assert info[f"{info['general.architecture']}.context_length"] == 131072
    assert info[f"{details(LLAMA)['family']}.embedding_length"] == 3072
    assert info["general.parameter_count"] == 3_212_749_888
    assert info["llama.rope.dimension_sections"] == [16, 24, 24, 0]
    assert "tokenizer.ggml.scores" not in info
    assert not any(key.startswith("tokenizer.chat_template") for key in info)


def test_long_arrays_are_shown_with_verbose() -> None:
    info = show(LLAMA, model(LLAMA), HEADER, name="m", verbose=True)["model_info"]
    assert info["tokenizer.ggml.scores"] == [0.0] * 9


def test_the_context_length_is_the_usable_one() -> None:
    """A header may state more than the model has positions for."""
    short = msgspec.structs.replace(LLAMA, context_length=512)
    info = show(short, model(short), HEADER, name="m", verbose=False)["model_info"]
    assert info["llama.context_length"] == 512


def test_models_without_a_header() -> None:
    directory = msgspec.structs.replace(LLAMA, format="safetensors")
    info = show(directory, model(directory), {}, name="m", verbose=True)["model_info"]
    assert (info["general.architecture"], info["llama.context_length"]) == ("llama", 131072)
    reply = show(REMOTE, model(REMOTE), {}, name="gpt:latest", verbose=True)
    assert parse(reply, ollama.ShowResponse).modelinfo == {}
    assert reply["remote_model"] == "big"
    assert reply["modelfile"] == "FROM gpt:latest\n"
    unknown = Manifest("m", "huggingface", created=1)
    assert show(unknown, model(unknown), {}, name="m", verbose=False)["model_info"] == {}


def test_a_chat_template_that_replaces_the_models_own() -> None:
    own = msgspec.structs.replace(LLAMA, default_parameters=DefaultParameters(chat_template="{}"))
    reply = show(own, model(own), HEADER, name="m", verbose=False)
    assert (reply["template"], reply["system"]) == ("{}", "")
    assert "chat_template" not in reply["parameters"]


def test_models_that_fill_in() -> None:
    can = msgspec.structs.replace(LLAMA, capabilities=("completion", "fill_in"))
    for manifest in (LLAMA, can):
        reply = show(manifest, model(manifest), HEADER, name="m", verbose=False)
        assert ("insert" in reply["capabilities"]) is (manifest is can)


# ---------------------------------------------------------------- create


def test_parameters_of_a_created_model() -> None:
    source = DefaultParameters(isq="Q4K", temperature=0.5, system="Old.")
    given = {"temperature": 1, "num_ctx": 512, "stop": ["a"], "num_predict": 7, "seed": None}
    created = default_parameters(source, given, "New.")
    assert created == DefaultParameters(
        isq="Q4K", temperature=1.0, num_ctx=512, stop=["a"], max_tokens=7, system="New."
    )
    assert default_parameters(source, {}, "") == source
    assert default_parameters(source, {"num_predict": -1}, "").max_tokens == NO_LIMIT
    assert default_parameters(source, {"top_k": -1}, "").top_k == 0


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"temprature": 1}, "parameters.temprature"),
        ({"top_p": 2}, "parameters.top_p"),
        ({"num_predict": "x"}, "parameters.num_predict"),
        ({"top_k": 2**40}, "parameters.top_k"),
    ],
)
def test_invalid_parameters(parameters: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidParameter) as raised:
        default_parameters(DefaultParameters(), parameters, "")
    assert raised.value.param == param


@pytest.mark.parametrize("field", sorted(REFUSED_IN_CREATE))
def test_fields_that_would_create_another_model(field: str) -> None:
    body = {"model": "m", "from": "n", field: "x"}
    with pytest.raises(UnsupportedRequestFields, match=field):
        read_fields(body, CreateFields, refused=REFUSED_IN_CREATE)
    fields = read_fields(body | {field: None}, CreateFields, refused=REFUSED_IN_CREATE)
    assert (fields.model, fields.from_) == ("m", "n")


def test_every_field_of_a_create_request_is_read_or_refused() -> None:
    sent = {
        "from" if name == "from_" else name for name in ollama._types.CreateRequest.model_fields
    }
    read = {field.encode_name for field in msgspec.structs.fields(CreateFields)}
    # The license of a model is that of its files.
    assert sent - read - {*REFUSED_IN_CREATE} == {"license"}


def test_unset_values_are_not_sent() -> None:
    for manifest in (LLAMA, REMOTE):
        entry = tag(manifest, model(manifest), set())
        assert UNSET not in entry.values()


@pytest.mark.parametrize("name", ["num_keep", "numa", "penalize_newline"])
def test_options_without_an_equivalent_suggest_no_other(name: str) -> None:
    with pytest.raises(UnsupportedRequestFields) as raised:
        default_parameters(DefaultParameters(), {name: 1}, "")
    expected = f"'parameters.{name}' is not supported. It has no effect here. Omit it."
    assert raised.value.message == expected
