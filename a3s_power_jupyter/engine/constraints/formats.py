"""The formats of strings in JSON Schema."""

from __future__ import annotations

_DAY = (
    r"(?:[0-9]{3}[1-9]|[0-9]{2}[1-9][0-9]|[0-9][1-9][0-9]{2}|[1-9][0-9]{3})-(?:"
    r"(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    r"|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)-02-29"
)
_TIME = (
    r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = (
    r"[A-Za-z0-9_+-]{1,30}(?:\.[A-Za-z0-9_+-]{1,30})?"
    rf"@(?:{_LABEL}\.){{1,3}}[A-Za-z]{{2,12}}"
)
_POINTER = r"(?:/(?:[^~/]|~[01])*)*"


def _uuid(version: str) -> str:
    return rf"[0-9a-f]{{8}}-[0-9a-f]{{4}}-{version}[0-9a-f]{{3}}-[89ab][0-9a-f]{{3}}-[0-9a-f]{{12}}"


#: Patterns in Rust's syntax for whole strings. Some match fewer strings than the format allows (no
#: leap seconds, no year 0, no comments in addresses), because common validators refuse those.
PATTERNS: dict[str, str] = {
    "date": _DAY,
    "time": _TIME,
    "date-time": rf"(?:{_DAY})T{_TIME}",
    "email": _EMAIL,
    "idn-email": _EMAIL,
    "json-pointer": _POINTER,
    **{f"uuid{version}": _uuid(str(version)) for version in range(1, 9)},
}

#: Formats that llguidance knows, by the name of one that includes only strings of this one.
KNOWN: dict[str, str] = {
    "uri": "uri", "uri-reference": "uri", "iri": "uri", "iri-reference": "uri",
    "hostname": "hostname", "idn-hostname": "hostname",
    "ipv4": "ipv4", "ipv6": "ipv6", "duration": "duration", "uuid": "uuid",
}  # fmt: skip

#: Formats that say how a string is shown or encoded, and restrict no value.
HINTS = frozenset(
    """
    password binary byte base64 base64url path file-path directory-path json-string text textarea
    multiline markdown html float double
    """.split()  # noqa: SIM905
)

#: Formats of integers in OpenAPI, with the bounds that a double can hold.
INTEGERS = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1024)}
