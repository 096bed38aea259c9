"""No message shows a secret, wherever one was written by mistake."""

import pytest

from tests.gatewayd.config.doubles import HEAD, faults, parse

SECRET = "hunter2-Xq"
USE = "unknown key; a password never stands in this file: use password_file, password_env or password_credential"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{{password: {SECRET}}}", f"6: meters[0].telegram.password: {USE}"),
        (f"{{Password: {SECRET}}}", f"6: meters[0].telegram.Password: {USE}"),
        (
            f"{{pin: {SECRET}}}",
            "6: meters[0].telegram.pin: unknown key; a secret never stands in this file; known keys: address, mode, "
            "password_credential, password_env, password_file, vendor",
        ),
    ],
)
def test_a_secret_in_plain_sight(text: str, expected: str) -> None:
    found = faults(f"{HEAD}meters:\n  - {{id: m, driver: telegram, line: l, telegram: {text}}}\n")
    assert found == [f"f.yaml:{expected}"]


def test_a_password_where_none_is_taken() -> None:
    found = faults(f"{HEAD}meters:\n  - {{id: m, driver: telegram, line: l, password: {SECRET}}}\n")
    assert found == [f"f.yaml:6: meters[0].password: {USE}, among the options of a driver or sink that takes one"]


# Every one of these is wrong, and %s is where the secret stands.
WRONG = [
    "password: %s",
    "password: {a: %s}",
    "password: [%s",
    "password: '%s",
    "password: *%s",
    "password: !%s x",
    "password: &%s",
    "password: @%s",
    "password: %s: x",
    "password: %s\npassword: %s",
    "'password %s'",
    "{password %s}: x",
    "password %s",
    "meters: [{id: m, driver: telegram, line: l, telegram: {password %s}}]",
    "meters: [{id: m, driver: telegram, line: l, telegram: {password: %s}}]",
    "meters: [{id: m, driver: telegram, line: l, telegram: {password_file: {a: %s}}}]",
    "meters: [{id: m, driver: telegram, line: l, telegram: {password_env: [%s]}}]",
    "meters: [{id: m, driver: telegram, line: l, telegram: {password_env: %s, password_file: %s}}]",
    "meters: [{id: m, driver: telegram, line: l, telegram: password %s}]",
    "meters: [{id: m, driver: telegram, line: l, telegram: [password %s]}]",
    "meters: [{id: m, driver: telegram, line: l, block_cipher_key: %s}]",
    "meters: [{id: m, driver: field, line: l, field: {unit: 1, map: m, key_pin: %s}}]",
    "meters: [{id: m, driver: field, line: l, field: {unit: 1, map: m, secret: %s}}]",
    "sinks: [{id: s, type: broker, host: h, password: %s}]",
    "sinks: [{id: s, type: broker, host: h, token: %s}]",
    "sinks: [{id: s, type: database, dialect: influx, url: 'ftp://user:%s@host/'}]",
    "lines: {l: {type: tcp, host: 'tcp://user:%s@host', port: 1}}",
]


@pytest.mark.parametrize("wrong", WRONG)
def test_secrets_are_never_shown(wrong: str) -> None:
    found = faults(f"{HEAD}{wrong.replace('%s', SECRET)}\n")
    assert found
    assert SECRET not in "\n".join(found)
    assert "hunter2" not in "\n".join(found)


def test_a_message_of_an_options_class_is_replaced_where_it_repeats_a_secret() -> None:
    text = f"{HEAD}meters: [{{id: m, driver: field, line: l, field: {{unit: 77, map: m, units: [77], key_pin: 77}}}}]\n"
    assert faults(text) == ["f.yaml:5: meters[0].field: the value (not shown) is not allowed here"]


def test_long_and_unprintable_texts_are_shown_short_and_clean() -> None:
    (found,) = faults(f'{HEAD}meters: [{{id: "a\\nb\\e[31m{"x" * 5000}", driver: telegram, line: l}}]\n')
    assert len(found) < 250
    assert found.isprintable()
    assert "'a\\nb\\x1b[31mxxx" in found


def test_references_to_secrets_are_not_followed() -> None:
    text = f"{HEAD}meters: [{{id: m, driver: telegram, line: l, telegram: {{password_file: /does/not/exist}}}}]\n"
    assert parse(text).meters[0].driver == "telegram"
