"""docs/mqtt/codes.md and codes.json, from the tables of gatewayd/quality.py; written by scripts/mqtt_contract.py.

Rules: nothing is said here that the tables do not say.
"""

from collections.abc import Iterator, Mapping, Sequence

from gatewayd.quality import FLAG_CODES, STATUS_CODES, SYSTEMS, Code

Document = dict[str, object]

_INTRODUCTION = """# What other systems write for our statuses and flags

Written by `python -m scripts.mqtt_contract` from `gatewayd/quality.py`; do not edit. The same for programs:
[codes.json](codes.json), described by [codes-1.schema.json](codes-1.schema.json).

**How to use it:** take the status of a reading, choose one code of your system by its meaning, and add the codes of the
flags. In the other direction the worst status wins, and bits of a meter's status word that are not here mean nothing.

Nothing here is completed by analogy: where no code is known there is none. *Inferred* pairings are our reading and were
agreed with nobody; *recalled* codes were written down from memory. Check both before you bill by them.
"""


def codes() -> Document:
    """The content of docs/mqtt/codes.json."""
    return {
        "schema": "gatewayd.codes/1",
        "systems": {
            system.value: {"title": about.title, "form": about.form, "source": about.source}
            for system, about in SYSTEMS.items()
        },
        "statuses": {status.text: _code_objects(found) for status, found in STATUS_CODES.items()},
        "flags": {flag.texts[0]: _code_objects(found) for flag, found in FLAG_CODES.items()},
    }


def codes_page() -> str:
    """The text of docs/mqtt/codes.md."""
    lines = [_INTRODUCTION, "## Statuses\n"]
    lines += _tables({f"`{status.text}`": found for status, found in STATUS_CODES.items()})
    lines += ["## Flags\n"]
    lines += _tables({f"`{flag.texts[0]}`": found for flag, found in FLAG_CODES.items() if found})
    bare = ", ".join(f"`{flag.texts[0]}`" for flag, found in FLAG_CODES.items() if not found)
    lines += [f"No code is known for {bare}.\n", "## Sources\n", "| system | a code is | known from |\n|---|---|---|"]
    lines += [f"| {about.title} | {about.form} | {about.source} |" for about in SYSTEMS.values()]
    return "\n".join(lines) + "\n"


def _tables(groups: Mapping[str, Sequence[Code]]) -> Iterator[str]:
    for title, found in groups.items():
        yield f"### {title}\n\n| system | code | meaning | pairing |\n|---|---|---|---|"
        for code in found:
            basis = ("inferred" if code.inferred else "stated") + (", recalled" if code.recalled else "")
            yield f"| {SYSTEMS[code.system].title} | `{code.code}` | {code.meaning} | {basis} |"
        yield ""


def _code_objects(found: Sequence[Code]) -> list[Document]:
    return [
        {
            "system": code.system.value,
            "code": code.code,
            "meaning": code.meaning,
            "inferred": code.inferred,
            "recalled": code.recalled,
        }
        for code in found
    ]
