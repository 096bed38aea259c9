"""Options: what they are by default, what contradicts itself and with which remedy, and where secrets come from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from drivers.dlms.options import DlmsOptions
from drivers.dlms.wire.conformance import Conformance
from drivers.dlms.wire.hdlc_address import address
from gatewayd.options import SecretUnavailable

TITLE = "4D4D4D0000000001"
KEYS = {"block_cipher_key_file": "/k/ek", "authentication_key_file": "/k/ak", "system_title": TITLE}
CANARY = "Canary42"
KEY = bytes(range(0x41, 0x51))


def made(**options: Any) -> DlmsOptions:  # Any: as YAML gives them
    return DlmsOptions.model_validate(options)


def message(**options: Any) -> str:  # Any: as above
    with pytest.raises(ValidationError) as caught:
        made(**options)
    return str(caught.value)


def test_by_default_a_public_client_reads_over_hdlc() -> None:
    options = DlmsOptions()
    assert (options.transport, options.client, options.server, options.authentication) == ("hdlc", 16, 1, "none")
    assert options.server_address == address(1)
    assert not options.ciphered and not options.counted
    assert options.fingerprint == ""


def test_the_example_of_the_design_is_valid() -> None:
    assert made(transport="wrapper", client=16, server=1, authentication="none").transport == "wrapper"
    gmac = made(authentication="hls-gmac", security="authenticated-encrypted", **KEYS)
    assert gmac.ciphered and gmac.counted


@pytest.mark.parametrize("name", ["low", "hls-md5", "hls-sha1"])
def test_a_password_is_needed_and_then_enough(name: str) -> None:
    assert "password_file" in message(authentication=name)
    assert not made(authentication=name, password_file="/p").counted


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"authentication": "none", "password_file": "/p"}, "authentication: low"),
        ({"authentication": "hls-gmac", "password_file": "/p", **KEYS}, "uses none"),
        ({"authentication": "hls-sha256", "password_file": "/p"}, "system_title"),
        ({"authentication": "hls-gmac"}, "block_cipher_key_file"),
        ({"authentication": "hls-gmac", "block_cipher_key_file": "/k"}, "authentication_key_file"),
        ({"security": "authenticated", "block_cipher_key_file": "/k"}, "authentication_key_file"),
        ({"security": "encrypted"}, "block_cipher_key_file"),
        ({"security": "encrypted", "block_cipher_key_file": "/k"}, "system_title"),
        ({"security": "authenticated-encrypted", **KEYS, "system_title": ""}, "system_title"),
        ({"ciphering": "dedicated"}, "need security"),
        ({"ciphering": "dedicated", "security": "authenticated", **KEYS}, "authenticated-encrypted"),
        ({"general": True}, "need security"),
        ({"protected_release": True}, "need security"),
        ({"block_cipher_key_file": "/k"}, "say security"),
        ({"block_cipher_key_file": "/k", "block_cipher_key_env": "K"}, "give only one of"),
        ({"password_file": "/p", "password_env": "P", "authentication": "low"}, "give only one of"),
        ({"transport": "wrapper", "physical": 17}, "leave them out"),
        ({"transport": "wrapper", "address_bytes": 4}, "leave them out"),
        ({"client": 128}, "transport: wrapper"),
        ({"security": "encrypted", "block_cipher_key_file": "/k", "system_title": TITLE, "counter_client": 200}, "127"),
        ({"server": 200}, "server, physical and address_bytes"),
        ({"physical": 17, "address_bytes": 1}, "server, physical and address_bytes"),
        ({"set_clock": {"max_shift_s": 3, "min_deviation_s": 3}}, "less than max_shift_s"),
        ({"vendor": "nobody"}, "known: "),
        ({"without": ["lists"]}, "multiple-references"),
        ({"association_object": "none"}, "not an OBIS code"),
        ({"counter_object": "nothing"}, "not an OBIS code"),
        ({"system_title": "4D4D4D"}, "system_title"),
        ({"password": CANARY}, "password"),
    ],
)
def test_what_contradicts_itself_is_refused_with_a_remedy(options: dict[str, Any], remedy: str) -> None:
    text = message(**options)
    assert remedy in text
    assert CANARY not in text


def test_the_counter_object_may_be_left_out() -> None:
    assert made(counter_object="none").counter_object == "none"


def test_keys_may_be_there_for_pushed_messages_alone() -> None:
    assert made(push={}, **KEYS).push is not None


@pytest.mark.parametrize("security", ["auto", "authenticated", "authenticated-encrypted"])
def test_pushed_messages_that_are_to_be_proved_need_the_authentication_key(security: str) -> None:
    """Austrian customers get one key: their meters only encrypt, which has to be said."""
    text = message(push={"security": security}, block_cipher_key_file="/k")
    assert "authentication_key_file" in text and "push: {security: encrypted}" in text


def test_pushed_messages_that_are_to_be_opened_need_a_key() -> None:
    assert "block_cipher_key_file" in message(push={"security": "encrypted"})
    for security in ("encrypted", "none"):
        assert made(push={"security": security}, block_cipher_key_file="/k").push is not None


def test_encryption_alone_needs_no_authentication_key() -> None:
    assert made(security="encrypted", block_cipher_key_file="/k", system_title=TITLE).counted


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"server": 1}, address(1)),
        ({"server": 1, "physical": 17}, address(1, 17)),
        ({"server": 1, "physical": 17, "address_bytes": 4}, address(1, 17, 4)),
        ({"server": 1, "physical": 1234}, address(1, 1234, 4)),
    ],
)
def test_addresses(options: dict[str, Any], expected: object) -> None:
    assert made(**options).server_address == expected


def test_services_may_be_left_out() -> None:
    options = made(without=["multiple-references", "general-block-transfer"])
    assert options.withheld == Conformance.MULTIPLE_REFERENCES | Conformance.GENERAL_BLOCK_TRANSFER


def test_the_clock_is_not_set_by_default() -> None:
    assert DlmsOptions().set_clock is None
    limits = made(set_clock={}).set_clock
    assert limits is not None
    assert (limits.max_shift_s, limits.min_deviation_s, limits.method) == (30, 3, "shift")


class Secrets:
    """Options whose secrets are in files of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def key(self, content: bytes, suite: int = 0) -> bytes:
        return self.options(content, suite).keys()[0]

    def options(self, content: bytes, suite: int = 0) -> DlmsOptions:
        path = self.folder / "ek"
        path.write_bytes(content)
        return made(security="encrypted", block_cipher_key_file=path, system_title=TITLE, suite=suite)

    def password(self, content: bytes) -> DlmsOptions:
        path = self.folder / "pw"
        path.write_bytes(content)
        return made(authentication="low", password_file=path)


@pytest.fixture
def files(tmp_path: Path) -> Secrets:
    return Secrets(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        KEY,
        KEY.hex().encode(),
        KEY.hex().upper().encode() + b"\n",
        KEY.hex(" ").encode() + b"\r\n",
        b"  " + KEY.hex(" ", 4).encode() + b"  ",
    ],
)
def test_a_key_is_hexadecimal_text_or_its_octets(files: Secrets, content: bytes) -> None:
    assert files.key(content) == KEY


def test_a_key_of_suite_2_is_longer(files: Secrets) -> None:
    assert files.key((KEY + KEY).hex().encode(), suite=2) == KEY + KEY
    assert files.key(bytes(range(0x80, 0xA0)), suite=2) == bytes(range(0x80, 0xA0))


@pytest.mark.parametrize(
    ("content", "suite"),
    [
        (b"", 0),
        (KEY[:15], 0),
        (KEY + b"\n", 0),
        (KEY.hex().encode()[:31], 0),
        (KEY.hex().encode()[:30], 0),
        (b"0123456789ABCDEF", 0),  # half a key in hexadecimal is no key in octets
        (KEY.hex().encode(), 2),
        ((KEY + KEY).hex().encode(), 0),
        (CANARY.encode(), 0),
    ],
)
def test_what_is_no_key_is_refused_without_showing_it(files: Secrets, content: bytes, suite: int) -> None:
    with pytest.raises(SecretUnavailable) as caught:
        files.key(content, suite)
    assert "hexadecimal digits" in str(caught.value) and str(files.folder / "ek") in str(caught.value)
    assert content == b"" or content.decode("latin-1").strip() not in str(caught.value)


def test_a_file_without_end_and_a_pipe_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", str(tmp_path / "pipe")):
        options = made(security="encrypted", block_cipher_key_file=path, system_title=TITLE)
        with pytest.raises(SecretUnavailable, match="it is no file"):
            options.keys()


def test_keys_from_the_environment_and_from_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ak").write_text(KEY.hex())
    monkeypatch.setenv("METER_EK", KEY.hex())
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    options = made(
        authentication="hls-gmac",
        block_cipher_key_env="METER_EK",
        authentication_key_credential="ak",
        system_title=TITLE,
    )
    assert options.keys() == (KEY, KEY)
    before = options.fingerprint
    os.utime(tmp_path / "ak", ns=(1, 1))
    assert options.fingerprint == before, "each start of the service makes the file anew"
    named = made(authentication="hls-gmac", block_cipher_key_env="METER_EK", authentication_key_file="credential:ak",
                 system_title=TITLE)  # fmt: skip
    assert named.keys() == (KEY, KEY) and named.fingerprint == before
    (tmp_path / "ak-2").write_text(KEY.hex())
    changed = named.model_copy(update={"authentication_key_file": Path("credential:ak-2")})
    assert changed.keys() == (KEY, KEY) and changed.fingerprint != before
    monkeypatch.delenv("METER_EK")
    with pytest.raises(SecretUnavailable, match="METER_EK is not set"):
        options.keys()
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(SecretUnavailable, match="LoadCredential"):
        options.key("authentication_key", 16)


@pytest.mark.parametrize(
    ("content", "octets"),
    [
        (b"12345678", b"12345678"),
        (b"12345678\nmore", b"12345678"),
        (b"0x0001FF\n", b"\x00\x01\xff"),
        (b"h\xc3\xa1", b"h\xc3\xa1"),
    ],
)
def test_a_password_is_text_or_octets(files: Secrets, content: bytes, octets: bytes) -> None:
    assert files.password(content).secret() == octets


@pytest.mark.parametrize("content", [b"", b"\n", b"0x", b"0xCanary42", b"0x123", b"Canary42" * 10])
def test_what_is_no_password_is_refused_without_showing_it(files: Secrets, content: bytes) -> None:
    with pytest.raises(SecretUnavailable) as caught:
        files.password(content).secret()
    assert CANARY not in str(caught.value) and CANARY not in repr(caught.value.__cause__)
    assert str(files.folder / "pw") in str(caught.value)


def test_without_a_secret_there_is_none() -> None:
    options = DlmsOptions()
    assert (options.secret(), options.keys()) == (b"", (b"", b""))


def test_the_fingerprint_changes_with_a_file_and_with_what_it_is_used_for(files: Secrets) -> None:
    options = files.password(b"12345678")
    before = options.fingerprint
    assert before and "12345678" not in before
    assert options.model_copy(update={"client": 1}).fingerprint != before
    assert options.fingerprint == before
    os.utime(files.folder / "pw", ns=(1, 1))
    assert options.fingerprint != before
    (files.folder / "pw").unlink()
    assert "unreadable" in options.fingerprint


def test_no_secret_is_in_a_repr(files: Secrets) -> None:
    options = files.options(KEY.hex().encode())
    options.keys()
    assert KEY.hex() not in repr(options)
