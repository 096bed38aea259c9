"""Options: strict about keys, and a password is never more than a reference."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from gatewayd.errors import GatewayError
from gatewayd.options import PasswordReference, SecretUnavailable, TokenReference

SECRET = "xyzzy-0815"


class Sample(PasswordReference):
    """As a driver declares its options."""

    address: str = ""
    """Address of the meter."""


def test_without_a_reference_there_is_no_password() -> None:
    assert Sample().password() is None


@pytest.mark.parametrize("written", [SECRET, f"{SECRET}\n", f"{SECRET}\r\n", f"{SECRET}\nanything else\n"])
def test_the_first_line_of_a_file_is_the_password(tmp_path: Path, written: str) -> None:
    file = tmp_path / "em-1001.pw"
    file.write_bytes(written.encode())
    assert Sample(password_file=file).password() == SECRET


def test_blanks_and_other_letters_belong_to_a_password(tmp_path: Path) -> None:
    file = tmp_path / "em-1001.pw"
    file.write_text(" žluťoučký \n", encoding="utf-8")
    assert Sample(password_file=file).password() == " žluťoučký "


def test_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    """A password can be changed without a restart."""
    file = tmp_path / "em-1001.pw"
    file.write_text("old")
    options = Sample(password_file=file)
    assert options.password() == "old"
    file.write_text("new")
    assert options.password() == "new"


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METER_PASSWORD", SECRET)
    assert Sample(password_env="METER_PASSWORD").password() == SECRET


def test_a_credential_of_systemd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "em-1001").write_text(f"{SECRET}\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert Sample(password_credential="em-1001").password() == SECRET


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    """The event loop reads passwords: a pipe would stop the whole gateway."""
    place = tmp_path / "em-1001.pw"
    match kind:
        case "pipe":
            os.mkfifo(place)
        case "device":
            place.symlink_to("/dev/zero")
        case _:
            place.mkdir()
    with pytest.raises(SecretUnavailable, match=r"em-1001\.pw: (it is no file but|Is a directory)"):
        Sample(password_file=place).password()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SecretUnavailable, match=r"nowhere\.pw: No such file"):
        Sample(password_file=tmp_path / "nowhere.pw").password()


def test_a_folder_is_no_password_file(tmp_path: Path) -> None:
    with pytest.raises(SecretUnavailable, match=str(tmp_path)):
        Sample(password_file=tmp_path).password()


def test_a_file_that_is_not_text_is_refused_without_showing_it(tmp_path: Path) -> None:
    file = tmp_path / "em-1001.pw"
    file.write_bytes(SECRET.encode() + b"\xff\xfe")
    with pytest.raises(SecretUnavailable) as refused:
        Sample(password_file=file).password()
    assert "not UTF-8" in str(refused.value)
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("METER_PASSWORD", raising=False)
    with pytest.raises(SecretUnavailable, match="METER_PASSWORD"):
        Sample(password_env="METER_PASSWORD").password()


def test_a_credential_outside_of_systemd_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(SecretUnavailable, match="LoadCredential"):
        Sample(password_credential="em-1001").password()


def test_an_unavailable_secret_is_a_fault_that_gatewayd_knows() -> None:
    assert issubclass(SecretUnavailable, GatewayError)


@pytest.mark.parametrize("env", ["METER_PASSWORD", ""])
def test_only_one_reference_may_be_given(env: str) -> None:
    with pytest.raises(ValidationError, match="only one of password_file, password_env"):
        Sample(password_file=Path("em-1001.pw"), password_env=env)


def test_a_password_in_the_configuration_is_refused_and_not_shown() -> None:
    with pytest.raises(ValidationError) as refused:
        Sample.model_validate({"password": SECRET})
    assert "password" in str(refused.value)
    assert SECRET not in str(refused.value)


def test_options_do_not_change() -> None:
    options = Sample(address="1")
    with pytest.raises(ValidationError):
        options.address = "2"


class Both(PasswordReference, TokenReference):
    """As a sink declares its options."""


def test_a_token_is_found_as_a_password_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "db").write_text(f"{SECRET}\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("DB_TOKEN", SECRET)
    assert TokenReference().token() is None
    assert TokenReference(token_file=tmp_path / "db").token() == SECRET
    assert TokenReference(token_env="DB_TOKEN").token() == SECRET
    assert TokenReference(token_credential="db").token() == SECRET


def test_a_missing_token_is_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(SecretUnavailable, match=r"token file .*nowhere"):
        TokenReference(token_file=tmp_path / "nowhere").token()


def test_password_and_token_are_checked_each_for_itself() -> None:
    Both(password_env="A", token_env="B")
    with pytest.raises(ValidationError, match="only one of password_file, password_env"):
        Both(password_file=Path("a"), password_env="A", token_env="B")
    with pytest.raises(ValidationError, match="only one of token_env, token_credential"):
        Both(password_env="A", token_env="B", token_credential="c")
