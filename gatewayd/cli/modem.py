"""`gatewayd modem`: how a modem line is doing, and a call to try it out.

Rules: without --call nobody is called and it costs nothing. The PIN is sent at most once in a run, it is said when it
was, and one that was not accepted is not sent again before its file has changed, by no other process either. A test
call is hung up on whatever happens; what it cost is told and archived, as that of any other call. No whole number and
no PIN is printed.
"""

import asyncio
import contextlib
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from gatewayd import daemon
from gatewayd.archive.refused import Refused, listed
from gatewayd.channel.modem_options import CallRecord, ModemStatus, PinUse, Registration
from gatewayd.channel.tracing import Tap
from gatewayd.cli.borrow import Borrowed, borrowed
from gatewayd.cli.output import console, local_time, print_json
from gatewayd.cli.progress import patience
from gatewayd.cli.session import find_line
from gatewayd.cli.trace import Screen
from gatewayd.config import Config, ModemLine
from gatewayd.dialling import PhoneNumber
from gatewayd.errors import ArchiveError, ChannelError
from gatewayd.loans import Ending
from gatewayd.refusals import sim_of

_REGISTRATION = {
    Registration.NOT_SEARCHING: "not registered, and not searching: is the SIM in, is there an antenna?",
    Registration.HOME: "registered at home",
    Registration.SEARCHING: "searching for a network",
    Registration.DENIED: "refused by the network: look at the SIM's contract",
    Registration.UNKNOWN: "not known",
    Registration.ROAMING: "registered, roaming: calls cost more",
    Registration.OTHER: "registered, without data calls",
}
# Practice of field service, not a standard: GSM receivers work down to about -107 dBm (3GPP 45.005 6.2: -102 dBm).
_SIGNAL_WORDS = ((-73, "excellent"), (-83, "good"), (-93, "fair"), (-101, "weak: data calls may break"))
_SIM = {"SIM PIN": "asked for its PIN", "READY": "ready"}
_PIN = {
    PinUse.NONE: "no PIN is configured",
    PinUse.UNUSED: "the PIN was not sent: the SIM did not ask for it",
    PinUse.SENT: "THE PIN WAS SENT and not answered: look at the SIM before you run this again",
    PinUse.ACCEPTED: "the PIN was sent, and accepted",
    PinUse.REFUSED: "THE PIN WAS SENT AND REFUSED: correct it before you run this again, three wrong ones lock the SIM",
}


@click.command()
@click.argument("line")
@click.option(
    "--call", "called", metavar="NUMBER|METER", help="Make a test call: dial, connect, hang up. It costs money."
)
@click.option("--trace", "with_trace", is_flag=True, help="Show what is said to the modem, on standard error.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def modem(config_path: Path, line: str, called: str | None, with_trace: bool, as_json: bool) -> None:
    """Ask the modem of LINE for its SIM, network and signal; with --call try a call."""
    config = daemon.load_config(config_path)
    settings = find_line(config, line)
    if not isinstance(settings, ModemLine):
        raise click.UsageError(f"line '{line}' is of type {settings.type}, and no modem")
    number = None if called is None else _number(config, called)
    tap = Tap(line, daemon.now)
    meter = called if called in [meter.id for meter in config.meters] else ""
    asked = _Asked(config, daemon.Modem(settings, daemon.now, tap), number, meter or "test call")
    if with_trace:
        asyncio.run(Screen(config, line, as_json=False, err=True).showing(tap, asked.ask()))
    else:
        with patience(f"modem on line {line}"):
            asyncio.run(asked.ask())
    if as_json:
        print_json(asked.document)
    else:
        asked.print()
    if asked.fault is not None:
        raise asked.fault


def _number(config: Config, called: str) -> PhoneNumber:
    """The number of a configured meter, or the number itself."""
    for meter in config.meters:
        if meter.id == called:
            if meter.phone is None:
                raise click.UsageError(f"meter '{called}' has no phone: its line does not call")
            return meter.phone
    try:
        return PhoneNumber(called)
    except ValueError as error:
        raise click.BadParameter(f"no meter has this id, and {error}", param_hint="--call") from None


class _Asked:
    """What a modem was asked, and what it said."""

    def __init__(self, config: Config, modem: daemon.Modem, number: PhoneNumber | None, meter: str) -> None:
        self._config = config
        self._called = meter
        self._modem = modem
        self._number = number
        self._call: CallRecord | None = None
        self._status: ModemStatus | None = None
        self._before: Refused | None = None
        """An earlier refusal of the same PIN."""
        self.fault: ChannelError | None = None

    async def ask(self) -> None:
        """Set the modem up, and call when that is wanted. GatewayError when the line cannot be had."""
        await self._heed()  # before the archive is opened, which makes what it cannot read anew
        await borrowed(self._config, self._modem.settings.id, "modem", 0, self._on_line)

    async def _on_line(self, line: Borrowed) -> None:
        await self._heed()  # whoever had the line before may have met a refusal
        name, pins = self._modem.settings.id, None if self._before is not None else line.pins
        if pins is not None and self._modem.credentials:
            await pins.heed(name, self._modem)
        try:
            await self._talk()
        except ChannelError as error:
            self.fault = error
        finally:
            line.call, line.called = self._call, self._called
            if pins is not None and self._modem.credentials:
                await pins.judge(name, self._modem)
        line.result = Ending.DONE if self.fault is None else Ending.FAULT
        line.detail = str(self.fault or ("a test call" if self._call is not None else "asked"))

    async def _talk(self) -> None:
        if self._number is None:
            self._status = await self._modem.check()
            return
        click.echo(f"calling {self._number.masked}: this costs money until it is hung up", err=True)
        channel = await self._modem.call(self._number, self._done)
        await channel.close()

    async def _heed(self) -> None:
        """A PIN that was not accepted is not sent again, whoever has sent it."""
        line, credentials = self._modem.settings.id, self._modem.credentials
        if not credentials:
            return
        try:
            known = await asyncio.to_thread(listed, self._config.archive.path)
        except ArchiveError as error:
            raise ArchiveError(
                f"line {line}: whether the PIN was refused before is not known, so that nothing was sent: {error}"
            ) from error
        for one in known:
            if one.meter == sim_of(line) and one.credentials == credentials:
                self._before = one
                self._modem.withhold()

    def _done(self, record: CallRecord) -> None:
        self._call, self._status = record, record.status

    @property
    def _pin(self) -> PinUse:
        with contextlib.suppress(ChannelError):  # a PIN file that cannot be read has been told already
            return self._modem.pin_use
        return PinUse.UNUSED

    @property
    def document(self) -> dict[str, object]:
        """For programs."""
        status, call = self._status, self._call
        return {
            "line": self._modem.settings.id,
            "ok": self.fault is None,
            "fault": None if self.fault is None else str(self.fault),
            "sim": None if status is None else status.sim or None,
            "pin": "withheld" if self._before is not None else self._pin.name.lower(),
            "registration": None if status is None or status.registration is None else status.registration.name.lower(),
            "signal_dbm": None if status is None else status.signal_dbm,
            "rejected": [] if status is None else list(status.rejected),
            "call": None
            if call is None
            else {
                "number": call.number,
                "result": call.result.value,
                "connect": call.status.connect or None,
                "set_up_s": _set_up_seconds(call),
                "connected_s": call.seconds,
                "hung_up": call.hung_up,
            },
        }

    def print(self) -> None:
        """For people."""
        screen = console()
        screen.print(f"modem line {self._modem.settings.id}")
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        pin = self._pin
        loud = "red" if pin in (PinUse.SENT, PinUse.REFUSED) else ""
        for name, text in self._rows():
            table.add_row(name, text)
        if self._modem.settings.network == "cellular":
            table.add_row("PIN", Text(self._withheld or _PIN[pin], style=loud))
        screen.print(table)

    @property
    def _withheld(self) -> str:
        if self._before is None:
            return ""
        at = local_time(self._before.at, self._config.gateway.zone)
        return (
            f"NOT SENT: it was sent at {at} and not accepted; look at the SIM in a telephone, then correct "
            f"{self._modem.settings.pin_file}"
        )

    def _rows(self) -> list[tuple[str, str]]:
        status, call = self._status, self._call
        rows = []
        if status is not None:
            rows.append(("SIM", _SIM.get(status.sim, status.sim)))
            rows.append(("network", "" if status.registration is None else _REGISTRATION[status.registration]))
            rows.append(("signal", signal_text(status.signal_dbm)))
            rows.append(
                ("rejected", ", ".join(status.rejected) + " (the modem does without)" if status.rejected else "")
            )
        if call is not None:
            rows.append(("call", f"{call.number}: {call.result.value}"))
            rows.append(
                (
                    "connected",
                    f"{call.status.connect or 'yes'}, after {_set_up_seconds(call)} s" if call.connected_at else "no",
                )
            )
            confirmed = "the modem confirmed it" if call.hung_up else "NOT CONFIRMED: the call may still cost money"
            rows.append(("hung up", f"after {call.seconds} s; {confirmed}" if call.connected_at else ""))
        return [row for row in rows if row[1]]


def _set_up_seconds(call: CallRecord) -> float | None:
    return None if call.connected_at is None else round((call.connected_at - call.started_at).total_seconds(), 1)


def signal_text(dbm: int | None) -> str:
    """`-71 dBm, excellent`; empty when the modem does not know."""
    if dbm is None:
        return ""
    words = next((word for least, word in _SIGNAL_WORDS if dbm >= least), "too weak for data calls")
    return f"{dbm} dBm, {words}"
