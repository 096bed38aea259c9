"""Whether the secrets of a meter, sink or line are fit for their purpose: read as they would be for a session.

Rules: nothing is sent anywhere, and nothing of a secret is told; who asks must be allowed to read the files.
"""

from pydantic import BaseModel

from drivers.dlms.options import DlmsOptions
from drivers.iec62056_21.options import Iec62056_21Options
from gatewayd.channel.modem_options import SimPin
from gatewayd.config import Config, ModemLine
from gatewayd.options import PasswordReference, SecretUnavailable, TokenReference


def judge_secrets(config: Config, place: str) -> None:
    """`place` is `meter ID`, `sink ID` or `line ID`. GatewayError for a secret that cannot be used."""
    kind, _, name = place.partition(" ")
    match kind:
        case "meter":
            _judge(next(one.options for one in config.meters if one.id == name))
        case "sink":
            _judge(next(one.options for one in config.sinks if one.id == name))
        case _:
            line = config.lines[name]
            if isinstance(line, ModemLine) and line.pin_file is not None:
                _judge_pin(name, PasswordReference(password_file=line.pin_file))


def _judge(options: BaseModel) -> None:
    match options:
        case DlmsOptions():
            options.secret()
            options.keys()
        case Iec62056_21Options():
            options.password()
            if options.sign_on_password_file is not None:
                options.sign_on_password()
        case PasswordReference():
            _not_empty(options.password(), "password")
        case _:
            pass
    if isinstance(options, TokenReference):
        _not_empty(options.token(), "token")


def _judge_pin(line: str, reference: PasswordReference) -> None:
    try:
        SimPin((reference.password() or "").strip())
    except ValueError:
        raise SecretUnavailable(
            f"line {line}: the first line of the PIN file {reference.password_file} is not 4 to 8 digits"
        ) from None


def _not_empty(secret: str | None, kind: str) -> None:
    if secret == "":
        raise SecretUnavailable(f"the first line of the {kind} file is empty")
