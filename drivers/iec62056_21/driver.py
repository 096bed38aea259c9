"""The driver of a meter by IEC 62056-21: which session a request needs, and what it is told before.

Rules: everything that is said on the line is decided in wire/, the loop is in conversation.py; here sessions are
chosen, settings put together and passwords read. A password is read at the beginning of each session, and where there
should be one and is none, nothing is sent.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from weakref import ref
from zoneinfo import ZoneInfo

from drivers.iec62056_21.answers import Source, readout_answer
from drivers.iec62056_21.commands import Commands, access_of
from drivers.iec62056_21.conversation import Conversation
from drivers.iec62056_21.options import Iec62056_21Options
from drivers.iec62056_21.reach import Reach
from drivers.iec62056_21.session_settings import settings_of
from drivers.iec62056_21.vendors import AUTO, Vendor, choose
from drivers.iec62056_21.wire.fork import Chosen, Fork
from drivers.iec62056_21.wire.framing import SIGN_ON_BAUD, Identification, mode_c_rates
from drivers.iec62056_21.wire.outgoing import Login
from drivers.iec62056_21.wire.password import unclear
from drivers.iec62056_21.wire.programming import ProgrammingSession
from drivers.iec62056_21.wire.push import PushSession
from drivers.iec62056_21.wire.readout import ReadoutSession, readout_session
from drivers.iec62056_21.wire.session import Done, Ready, SessionSettings
from gatewayd import driver
from gatewayd.channel import Channel
from gatewayd.driver import Driver, DriverKind, Forgetful, Memory, Setting
from gatewayd.errors import ChannelError, GatewayError, MeterDiffers, MeterSilent, ProtocolError
from gatewayd.model import Answer, Clock, Listen, Meter, Outcome, Profile, Registers, Request, Scan
from gatewayd.naming import named

_DEFAULTS = Iec62056_21Options()
_BLANK = b"\r\n \0"


class Iec62056_21Driver:
    """Reads one meter: its readout, single registers, load profiles and logs."""

    def __init__(
        self,
        meter: Meter,
        settings: SessionSettings,
        vendor: str,
        clock: driver.Clock,
        zone: ZoneInfo,
        options: Iec62056_21Options = _DEFAULTS,
        memory: Memory | None = None,
    ) -> None:
        self._meter = meter
        self._settings = settings
        self._vendor = vendor
        self._clock = clock
        self._zone = zone
        self._options = options
        self._reach = Reach(memory or Forgetful(), clock)
        self._asked_over: Callable[[], Channel | None] = lambda: None
        """The channel over which the clock was last asked for: once in a session, whatever the meter says to it."""

    @property
    def credentials(self) -> str:
        return self._options.fingerprint

    async def execute(self, channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        """A readout holds everything; `request.registers` chooses what becomes a reading. Single registers may also be
        asked for by commands, profiles and logs always are: one Answer for each."""
        try:
            async with aclosing(self._exchanges(channel, request)) as answers:
                async for answer in answers:
                    yield answer
        except GatewayError as error:
            raise named(error, self._meter.id, self._meter.line) from error

    def _exchanges(self, channel: Channel, request: Request) -> AsyncGenerator[Answer, None]:
        settings = self._settings
        if password := self._options.sign_on_password():
            # Once only: who does not hear the right one may count what it heard.
            settings = replace(settings, address=settings.address + password, secret_address=True, attempts=1)
        match request:
            case Profile():
                if settings.mode == "D":
                    raise MeterDiffers("only pushes its telegrams (mode: D): profiles cannot be asked for")
                return self._by_commands(channel, self._programming(settings), request)
            case Registers(registers) if registers and settings.mode != "D":
                return self._by_access(channel, request, settings)
            case Clock(False):
                by_access = settings.mode != "D"
                return (self._by_access if by_access else self._readouts)(channel, request, settings)
            case Registers():
                return self._readouts(channel, request, settings)
            case Listen():
                if settings.mode != "D":
                    raise MeterDiffers(
                        f"is asked for its values (mode: {settings.mode}) and cannot be listened to; say mode: D if it "
                        "sends its telegrams by itself, else read it: {registers: all, every: 15m}"
                    )
                return self._pushed(channel, settings)
            case Scan():
                raise MeterDiffers("has no list of objects (IEC 62056-21); `gatewayd read` shows its readout")
            case Clock():
                raise MeterDiffers("is read by IEC 62056-21, by which gatewayd puts no clock right; nothing was sent")

    def _by_access(
        self, channel: Channel, request: Registers | Clock, settings: SessionSettings
    ) -> AsyncGenerator[Answer, None]:
        """Registers and the clock, out of the readout or by commands: as configured, else as the vendor profile says.
        Who names lists wants them read out."""
        if self._options.tables != _DEFAULTS.tables:
            return self._readouts(channel, request, settings)
        if self._options.access == "auto" and self._vendor == AUTO:
            password = self._options.password()
            fork = Fork(settings, lambda identification: self._chosen(identification, password, settings))
            return self._by_commands(channel, fork, request)
        if access_of(choose(self._vendor, ""), self._options).register_command == "readout":
            return self._readouts(channel, request, settings)
        return self._by_commands(channel, self._programming(settings), request)

    async def _readouts(
        self, channel: Channel, request: Registers | Clock, settings: SessionSettings
    ) -> AsyncGenerator[Answer, None]:
        """One readout, or one for each of the configured lists; a register is missing when it is in none of them. The
        clock is looked for in the first of them."""
        if isinstance(request, Clock):
            yield await self._readout(channel, request, readout_session(settings, self._options.tables[0]))
            return
        rest = request.registers
        for number, table in enumerate(self._options.tables, 1):
            answer = await self._readout(channel, Registers(rest), readout_session(settings, table))
            if rest and number < len(self._options.tables) and answer.sound:
                came = tuple(reading for reading in answer.readings if reading.obis_raw)
                rest = tuple(reading.obis for reading in answer.readings if not reading.obis_raw and reading.obis)
                if came:
                    yield replace(answer, readings=came)
                if not rest:
                    return
            else:
                yield answer

    async def _readout(
        self, channel: Channel, request: Registers | Clock, session: ReadoutSession | PushSession
    ) -> Answer:
        async with Conversation(channel, session) as conversation:
            event = await conversation.until_event(session.start(conversation.now))
            assert isinstance(event, Done)  # the only event of a readout
            return self._readout_answer(event, request, conversation)

    async def _pushed(self, channel: Channel, settings: SessionSettings) -> AsyncGenerator[Answer, None]:
        """Telegram after telegram, for ever. Silence is nothing to end for, and neither is one that makes no sense."""
        rest = b""
        while True:
            session = PushSession(settings)
            try:
                async with Conversation(channel, session) as conversation:
                    actions = session.start(conversation.now)
                    if rest:  # came in one piece with the telegram before
                        actions = (*actions[:-1], *session.feed(rest, conversation.now))
                    rest = b""
                    event = await conversation.until_event(actions)
                    assert isinstance(event, Done)  # the only event of a push
                    answer = self._readout_answer(event, Registers(), conversation)
            except MeterSilent:
                continue
            except ProtocolError as error:
                if error.raw.strip(_BLANK):  # what some send behind their telegram is nothing to tell of
                    yield Answer((), Outcome.PROTOCOL_ERROR, str(error))
                continue
            rest = session.rest
            yield replace(answer, behind=len(rest) if rest.strip(_BLANK) else 0)

    async def _by_commands(
        self, channel: Channel, session: ProgrammingSession | Fork, request: Registers | Profile | Clock
    ) -> AsyncGenerator[Answer, None]:
        try:
            async with aclosing(self._commanded(channel, session, request)) as answers:
                async for answer in answers:
                    yield answer
        except ChannelError as error:
            if session.password_pending:  # to hang up is an answer, too
                raise unclear(error) from error
            raise

    async def _commanded(
        self, channel: Channel, session: ProgrammingSession | Fork, request: Registers | Profile | Clock
    ) -> AsyncGenerator[Answer, None]:
        async with Conversation(channel, session) as conversation:
            event = await conversation.until_event(session.start(conversation.now))
            match event, session.chosen if isinstance(session, Fork) else session:
                case Ready(operand), ProgrammingSession() as programming:
                    commands = self._commands(conversation, programming)
                    await commands.identify(operand)
                    async with aclosing(self._by_command(channel, commands, request)) as answers:
                        async for answer in answers:
                            yield answer
                case Done() as done, ReadoutSession() if not isinstance(request, Profile):
                    yield self._readout_answer(done, request, conversation)
                case _:
                    raise AssertionError(f"{event} out of {session}")

    async def _by_command(
        self, channel: Channel, commands: Commands, request: Registers | Profile | Clock
    ) -> AsyncGenerator[Answer, None]:
        """What was asked for; before the first profile over a channel, the clock, where that may be asked."""
        if isinstance(request, Clock):
            yield await commands.clock() or commands.no_clock()
            return
        if isinstance(request, Profile) and commands.tells_clock and self._asked_over() is not channel:
            self._asked_over = ref(channel)
            clock = await commands.clock()
            if clock is not None:
                yield clock
        asked = commands.profile(request) if isinstance(request, Profile) else commands.registers(request)
        async with aclosing(asked) as answers:
            async for answer in answers:
                yield answer

    def _commands(self, conversation: Conversation, session: ProgrammingSession) -> Commands:
        access = access_of(self._vendor_of(session.identification), self._options)
        return Commands(conversation, session, access, self._meter, self._clock, self._zone, self._reach)

    def _readout_answer(self, event: Done, request: Registers | Clock, conversation: Conversation) -> Answer:
        span, parity_errors = conversation.span, conversation.parity_errors
        identification = event.telegram.identification
        vendor = self._vendor_of(identification)
        source = Source(self._meter.id, self._clock(), self._zone, vendor, str(identification or ""))
        return readout_answer(source, event.telegram, parity_errors, request, span)

    def _vendor_of(self, identification: Identification | None) -> Vendor:
        vendor = choose(self._vendor, str(identification or ""))
        if self._options.clock == "auto":
            return vendor
        return vendor.model_copy(update={"clock": self._options.clock})

    # -- programming mode -------------------------------------------------------------------------------------------

    def _chosen(self, identification: Identification, password: str | None, settings: SessionSettings) -> Chosen:
        access = access_of(self._vendor_of(identification), self._options)
        if access.register_command == "readout":
            return ReadoutSession(settings)
        return self._programming_with(password, settings)

    def _programming(self, settings: SessionSettings) -> ProgrammingSession:
        password = self._options.password()
        if self._vendor != AUTO:
            self._login(choose(self._vendor, ""), password)  # the line need not be used to know that it is missing
        return self._programming_with(password, settings)

    def _programming_with(self, password: str | None, settings: SessionSettings) -> ProgrammingSession:
        if settings.mode == "A":  # never another rate than the first one, where an acknowledgement can name that
            rate = settings.start_baud if settings.start_baud in mode_c_rates() else SIGN_ON_BAUD
            settings = replace(settings, baud_after_sign_on=settings.baud_after_sign_on or rate)
        return ProgrammingSession(
            settings,
            lambda identification: self._login(self._vendor_of(identification), password),
            self._options.allowed_writes,
        )

    def _login(self, vendor: Vendor, password: str | None) -> Login:
        form = vendor.password
        needed = form.needed if self._options.login == "auto" else self._options.login == "password"
        if self._options.login == "none":
            return Login()
        if password is None:
            if needed:
                raise MeterDiffers(
                    f"needs a password for this (vendor profile {vendor.name}) and none is configured: write it into "
                    "a file and name that as password_file, or say login: none if it wants none"
                )
            return Login()
        text = password.rjust(form.length, form.fill) if form.fill else password
        return Login(form.command, f"({text})")


def _build(setting: Setting) -> Driver:
    options = setting.options
    assert isinstance(options, Iec62056_21Options)  # the registry pairs driver and options
    return Iec62056_21Driver(
        setting.meter,
        settings_of(options, setting.line_baud),
        options.vendor,
        setting.clock,
        setting.zone,
        options,
        setting.memory,
    )


KIND = DriverKind(build=_build, options=Iec62056_21Options)
