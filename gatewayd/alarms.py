"""Alarms: what is wrong with a meter although it was read: keys that run out, transformers other than configured.

Rules: pure. An alarm is its text, so that a text without numbers that change stays one alarm. It is raised once, and
over when whoever raised it finds it no more: a request to the same meter that ended soundly without it, or, in a scope
of its own, somebody else who looks again (a deadline is not over because the meter answers). A process that starts
knows of none.
"""

from collections.abc import Mapping, Sequence

SESSION = ""
"""The scope of what sessions find."""


class Alarms:
    """The alarms that stand, by meter."""

    def __init__(self) -> None:
        self._standing: dict[str, tuple[tuple[str, str], ...]] = {}
        """Meter -> scope and text, oldest first."""

    @property
    def standing(self) -> Mapping[str, tuple[str, ...]]:
        """Meter -> its alarms of all scopes, oldest first."""
        return {meter: tuple(dict.fromkeys(text for _, text in known)) for meter, known in self._standing.items()}

    def raised(self, meter: str, texts: Sequence[str], scope: str = SESSION) -> tuple[str, ...]:
        """The alarms among `texts` that are new in their scope."""
        known = self._standing.get(meter, ())
        new = tuple(text for text in dict.fromkeys(texts) if (scope, text) not in known)
        if new:
            self._standing[meter] = (*known, *((scope, text) for text in new))
        return new

    def over(self, meter: str, texts: Sequence[str], scope: str = SESSION) -> tuple[str, ...]:
        """Whoever has the scope has looked and found these: the alarms of it that are over."""
        known = self._standing.get(meter, ())
        rest = tuple((where, text) for where, text in known if where != scope or text in texts)
        ended = tuple(text for where, text in known if where == scope and text not in texts)
        if rest:
            self._standing[meter] = rest
        else:
            self._standing.pop(meter, None)
        return ended
