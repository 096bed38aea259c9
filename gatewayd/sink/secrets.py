"""Our own secrets in what a database says: some quote the whole request, or the password, when they let nobody in.

Rules: pure. What another side says is quoted only through here, before it is cut to length. A secret is hidden as it is
and as it is written in the places where it goes: in a URL, in JSON, in HTML, in the head of a request (Base64).
"""

import html
import json
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

HIDDEN = "***"


class Secrets:
    """Hides secrets in the texts of others; None and "" are none."""

    def __init__(self, *secrets: str | None, username: str | None = None) -> None:
        """With a `username` also the pair of both, as HTTP has it (RFC 7617)."""
        given = [secret for secret in secrets if secret]
        pairs = [b64encode(f"{username}:{secret}".encode()).decode() for secret in given if username is not None]
        forms = {form for secret in (*given, *pairs) for form in _written(secret)}
        self._forms = sorted(forms, key=len, reverse=True)  # one that is part of another would spoil that

    def hidden(self, text: str) -> str:
        """`text` without them."""
        for form in self._forms:
            text = text.replace(form, HIDDEN)
        return text

    def hidden_octets(self, octets: bytes) -> bytes:
        """The same for octets, whatever they are."""
        for form in self._forms:
            octets = octets.replace(form.encode("utf-8", "surrogateescape"), HIDDEN.encode())
        return octets


def _written(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret, errors="replace")
    yield quote(secret, safe="", errors="replace")
    yield quote_plus(secret, errors="replace")
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield html.escape(secret)
    yield b64encode(secret.encode("utf-8", "replace")).decode().rstrip("=")
