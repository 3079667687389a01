"""Test parsing references in all forms that people type or paste."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a3s_power_jupyter.contract.errors import InvalidModelName, InvalidReference
from a3s_power_jupyter.hub.resolve.reference import Reference, parse

REPO = "bartowski/Llama-3.2-3B-Instruct-GGUF"
FILE = "Llama-3.2-3B-Instruct-Q4_K_M.gguf"
WHOLE = Reference(REPO, REPO)
TAGGED = Reference(f"{REPO}:Q4_K_M", REPO, tag="Q4_K_M")
PATH = Reference(f"{REPO}/{FILE}", REPO, path=FILE)
FOLDER = Reference(f"{REPO}/a/b/{FILE}", REPO, path=f"a/b/{FILE}")


HOSTS = [
    "", "hf.co/", "hf://", "HF.co/", "huggingface.co/", "https://huggingface.co/", "https://hf.co/",
    "http://www.huggingface.co/",
]  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (REPO, WHOLE),
        (f"{REPO}@main", WHOLE),
        (f"{REPO}\n", WHOLE),
        (f"{REPO}:Q4_K_M", TAGGED),
        (f"{REPO}:q4_k_m", Reference(f"{REPO}:q4_k_m", REPO, tag="q4_k_m")),
        (f"{REPO}/{FILE}", PATH),
        (f"{REPO}/a/b/{FILE}", FOLDER),
        (f"{REPO}@v1:Q4_K_M", Reference(f"{REPO}@v1:Q4_K_M", REPO, "v1", tag="Q4_K_M")),
        ("a/b@v1.0/c/d.gguf", Reference("a/b@v1.0/c/d.gguf", "a/b", "v1.0", path="c/d.gguf")),
        ("a/b@refs/pr/1", Reference("a/b@refs/pr/1", "a/b", "refs/pr/1")),
        ("a/b@refs/pr/1/c.gguf",
         Reference("a/b@refs/pr/1/c.gguf", "a/b", "refs/pr/1", path="c.gguf")),
        ("a/b@refs/pr/1:F16", Reference("a/b@refs/pr/1:F16", "a/b", "refs/pr/1", "F16")),
    ],
)  # fmt: skip
def test_forms_of_a_reference(host: str, text: str, expected: Reference) -> None:
    assert parse(host + text) == expected


def test_a_folder_called_like_a_page() -> None:
    path = "resolve/main/x.gguf"
    assert parse(f"a/b/{path}") == Reference(f"a/b/{path}", "a/b", path=path)
    assert parse(f"hf.co/a/b/{path}") == Reference("a/b/x.gguf", "a/b", path="x.gguf")


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (f"{REPO}/", WHOLE),
        (f"{REPO}/tree/main", WHOLE),
        (f"{REPO}?library=llama-cpp-python", WHOLE),
        (f"{REPO}#files", WHOLE),
        (f"{REPO}/tree/v1", Reference(f"{REPO}@v1", REPO, "v1")),
        (f"{REPO}/blob/main/{FILE}", PATH),
        (f"{REPO}/resolve/main/{FILE}?download=true", PATH),
        (f"{REPO}/raw/main/a/b/{FILE}", FOLDER),
        (f"{REPO}/blob/main/a%2Fb%2F{FILE}", FOLDER),
        (f"{REPO}?show_file_info={FILE}", PATH),
        (f"{REPO}?show_file_info=a%2Fb%2F{FILE}", FOLDER),
        (f"{REPO}.git", WHOLE),
        (f"{REPO}/discussions/3", WHOLE),
        (f"{REPO}/commits/main", WHOLE),
        (f"{REPO}/commit/{'c' * 40}", Reference(f"{REPO}@{'c' * 40}", REPO, "c" * 40)),
        (f"{REPO}/blame/main/{FILE}", PATH),
        (f"api/models/{REPO}", WHOLE),
        (f"api/models/{REPO}/tree/main?recursive=true", WHOLE),
        (f"{REPO}/blob/main/My%20Model%20%5Bv1%5D.gguf",
         Reference(f"{REPO}/My-Model-v1-3263bb83.gguf", REPO, path="My Model [v1].gguf")),
        (f"{REPO}/resolve/refs%2Fpr%2F1/{FILE}",
         Reference(f"{REPO}@refs/pr/1/{FILE}", REPO, "refs/pr/1", path=FILE)),
    ],
)  # fmt: skip
def test_pages_of_the_website(page: str, expected: Reference) -> None:
    assert parse(f"https://huggingface.co/{page}") == expected


ELSEWHERE = "but models are pulled from huggingface"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://hf-mirror.com/a/b", "set HF_ENDPOINT=https://hf-mirror.com in"),
        ("https://hf-mirror.com/a/b/resolve/main/c.gguf", ELSEWHERE),
        ("http://localhost:8080/a/b", "set HF_ENDPOINT=http://localhost:8080 in"),
        ("hf-mirror.com/a/b", "set HF_ENDPOINT=https://hf-mirror.com in"),
        ("www.modelscope.cn/models/a/b", ELSEWHERE),
        ("https://modelscope.cn/models/a/b/resolve/master/c.gguf", "download the files there"),
        ("https://ollama.com/library/llama3", ELSEWHERE),
        ("https://ada:secret@github.com/a/b", "It is an address on github.com"),
        ("s3://bucket/a/b.gguf", "It begins with s3://"),
        ("file:///home/ada/m.gguf", "It begins with file://"),
        ("https://huggingface.co/models?library=gguf&sort=trending", "a list of models; open one"),
        ("https://huggingface.co/datasets/a/b", "the address of a dataset"),
        ("hf.co/spaces/a/b", "the address of a space"),
        ("https://huggingface.co/docs/hub", "the address of the documentation"),
        ("https://huggingface.co/bartowski", "page of a user or an organization"),
        ("https://huggingface.co/a/b/tree/main/folder", "the address of a folder. Pull a/b"),
        ("https://huggingface.co/a/b/blob/main/model.safetensors", "are pulled whole, as a/b"),
        ("https://huggingface.co/a/b/blob/main/README.md", "A file must end in .gguf"),
        ("https://huggingface.co/a/b/blob/x%2Fy/m.gguf", "Give a branch that contains a slash"),
        ("a/b:Q4 K M", "A tag has the characters"),
        ("a/b:mod\u00e8le", "A tag has the characters"),
        ("a/b@v 1/x.gguf", "Give a revision with other characters separately"),
    ],
)
def test_what_is_wrong_with_an_address(text: str, reason: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        parse(text)
    assert reason in caught.value.message
    assert "secret" not in caught.value.message
    assert len(caught.value.message) < 700


def test_addresses_of_a_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://hf-mirror.com/hub/")
    assert parse(f"https://hf-mirror.com/hub/{REPO}/blob/main/{FILE}") == PATH
    assert parse(f"https://huggingface.co/{REPO}") == WHOLE
    assert parse(f"hf-mirror.com/hub/{REPO}:Q4_K_M") == TAGGED
    with pytest.raises(InvalidReference, match=r"pulled from hf-mirror\.com\."):
        parse("https://other-mirror.com/a/b")
    monkeypatch.setenv("HF_ENDPOINT", "http://ada:secret@hub:8000")
    assert parse(f"http://hub:8000/{REPO}") == WHOLE
    with pytest.raises(InvalidReference, match=r"pulled from hub:8000\.") as caught:
        parse("https://other-mirror.com/a/b")
    assert "secret" not in caught.value.message
    monkeypatch.setenv("HF_ENDPOINT", "http://hub")
    assert parse("hub/b/c.gguf") == Reference("hub/b/c.gguf", "hub/b", path="c.gguf")
    monkeypatch.setenv("HF_ENDPOINT", "http://[")
    with pytest.raises(InvalidReference, match="is an address on"):
        parse("https://other-mirror.com/a/b")


@pytest.mark.parametrize(
    "text",
    [
        "", "/", "llama3", "llama3.2:3b", "gpt2", "a/", "/a", "a//b", "a/b:", "a/b@", "a/b@:Q4_0",
        "a/b:Q4_0@v1", "a/b:Q4/0", "a/b/", "a/b/model.safetensors", "a/b/Q4_K_M", "a/b/.gguf/x",
        "-a/b", "a/.b", "../b", "a/b c", "a/b:Q4 0", "https://huggingface.co/", "hf.co/a",
        "https://huggingface.co/datasets/a/b", "https://huggingface.co/spaces/a/b",
        "https://huggingface.co/a/b/tree/main/folder", "https://example.com/a/b",
        "https://huggingface.co/a/b/blob/feature%2Fx/m.gguf", "hf_abcdefgh", "\0/\0", "a/b\n:Q4_0",
    ],
)  # fmt: skip
def test_invalid_references(text: str) -> None:
    with pytest.raises(InvalidReference, match=r"owner/repo:TAG, owner/repo/path/file\.gguf"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "candidates"),
    [
        ("a/b/model.safetensors", ("a/b",)),
        ("a/b@v1/model.safetensors", ("a/b@v1",)),
        ("https://huggingface.co/a/b/blob/main/README.md", ("a/b",)),
        ("https://huggingface.co/a/b/tree/v1/folder", ("a/b@v1",)),
        ("https://huggingface.co/a/%0A/tree/main/folder", ()),
        ("llama3", ()),
    ],
)
def test_candidates_of_invalid_references(text: str, candidates: tuple[str, ...]) -> None:
    with pytest.raises(InvalidReference) as caught:
        parse(text)
    assert caught.value.candidates == candidates
    for candidate in candidates:
        assert parse(candidate).name == candidate


@pytest.mark.parametrize("path", ["../x.gguf", "a//x.gguf", "./x.gguf", "My Model/../x.gguf"])
def test_a_reference_that_is_not_a_valid_name(path: str) -> None:
    with pytest.raises(InvalidModelName):
        parse(f"a/b/{path}")


def test_no_secret_in_the_message() -> None:
    for text in ("https://ada:hf_secret@huggingface.co/a/b", "https://x.org/a?token=hf_secret"):
        with pytest.raises(InvalidReference) as caught:
            parse(text)
        assert "hf_secret" not in caught.value.message


def test_a_separate_revision() -> None:
    assert parse("a/b:Q4_0", "v1") == Reference("a/b:Q4_0", "a/b", "v1", "Q4_0")
    assert parse("a/b", "feature/x").revision == "feature/x"
    assert parse("a/b@v1", "v1") == Reference("a/b@v1", "a/b", "v1")
    with pytest.raises(InvalidReference, match="Remove one of them"):
        parse("a/b@v1", "v2")
    for other in ("v1.0+cu#2", "50%", "d\u00e9j\u00e0-vu", "a,b;c=(d)", "{x}", "a@b"):
        assert parse("a/b", other).revision == other
    for wrong in (
        "",
        "..",
        "a/../b",
        "/a",
        "a b",
        "a?b",
        "a*b",
        "a[b",
        "a~1",
        "a^",
        "a:b",
        "a\\b",
        "a\n",
    ):
        with pytest.raises(InvalidReference, match="is not a revision"):
            parse("a/b", wrong)


SEGMENT = st.from_regex(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,10}[A-Za-z0-9_])?", fullmatch=True)
REVISION = SEGMENT | st.builds("refs/pr/{}".format, st.integers(1, 99))
TAG = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,10}", fullmatch=True)
FILES = st.lists(SEGMENT, min_size=1, max_size=4).map(lambda parts: "/".join(parts) + ".gguf")


@given(SEGMENT, SEGMENT, st.none() | REVISION, st.none() | TAG, st.none() | FILES)
def test_parsing_reverses_writing(
    owner: str, name: str, revision: str | None, tag: str | None, path: str | None
) -> None:
    text = f"{owner}/{name}" + (f"@{revision}" if revision else "")
    if tag:
        path = None
        text += f":{tag}"
    elif path:
        text += f"/{path}"
    parsed = parse(text)
    assert (parsed.repo, parsed.tag, parsed.path) == (f"{owner}/{name}", tag, path)
    assert parsed.revision == (revision or "main")
    assert parse(parsed.name) == parsed
    assert parse(f"hf.co/{text}").repo == parsed.repo


@given(st.text(max_size=60) | st.text("ab/:@.-%?#gufhco", max_size=40))
def test_any_text_is_parsed_or_rejected(text: str) -> None:
    try:
        parsed = parse(text)
    except (InvalidReference, InvalidModelName):
        return
    again = parse(parsed.name)
    assert again.name == parsed.name
    assert (again.path is None) == (parsed.path is None)
    if parsed.path is not None:
        assert parsed.path_in_name(parsed.path) == again.path


@pytest.mark.parametrize(
    ("path", "in_name"),
    [
        ("My Model.gguf", "My-Model-cc66bf8d.gguf"),
        ("My  Model.gguf", "My-Model-"),
        ("Mod\u00e8le [v1], a+b #1 50%?.gguf", "Modele-v1-a+b-1-50-"),
        ("a b/c d.GGUF", "a-b/c-d-"),
        ("\u6a21\u578b.gguf", "-"),
        ("\u6a21\u578b2.gguf", "-2-"),
        ("x/" * 200 + "m.gguf", "x/x/x/"),
        ("x" * 251 + ".gguf", "xxx"),
    ],
)
def test_the_name_of_a_model_with_other_characters_in_its_path(path: str, in_name: str) -> None:
    parsed = parse(f"a/b/{path}")
    assert (parsed.repo, parsed.path) == ("a/b", path)
    assert parsed.name.startswith(f"a/b/{in_name}")
    assert len(parsed.name) <= 255
    again = parse(parsed.name)
    assert again.name == parsed.name
    assert parsed.path_in_name(path) == again.path_in_name(path) == again.path
    assert parse(f"a/b@v1/{path}").name != parsed.name


@pytest.mark.parametrize(
    ("text", "revision"),
    [
        ("a/" + "b" * 1_000_000, None),
        ("a/b@" + "c" * 1_000_000, None),
        ("hf.co/" + "a." * 500_000, None),
        ("https://user:secret" + "x" * 1_000_000 + "@hf.co/a/b", None),
        ("a/b", "c" * 256),
        ("a/b", "c/" * 500_000),
        ("a/b", "..".join("c" * 500_000)),
    ],
)
def test_long_references_are_refused_without_being_quoted(text: str, revision: str | None) -> None:
    with pytest.raises(InvalidReference) as caught:
        parse(text, revision)
    assert len(caught.value.message) < 400
    assert "secret" not in caught.value.message
