"""Layouts of pushed messages: what they do not say of themselves is data, in layouts/*.yaml, each with its source.

Rules: a layout is chosen by name, or by the text or system title that a message carries when the configuration says
`auto`; a message that no layout knows is read by what it says itself. A layout that contradicts itself does not load.
A scaler that no source gives is not here: it stands in the options of the meter.
"""

import re
from functools import cache
from importlib import resources
from typing import Annotated, Self

import yaml
from pydantic import Field, field_validator, model_validator

from gatewayd.obis import Obis
from gatewayd.options import Options

AUTO = "auto"


class Layout(Options):
    """What is known of the messages of some meters."""

    name: str
    models: tuple[str, ...] = Field(min_length=1)
    """Which meters send them."""
    version: str = ""
    """Regular expression for the text that begins a message (the OBIS list identifier); "" where there is none."""
    title: str = ""
    """Regular expression for the first three letters of the sender's system title, in ciphered messages."""
    lead: tuple[str, ...] = ()
    """OBIS codes of the values that stand before the first code in a message; "" for one that has none."""
    lists: tuple[tuple[str, ...], ...] = ()
    """Messages without codes: OBIS codes by position, "" for an element that has none. Chosen by number of elements."""
    units: dict[str, tuple[str, Annotated[int, Field(ge=-128, le=127)]]] = Field(default_factory=dict)
    """OBIS code -> unit and scaler, where the message says neither."""
    sources: tuple[str, ...] = Field(min_length=1)

    @field_validator("version", "title")
    @classmethod
    def _pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"'{value}' is no regular expression: {error}") from None
        return value

    @model_validator(mode="after")
    def _codes(self) -> Self:
        for code in (*self.lead, *(code for codes in self.lists for code in codes if code), *self.units):
            if code:
                Obis.parse(code)
        lengths = [len(codes) for codes in self.lists]
        if len(set(lengths)) < len(lengths):
            raise ValueError("two lists have the same number of elements")
        for codes in self.lists:
            named = [Obis.parse(code) for code in codes if code]
            if len(set(named)) < len(named):
                raise ValueError("a list has the same code twice")
        return self

    def codes(self, elements: int) -> tuple[str, ...]:
        """The codes of a message with so many elements; () where there is no such list."""
        return next((codes for codes in self.lists if len(codes) == elements), ())


@cache
def layouts() -> dict[str, Layout]:
    """All layouts by name."""
    folder = resources.files("drivers.dlms") / "layouts"
    found = [
        Layout.model_validate(yaml.safe_load(entry.read_text(encoding="utf-8")))
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    ]
    return {layout.name: layout for layout in sorted(found, key=lambda layout: layout.name)}


def choose(name: str, version: str, title: bytes) -> Layout | None:
    """The layout `name`, or for `auto` the one that fits the text and the system title of a message; None for none.

    Not more than one fits a real message: a test goes through all that are known.
    """
    if name != AUTO:
        return layouts()[name]
    return next((layout for layout in layouts().values() if fits(layout, version, title)), None)


def fits(layout: Layout, version: str, title: bytes) -> bool:
    """Whether a message is one of the layout's: by its identifier, and only where it has none by its sender."""
    if version:
        return bool(layout.version and re.fullmatch(layout.version, version))
    return bool(layout.title and re.fullmatch(layout.title, title[:3].decode("ascii", errors="replace")))
