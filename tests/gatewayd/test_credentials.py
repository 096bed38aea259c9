"""Files that systemd hands to the service: `credential:NAME` wherever a file holds something secret."""

import asyncio
import ssl
from pathlib import Path

import pytest

from drivers.iec62056_21.options import Iec62056_21Options
from gatewayd import daemon
from gatewayd.config import ModemLine, parse
from gatewayd.daemon.modems import Modem
from gatewayd.errors import ChannelError, SinkError
from gatewayd.options import PasswordReference, SecretUnavailable, TokenReference
from gatewayd.refusals import remedy
from gatewayd.sink.tls import TlsOptions, tls_context
from tests.gatewayd.doubles import TestClock
from tests.interop.certificates import Authority

SECRET = "xyzzy0815"


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder that systemd has made for this start of the service."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    return tmp_path


def test_passwords_and_tokens(credentials: Path) -> None:
    (credentials / "em-1001").write_text(f"{SECRET}\n")
    path = Path("credential:em-1001")
    assert PasswordReference(password_file=path).password() == SECRET
    assert TokenReference(token_file=path).token() == SECRET
    options = Iec62056_21Options(password_file=path, sign_on_password_file=path)
    assert (options.password(), options.sign_on_password()) == (SECRET, SECRET)


def test_tls(credentials: Path, tmp_path: Path) -> None:
    authority = Authority(credentials)
    certificate, key = authority.issue("gateway")
    options = TlsOptions(
        ca_file=Path(f"credential:{authority.ca_file.name}"),
        cert_file=Path(f"credential:{certificate.name}"),
        key_file=Path(f"credential:{key.name}"),
    )
    assert isinstance(tls_context(options), ssl.SSLContext)
    key.unlink()
    with pytest.raises(SinkError, match=r"credential:.*tls\.key_file.*No such file"):
        tls_context(options)


def modem(path: str) -> Modem:
    text = (
        "gateway: {id: gw-1}\narchive: {path: /nowhere}\n"
        f"lines:\n  gsm: {{type: modem, device: /nowhere/modem, pin_file: '{path}'}}\n"
    )
    line = parse(text, "f.yaml", daemon.DRIVER_OPTIONS, daemon.SINK_OPTIONS).lines["gsm"]
    assert isinstance(line, ModemLine)
    return Modem(line, TestClock())


def test_the_pin_of_a_sim(credentials: Path) -> None:
    (credentials / "gsm").write_text("4711\n")
    with pytest.raises(ChannelError, match="/nowhere/modem does not exist"):
        asyncio.run(modem("credential:gsm").check())
    (credentials / "gsm").write_text("47ab\n")
    with pytest.raises(ChannelError, match="credential:gsm cannot be used: its first line is not 4 to 8 digits"):
        asyncio.run(modem("credential:gsm").check())


def test_a_restart_makes_no_new_password(credentials: Path) -> None:
    """systemd copies the files at each start: by their times, a refused PIN would be sent again after each."""
    path = credentials / "one"
    options = Iec62056_21Options(password_file=Path("credential:one"))
    found = set()
    for text in ("4711\n", "4711\n", "47110\n"):
        path.unlink(missing_ok=True)
        path.write_text(text)
        found.add((options.fingerprint, modem("credential:one").credentials))
    assert found == {("credential:one", "credential:one")}
    assert "another name" in remedy("credential:one") and "another name" not in remedy("/etc/one:1:2")


def test_where_there_are_none_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    words = r"no systemd credentials for credential:broker; .*LoadCredential=broker:FILE"
    path = Path("credential:broker")
    with pytest.raises(SecretUnavailable, match=words):
        PasswordReference(password_file=path).password()
    with pytest.raises(SinkError, match=words):
        tls_context(TlsOptions(ca_file=path))
    with pytest.raises(ChannelError, match=words):
        asyncio.run(modem("credential:broker").check())


@pytest.mark.parametrize("name", ["", "..", ".", "../shadow", "a/b"])
def test_a_name_is_no_path(credentials: Path, name: str) -> None:
    with pytest.raises(SecretUnavailable, match="names no credential"):
        PasswordReference(password_file=Path(f"credential:{name}")).password()


def test_whoever_checks_the_configuration_has_none_of_them() -> None:
    sink = "{id: m, type: mqtt, host: h, username: u, password_file: 'credential:broker'}"
    text = f"gateway: {{id: gw-1}}\narchive: {{path: /nowhere}}\nsinks: [{sink}]\n"
    assert daemon.doubts(parse(text, "f.yaml", daemon.DRIVER_OPTIONS, daemon.SINK_OPTIONS)) == ()
