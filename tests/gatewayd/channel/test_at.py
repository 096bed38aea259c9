"""The AT dialogue: bytes in, actions out; every event in every state; any bytes, cut anywhere.

The clock is simulated: bytes take no time, and a silent modem costs exactly what the timer says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewayd.channel.at import (
    LINE_LIMIT,
    TABLE,
    Action,
    Actions,
    AtDialogue,
    Connected,
    Event,
    Failed,
    HungUp,
    Lost,
    Rang,
    Ready,
    Received,
    Result,
    Send,
    SetDtr,
    SetTimer,
    State,
    classify,
)
from gatewayd.channel.modem_options import (
    BACK_OFF,
    DEFAULT_STEPS,
    REMEDY,
    CallResult,
    ModemOptions,
    PinUse,
    Registration,
    Scope,
    SimPin,
)
from gatewayd.dialling import Dialling, Network, PhoneNumber, Step

NUMBER = PhoneNumber("+420601234589")
PIN = "4711"
SETUP = 90.0
OK = b"\r\nOK\r\n"
IDENTIFICATION = b"/ISk5MT174-0001\r\n"
SHORT = ModemOptions(steps=(Step("ATZ", required=True), Step("ATE0")))
TELEPHONE = ModemOptions(network=Network.PSTN, steps=(Step("ATZ", required=True),))

Modem = Callable[[bytes], bytes]
Cut = Callable[[bytes], Iterable[bytes]]


def whole(data: bytes) -> Iterable[bytes]:
    return [data] if data else []


def byte_by_byte(data: bytes) -> Iterable[bytes]:
    return [bytes([byte]) for byte in data]


USUAL = {
    "ATD": b"\r\nCONNECT 9600/RLP\r\n",
    "+CPIN?": b"\r\n+CPIN: READY\r\n" + OK,
    "+CREG?": b"\r\n+CREG: 0,1\r\n" + OK,
    "+CSQ": b"\r\n+CSQ: 17,99\r\n" + OK,
}


def modem(**said: bytes) -> Modem:
    """Says OK, and what is usual, but to commands that hold one of these words (`_` stands for `+`, `q` for `?`)."""
    table = {word.replace("_", "+").replace("q", "?"): answer for word, answer in said.items()}
    table |= {word: answer for word, answer in USUAL.items() if word not in table}

    def answer(command: bytes) -> bytes:
        text = command.decode().strip("\r")
        if text == "":
            return b"\r\nNO CARRIER\r\n"
        return next((told for word, told in table.items() if word in text), OK)

    return answer


@dataclass
class Course:
    """How a dialogue went: commands with the times at which they were sent, bytes of the far end, the end."""

    now: float = 0.0
    sent: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    received: bytes = b""
    rang: list[bool] = field(default_factory=list)
    dtr: list[bool] = field(default_factory=list)
    shown: str = ""
    timer: float | None = None
    end: Action | None = None

    @property
    def over(self) -> bool:
        return self.end is not None

    @property
    def failed(self) -> Failed:
        assert isinstance(self.end, Failed), self
        return self.end

    def do(self, actions: Actions) -> list[bytes]:
        """Note the actions; what was sent."""
        sent = []
        self.shown += repr(actions)
        for action in actions:
            match action:
                case Send(data, shown):
                    sent.append(data)
                    self.sent.append(shown)
                    self.times.append(self.now)
                case SetTimer(until):
                    self.timer = until
                case SetDtr(on):
                    self.dtr.append(on)
                case Received(data):
                    self.received += data
                case Rang(dialling):
                    self.rang.append(dialling)
                case Ready() | Connected() | Failed() | Lost() | HungUp():
                    self.end = action
        return sent


def play(dialogue: AtDialogue, actions: Actions, answer: Modem, course: Course, cut: Cut = whole) -> Course:
    """Until the dialogue says that something is reached. What one answer brings is always fed to the end."""
    course.end = None
    waiting = course.do(actions)
    while True:
        while waiting:
            for piece in cut(answer(waiting.pop(0))):
                waiting += course.do(dialogue.feed(piece, course.now))
        if course.over:
            return course
        assert course.timer is not None, f"{dialogue.state} waits for ever"
        course.now = max(course.now, course.timer)
        assert course.now < 1000
        waiting = course.do(dialogue.expired(course.now))


def call(
    answer: Modem,
    options: ModemOptions = SHORT,
    *,
    sim: SimPin | None = None,
    number: PhoneNumber | None = NUMBER,
    cut: Cut = whole,
    has_dtr: bool = False,
) -> tuple[AtDialogue, Course]:
    dialogue = AtDialogue(options, number, sim or SimPin(), has_dtr=has_dtr)
    return dialogue, play(dialogue, dialogue.start(0.0, SETUP), answer, Course(), cut)


# -- lines -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "result"),
    [
        (b"OK", Result(Event.OK)),
        (b"ok", Result(Event.OK)),
        (b"\x00\xffOK \xfe", Result(Event.OK)),
        (b"RING", Result(Event.RING)),
        (b"+CRING: REL ASYNC", Result(Event.RING)),
        (b"NO CARRIER", Result(Event.NO_CARRIER)),
        (b"ERROR", Result(Event.ERROR)),
        (b"NO DIALTONE", Result(Event.NO_DIALTONE)),  # V.250 6.3.1 and makers' manuals
        (b"NO DIAL TONE", Result(Event.NO_DIALTONE)),
        (b"BUSY", Result(Event.BUSY)),
        (b"NO ANSWER", Result(Event.NO_ANSWER)),
        (b"DELAYED", Result(Event.DELAYED)),
        (b"DELAYED 00:02:13", Result(Event.DELAYED)),
        (b"BLACKLISTED", Result(Event.BLACKLISTED)),
        (b"BLACKLIST FULL", Result(Event.OTHER)),
        (b"CONNECT", Result(Event.CONNECT)),
        (b"CONNECT 2400", Result(Event.CONNECT, "2400")),
        (b"CONNECT 9600/RLP", Result(Event.CONNECT, "9600/RLP")),
        (b"CONNECT/ARQ/V34", Result(Event.CONNECT, "ARQ/V34")),
        (b"CONNECT 115200/V34/LAPM", Result(Event.CONNECT, "115200/V34/LAPM")),
        (b"CONNECT +420601234589", Result(Event.CONNECT, "+****")),
        (b"CONNECTED", Result(Event.OTHER)),
        (b"+CME ERROR: 30", Result(Event.ERROR, "30", 30)),
        (b"+CME ERROR:30", Result(Event.ERROR, "30", 30)),
        (b"+CME ERROR: SIM busy", Result(Event.ERROR, "SIM BUSY")),
        (b"+CME ERROR: 4711", Result(Event.ERROR, "****")),
        (b"+CMS ERROR: 500", Result(Event.ERROR, "500", 500)),
        (b"+CSQ: 3,99", Result(Event.INFORMATION, "+CSQ: 3,99")),
        (b"+CMTI: \"SM\",3", Result(Event.OTHER)),
        (b"ATD+420601234589", Result(Event.OTHER)),
        (b"OKAY", Result(Event.OTHER)),
        (b"0", Result(Event.OK, numeric=True)),
        (b"1", Result(Event.CONNECT, numeric=True)),
        (b"3", Result(Event.NO_CARRIER, numeric=True)),
        (b"8", Result(Event.NO_ANSWER, numeric=True)),
        (b"49", Result(Event.CONNECT, "9600/RLP", numeric=True)),  # Siemens TC63 2.5.1
        (b"99", Result(Event.OTHER)),
        (b"\xb2", Result(Event.OTHER)),
        (b"00", Result(Event.OTHER)),
    ],
)  # fmt: skip
def test_a_line_means(line: bytes, result: Result) -> None:
    assert classify(line, Network.CELLULAR) == result


def test_the_same_number_means_other_things_in_other_modems() -> None:
    """MultiTech MT5600DSVD manual: 49 is CARRIER 7200, on the way to CONNECT; 24 and 32 are its own."""
    assert classify(b"49", Network.PSTN).event is Event.OTHER
    assert classify(b"13", Network.PSTN) == Result(Event.CONNECT, "7200", numeric=True)
    assert classify(b"13", Network.CELLULAR).event is Event.OTHER
    assert classify(b"24", Network.PSTN).event is Event.DELAYED
    assert classify(b"32", Network.PSTN).event is Event.BLACKLISTED
    assert classify(b"32", Network.CELLULAR).event is Event.OTHER


def test_digits_are_no_result_where_results_are_words() -> None:
    assert classify(b"0", Network.PSTN, numbers=False).event is Event.OTHER
    assert classify(b"OK", Network.PSTN, numbers=False).event is Event.OK


# -- set-up ------------------------------------------------------------------------------------------------------------

SHOWN = ["AT", "ATZ", "ATE0", "AT+CPIN?", "AT+CREG?", "AT+CSQ", "ATD+42060****89"]


@pytest.mark.parametrize("cut", [whole, byte_by_byte])
def test_a_call_is_set_up_in_order_and_what_follows_connect_is_the_meters(cut: Cut) -> None:
    dialogue, course = call(modem(ATD=b"\r\nCONNECT 9600/RLP\r\n" + IDENTIFICATION), cut=cut)
    assert course.end == Connected()
    assert course.sent == SHOWN
    assert course.received == IDENTIFICATION
    assert course.timer is None
    assert dialogue.status.sim == "READY"
    assert dialogue.status.registration is Registration.HOME
    assert (dialogue.status.signal, dialogue.status.signal_dbm) == (17, -79)
    assert dialogue.status.connect == "9600/RLP"


def numbers(command: bytes) -> bytes:
    """The same modem with ATV0: V.250 5.7.1."""
    answer = modem(ATD=b"12\r" + IDENTIFICATION)(command)
    for word, number in ((OK, b"0\r"), (b"\r\n+", b"+")):
        answer = answer.replace(word, number)
    return answer


def echoing(answer: Modem) -> Modem:
    return lambda command: command + answer(command)


def with_noise(answer: Modem) -> Modem:
    """Between the lines; a CREG and an SMS that nobody asked for; a line end of another kind."""
    noise = b"\xff\x00\x7f\r\n+CREG: 5\r\n\r\n+CMTI: \"SM\",3\r\nAT+C\r\n"  # fmt: skip
    return lambda command: noise + answer(command)


@pytest.mark.parametrize("cut", [whole, byte_by_byte])
@pytest.mark.parametrize(
    "answer",
    [
        numbers,
        echoing(numbers),
        echoing(modem(ATD=b"\r\nCONNECT 9600\r\n" + IDENTIFICATION)),
        with_noise(modem(ATD=b"\r\nCONNECT 9600\r\n" + IDENTIFICATION)),
        echoing(with_noise(numbers)),
        lambda command: modem(ATD=b"\r\nCONNECT 9600\r" + IDENTIFICATION)(command).replace(b"\r\n+", b"\n+"),
        lambda command: modem(ATD=b"\nCONNECT 9600\n" + IDENTIFICATION)(command).replace(b"\r\nOK\r\n", b"\nOK\n"),
        lambda command: modem(ATD=b"\r\nCONNECT 9600\r\n" + IDENTIFICATION)(command).replace(b"OK\r\n", b"OK\r"),
    ],
    ids=["numbers", "echo numbers", "echo", "noise", "echo noise numbers", "LF", "LF only", "CR only"],
)
def test_modems_speak_in_many_ways(answer: Modem, cut: Cut) -> None:
    dialogue, course = call(answer, cut=cut)
    assert course.end == Connected()
    assert course.sent == SHOWN
    assert course.received == IDENTIFICATION
    assert dialogue.status.connect == "9600"
    assert course.now == 0.0, "a timer expired"


@given(st.data())
def test_how_the_bytes_are_cut_changes_nothing(data: st.DataObject) -> None:
    def cut(sent: bytes) -> Iterator[bytes]:
        while sent:
            size = data.draw(st.integers(1, len(sent)))
            yield sent[:size]
            sent = sent[size:]

    answer = echoing(with_noise(modem(ATD=b"\r\nCONNECT 9600\r\n\n" + IDENTIFICATION + b"\r\nNO CARRIER\r\n")))
    _, course = call(answer, cut=cut)
    assert (course.end, course.sent) == (Connected(), SHOWN)
    assert course.received == b"\n" + IDENTIFICATION + b"\r\nNO CARRIER\r\n"
    assert course.timer == SHORT.carrier_guard


def test_a_line_feed_after_connect_in_numbers_is_the_meters() -> None:
    assert call(lambda c: b"1\r\n/" if b"ATD" in c else numbers(c))[1].received == b"\n/"
    assert call(modem(ATD=b"\r\nCONNECT\n\n/"))[1].received == b"\n/"


def test_an_optional_step_may_be_rejected_or_not_answered() -> None:
    dialogue, course = call(modem(E0=b"\r\nERROR\r\n"))
    assert course.end == Connected()
    assert dialogue.status.rejected == ("ATE0",)
    dialogue, course = call(modem(E0=b""))
    assert course.end == Connected()
    assert course.sent == [*SHOWN[:3], "AT", *SHOWN[3:]], "it is woken again, so that a late answer finds a taker"
    assert dialogue.status.rejected == ("ATE0",)
    assert course.now == SHORT.command


def test_a_required_step_ends_the_call_before_it_begins() -> None:
    _, course = call(modem(ATZ=b"\r\n+CME ERROR: 100\r\n"))
    assert course.failed == Failed(CallResult.MODEM, "rejects ATZ (+CME ERROR: 100)")
    _, course = call(modem(ATZ=b""))
    assert course.failed == Failed(CallResult.MODEM, "does not answer ATZ")
    assert "ATE0" not in course.sent


def test_the_bearer_is_chosen_before_the_call() -> None:
    options = ModemOptions(steps=(), bearer="71,0,1")
    assert call(modem(), options)[1].sent[-2] == "AT+CBST=71,0,1"
    assert call(modem(CBST=b"\r\nERROR\r\n"), options)[1].failed.result is CallResult.MODEM
    lenient = ModemOptions(steps=(), bearer="71,0,1", bearer_required=False)
    assert call(modem(CBST=b"\r\nERROR\r\n"), lenient)[1].end == Connected()


@pytest.mark.parametrize("dialling", Dialling)
def test_a_telephone_modem_has_no_sim(dialling: Dialling) -> None:
    options = ModemOptions(network=Network.PSTN, steps=(), bearer="7", dialling=dialling)
    _, course = call(modem(), options, number=PhoneNumber("0,549123456"))
    assert course.sent == ["AT", f"ATD{dialling.value}0,549****56"]


def test_without_a_number_it_ends_when_the_modem_is_ready() -> None:
    dialogue, course = call(modem(_CSQ=b"\r\n+CSQ: 99,99\r\n" + OK), number=None)
    assert course.end == Ready()
    assert course.sent == SHOWN[:-1]
    assert dialogue.status.signal is None
    assert play(dialogue, dialogue.hang_up(1), modem(), course).end == HungUp(confirmed=True)
    assert course.sent == SHOWN[:-1]


# -- a modem that does not answer --------------------------------------------------------------------------------------


def test_a_dead_modem_is_given_up() -> None:
    _, course = call(lambda _: b"")
    assert course.failed == Failed(CallResult.MODEM, "does not answer AT")
    assert course.sent == ["AT"] * 3 + ["+++", "ATH"] + ["AT"] * 3
    assert course.now < 20


def test_answers_to_earlier_attempts_are_not_taken_for_answers_to_the_next_command() -> None:
    """A modem that wakes late answers every AT that it was sent."""
    heard: list[bytes] = []

    def slow(command: bytes) -> bytes:
        heard.append(command)
        if command == b"AT\r" and len(heard) < 3:
            return b""
        return OK * 3 if len(heard) == 3 else modem(ATZ=b"\r\nERROR\r\n")(command)

    _, course = call(slow)
    assert course.failed == Failed(CallResult.MODEM, "rejects ATZ (ERROR)")
    missing = AtDialogue(SHORT, NUMBER, SimPin(), has_dtr=False)
    course = Course()
    course.do(missing.start(0, SETUP))
    course.do(missing.expired(2))
    course.do(missing.feed(OK, 3))
    assert course.sent == ["AT", "AT"]
    assert course.timer == 3 + SHORT.command / 10
    course.do(missing.expired(4))
    assert course.sent[-1] == "ATZ"


def test_a_modem_left_in_a_call_is_called_back() -> None:
    """A process that was killed: the modem is still a pipe, and what it says is the meter's."""
    online = True

    def stuck(command: bytes) -> bytes:
        nonlocal online
        if online and command == b"+++":
            online = False
            return OK
        return b"1.8.0(000123*kWh)\r\n" if online else modem()(command)

    _, course = call(stuck)
    assert course.end == Connected()
    assert course.sent == ["AT"] * 3 + ["+++", "ATH"] + SHOWN
    assert course.times[3] - course.times[2] >= SHORT.guard


def test_the_deadline_of_the_set_up_holds_in_every_state() -> None:
    def slow(command: bytes) -> bytes:
        return modem(_CREGq=b"\r\n+CREG: 0,2\r\n" + OK)(command)

    _, course = call(slow)
    assert course.failed == Failed(CallResult.NOT_REGISTERED, "is not registered in the network")
    assert course.now == SETUP
    _, course = call(modem(ATD=b""))
    assert course.failed.result is CallResult.TIMEOUT
    assert course.now == SETUP
    dialogue = AtDialogue(SHORT, NUMBER, SimPin(), has_dtr=False)
    dialogue.start(0, 1)
    assert Failed(CallResult.MODEM, "does not answer AT") in dialogue.feed(OK, 1)


# -- SIM, registration, signal -----------------------------------------------------------------------------------------


def card(state: str, *after: bytes) -> Modem:
    """A SIM that asks, and answers the PIN like this."""
    answers = list(after)
    ready = False

    def answer(command: bytes) -> bytes:
        nonlocal ready
        if command.startswith(b"AT+CPIN="):
            assert command == b'AT+CPIN="4711"\r'
            told = answers.pop(0)
            ready = told == OK
            return told
        if command == b"AT+CPIN?\r":
            return f"\r\n+CPIN: {'READY' if ready else state}\r\n".encode() + OK
        return modem()(command)

    return echoing(answer)


def test_the_pin_is_sent_when_it_is_asked_for() -> None:
    sim = SimPin(PIN)
    _, course = call(card("SIM PIN", OK), sim=sim)
    assert course.end == Connected()
    assert 'AT+CPIN="****"' in course.sent
    assert sim.use is PinUse.ACCEPTED
    assert "ATD+42060****89" in course.shown
    assert PIN not in course.shown
    assert NUMBER.digits not in course.shown


def test_the_pin_is_sent_only_once_in_the_life_of_the_line() -> None:
    sim = SimPin(PIN)
    assert call(card("SIM PIN", OK), sim=sim)[1].end == Connected()
    _, course = call(card("SIM PIN"), sim=sim)  # switched off and on
    assert course.failed == Failed(CallResult.SIM, "asks for the PIN (accepted); it is sent once at most")


@pytest.mark.parametrize(
    ("told", "use", "detail"),
    [
        (b"\r\n+CME ERROR: 16\r\n", PinUse.REFUSED, "refuses the PIN (+CME ERROR: 16), which is not sent again"),
        (b"\r\nERROR\r\n", PinUse.REFUSED, "refuses the PIN (ERROR), which is not sent again"),
        (b"", PinUse.SENT, "does not answer the PIN, which is not sent again"),
    ],
)
def test_a_refused_pin_is_never_sent_again(told: bytes, use: PinUse, detail: str) -> None:
    sim = SimPin(PIN)
    assert call(card("SIM PIN", told), sim=sim)[1].failed == Failed(CallResult.SIM, detail)
    assert sim.use is use
    _, course = call(card("SIM PIN"), sim=sim)
    assert course.failed.result is CallResult.SIM
    assert "CPIN=" not in "".join(course.sent)


@pytest.mark.parametrize("state", ["SIM PUK", "PH-SIM PIN", "PH-NET PIN", "SIM PIN9", "SIM PINS", "SIM"])
def test_the_pin_is_sent_in_no_other_state(state: str) -> None:
    sim = SimPin(PIN)
    call(card(state), sim=sim)
    assert sim.use is PinUse.UNUSED


def test_a_second_pin_is_not_needed_for_a_call() -> None:
    assert call(card("SIM PIN2"))[1].end == Connected()
    assert call(card("SIM PUK"))[1].failed == Failed(CallResult.SIM, "has a SIM in state SIM PUK")
    assert "no PIN configured" in call(card("SIM PIN"))[1].failed.detail


def test_a_sim_may_take_its_time_or_be_absent() -> None:
    told = [b"\r\n+CME ERROR: 14\r\n", b"\r\n+CME ERROR: 14\r\n", b"\r\n+CPIN: READY\r\n" + OK]
    _, course = call(lambda command: told.pop(0) if command == b"AT+CPIN?\r" else modem()(command))
    assert course.end == Connected()
    assert course.now == 2 * SHORT.poll
    _, course = call(modem(_CPINq=b"\r\n+CME ERROR: 10\r\n"))
    assert course.failed == Failed(CallResult.SIM, "cannot use its SIM (+CME ERROR: 10)")


def test_a_disturbed_question_or_a_slow_sim_is_not_a_case_for_a_person() -> None:
    """The result SIM puts a modem out of use until a restart. No PIN was sent, and to ask again costs nothing."""
    _, course = call(modem(_CPINq=b"\r\nERROR\r\n"))
    assert course.failed.result is CallResult.MODEM and "answers AT+CPIN? with ERROR" in course.failed.detail
    _, course = call(modem(_CPINq=b"\r\n+CME ERROR: 14\r\n"))
    assert course.failed == Failed(CallResult.MODEM, "has a SIM that does not become ready")
    told = [b"\r\n+CME ERROR: SIM busy\r\n", b"\r\n+CPIN: READY\r\n" + OK]
    _, course = call(lambda command: told.pop(0) if command == b"AT+CPIN?\r" else modem()(command))
    assert course.end == Connected()


@pytest.mark.parametrize(
    ("line", "registration"),
    [
        (b"+CREG: 0,1", Registration.HOME),
        (b"+CREG: 0,5", Registration.ROAMING),
        (b'+CREG: 2,1,"00C3","7A2F"', Registration.HOME),
        (b"+CREG:2, 5 ,00C3,7A2F", Registration.ROAMING),
        (b'+CREG: 1,"00C3","7A2F"', Registration.HOME),  # unsolicited, n = 2
        (b"+CREG: 5,00C3,7A2F", Registration.ROAMING),
        (b"+CREG: 1", Registration.HOME),
    ],
)
def test_registration_is_read_in_all_its_forms(line: bytes, registration: Registration) -> None:
    dialogue, course = call(modem(_CREGq=b"\r\n" + line + b"\r\n" + OK))
    assert course.end == Connected()
    assert dialogue.status.registration is registration


def test_a_modem_that_searches_is_waited_for() -> None:
    told = [b"0,2", b"0,0", b"0,4", b"0,6", b"0,1"]
    dialogue, course = call(lambda c: b"\r\n+CREG: " + told.pop(0) + b"\r\n" + OK if c == b"AT+CREG?\r" else modem()(c))
    assert course.end == Connected()
    assert course.now == 4 * SHORT.poll
    assert dialogue.status.registration is Registration.HOME


def test_a_denied_modem_does_not_dial() -> None:
    _, course = call(modem(_CREGq=b"\r\n+CREG: 0,3\r\n" + OK))
    assert course.failed == Failed(CallResult.NOT_REGISTERED, "is denied registration by the network")
    _, course = call(modem(_CREGq=b"\r\nERROR\r\n"))
    assert course.failed.result is CallResult.NOT_REGISTERED


def test_a_modem_without_a_signal_level_can_call() -> None:
    for told in (b"\r\nERROR\r\n", b"", OK):
        dialogue, course = call(modem(_CSQ=told))
        assert course.end == Connected()
        assert dialogue.status.signal is None


# -- the call ----------------------------------------------------------------------------------------------------------

OUTCOMES = [
    (b"\r\nNO CARRIER\r\n", CallResult.NO_CARRIER),
    (b"\r\nBUSY\r\n", CallResult.BUSY),
    (b"\r\nNO ANSWER\r\n", CallResult.NO_ANSWER),
    (b"\r\nNO DIALTONE\r\n", CallResult.NO_DIALTONE),
    (b"\r\nDELAYED\r\n", CallResult.DELAYED),
    (b"\r\nBLACKLISTED\r\n", CallResult.BLACKLISTED),
    (b"\r\nERROR\r\n", CallResult.REFUSED),
    (b"\r\n+CME ERROR: 30\r\n", CallResult.REFUSED),
    (b"3\r", CallResult.NO_CARRIER),
    (b"4\r", CallResult.REFUSED),
    (b"6\r", CallResult.NO_DIALTONE),
    (b"7\r", CallResult.BUSY),
    (b"8\r", CallResult.NO_ANSWER),
    (b"24\r", CallResult.DELAYED),
    (b"32\r", CallResult.BLACKLISTED),
    (b"\r\nDIALING\r\n\r\nRINGING\r\n\r\nBUSY\r\n", CallResult.BUSY),
]


@pytest.mark.parametrize(("told", "result"), OUTCOMES)
@pytest.mark.parametrize("cut", [whole, byte_by_byte])
def test_what_comes_of_dialling(told: bytes, result: CallResult, cut: Cut) -> None:
    dialogue, course = call(modem(ATD=told), TELEPHONE, cut=cut)
    assert course.failed.result is result
    assert "+42060****89" in course.failed.detail
    assert play(dialogue, dialogue.hang_up(course.now), modem(), course).end == HungUp(confirmed=True)
    assert course.sent[-1] == "ATH"
    assert "+++" not in course.sent


def test_every_result_has_a_back_off_and_every_failure_a_remedy() -> None:
    assert set(BACK_OFF) == set(CallResult)
    own = {CallResult.DONE, CallResult.LINE_FAILED, CallResult.CANCELLED}
    assert set(REMEDY) == set(CallResult) - own
    for row in BACK_OFF.values():
        waits = [row.after(failures) for failures in range(1, 6)]
        assert waits == sorted(waits, key=lambda wait: wait or 0)
    assert BACK_OFF[CallResult.BUSY].after(1) == 60
    assert BACK_OFF[CallResult.BUSY].after(99) == 600
    assert BACK_OFF[CallResult.SIM].after(1) is None
    assert BACK_OFF[CallResult.NO_DIALTONE].scope is Scope.MODEM
    assert BACK_OFF[CallResult.BUSY].scope is Scope.NUMBER


# -- RING --------------------------------------------------------------------------------------------------------------

RING = b"\r\nRING\r\n"


def test_an_idle_modem_refuses_a_call() -> None:
    dialogue = AtDialogue(SHORT, NUMBER, SimPin(), has_dtr=False)
    assert dialogue.feed(RING, 0) == (Rang(False), Send(b"ATH\r", "ATH"))
    assert dialogue.feed(OK, 0) == ()
    dialogue, _ = call(modem(), number=None)
    assert dialogue.feed(RING, 0) == (Rang(False), Send(b"ATH\r", "ATH"))


def test_a_call_during_the_set_up_is_refused_between_two_commands() -> None:
    dialogue, course = call(modem(E0=RING + OK))
    assert course.end == Connected()
    assert course.sent == [*SHOWN[:3], "ATH", *SHOWN[3:]]
    assert (course.rang, dialogue.status.rings) == ([False], 1)


def test_a_call_while_waiting_for_the_network_is_refused_at_once() -> None:
    told = [b"\r\n+CREG: 0,2\r\n" + OK + RING, b"\r\n+CREG: 0,1\r\n" + OK]
    _, course = call(lambda command: told.pop(0) if command == b"AT+CREG?\r" else modem()(command))
    assert course.end == Connected()
    assert course.sent == [*SHOWN[:5], "ATH", *SHOWN[4:]]
    assert course.now == 0.0


def test_a_call_while_dialling_is_reported_and_no_more() -> None:
    _, course = call(modem(ATD=RING + b"2\r" + b"\r\nCONNECT\r\n"))
    assert course.end == Connected()
    assert course.rang == [True, True]
    assert "ATH" not in course.sent


def test_a_modem_that_answers_by_itself_is_hung_up() -> None:
    dialogue, course = call(modem(E0=b"\r\nCONNECT 9600\r\n"))
    assert "ATS0=0" in course.failed.detail
    play(dialogue, dialogue.hang_up(0), modem(), course)
    assert course.sent[-2:] == ["+++", "ATH"]


# -- the carrier -------------------------------------------------------------------------------------------------------


def online(answer: Modem | None = None, *, has_dtr: bool = False) -> tuple[AtDialogue, Course]:
    dialogue, course = call(answer or modem(), has_dtr=has_dtr)
    assert course.end == Connected()
    course.sent.clear()
    return dialogue, course


@pytest.mark.parametrize("cut", [whole, byte_by_byte])
@pytest.mark.parametrize("tail", [b"\r\nNO CARRIER\r\n", b"\nNO CARRIER\r", b"\r\r\nNO CARRIER\r\r\n"])
@pytest.mark.parametrize("before", [b"", b"\x02F.F(00)\r\n1.8.0(0001", IDENTIFICATION])
def test_no_carrier_and_silence_is_the_modems_word(before: bytes, tail: bytes, cut: Cut) -> None:
    dialogue, course = online()
    for piece in cut(before + tail):
        course.do(dialogue.feed(piece, 5.0))
    assert course.received == before + tail, "every byte is handed on"
    assert course.timer == 5.0 + SHORT.carrier_guard
    assert dialogue.expired(6.0) == (SetTimer(None), Lost())
    play(dialogue, dialogue.hang_up(6.0), modem(), course)
    assert course.sent == ["ATH"]


@pytest.mark.parametrize(
    "data",
    [
        b"\r\nNO CARRIER\r\n1.8.0(0001)\r\n",
        b"text NO CARRIER\r\n",
        b"\r\nNO CARRIER",
        b"\r\nNO CARRIER \r\n",
        b"\r\nNO CARRIERS\r\n",
        bytes(c | 0x80 if c.bit_count() % 2 else c for c in b"\r\nNO CARRIER\r\n"),
        b"\r\n3\r",
        b"",
    ],
)
@pytest.mark.parametrize("cut", [whole, byte_by_byte])
def test_the_meter_may_send_what_it_likes(data: bytes, cut: Cut) -> None:
    dialogue, course = online()
    for piece in cut(data):
        course.do(dialogue.feed(piece, 5.0))
    assert course.received == data
    assert course.timer is None
    assert dialogue.expired(9.0) == ()
    assert dialogue.state is State.ONLINE


def test_no_carrier_may_be_the_first_thing_of_a_call() -> None:
    dialogue, course = online()
    course.do(dialogue.feed(b"NO CARRIER\r\n", 5.0))
    assert dialogue.expired(6.0) == (SetTimer(None), Lost())


def test_no_carrier_in_numbers() -> None:
    dialogue, course = online(numbers)
    course.received = b""
    for data, suspect in ((b"(3\r", False), (b"\r\n3\r\n", False), (b"\r\n3\r", True), (b"4", False)):
        course.do(dialogue.feed(data, 5.0))
        assert (course.timer is not None) is suspect, data
    course.do(dialogue.feed(b"\r3\r", 5.0))
    assert dialogue.expired(6.0) == (SetTimer(None), Lost())


def test_the_control_line_tells_of_the_carrier() -> None:
    dialogue, _ = online()
    assert dialogue.carrier_gone(1.0) == (SetTimer(None), Lost())
    assert dialogue.feed(b"\r\nNO CARRIER\r\n", 1.0) == ()


# -- hanging up --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [modem(), echoing(modem()), numbers, echoing(numbers)])
@pytest.mark.parametrize("cut", [whole, byte_by_byte])
def test_a_call_is_ended_between_guard_times(answer: Modem, cut: Cut) -> None:
    dialogue, course = online(answer)
    course.now = begun = 100.0
    course.times.clear()
    play(dialogue, dialogue.hang_up(begun), answer, course, cut)
    assert course.end == HungUp(confirmed=True)
    assert course.sent == ["+++", "ATH"]
    assert course.times == [begun + SHORT.guard] * 2, "the answer to +++ was understood"
    assert course.dtr == []


def test_what_the_meter_still_sends_is_not_taken_for_an_answer() -> None:
    dialogue, course = online()
    course.do(dialogue.hang_up(0))
    course.do(dialogue.expired(2))
    assert dialogue.feed(b"1.8.0(\r\n0\r\n3\r\n4\r\n", 2) == ()
    assert dialogue.state is State.ESCAPE
    assert Send(b"ATH\r", "ATH") in dialogue.feed(OK, 2)


def test_a_modem_that_does_not_answer_is_left_after_some_seconds() -> None:
    for has_dtr in (False, True):
        dialogue, course = online(has_dtr=has_dtr)
        play(dialogue, dialogue.hang_up(0), lambda _: b"", course)
        assert course.end == HungUp(confirmed=False)
        assert course.sent == ["+++", "ATH", "ATH"]
        assert course.now < SHORT.hang_up
        assert course.dtr == ([False, True] if has_dtr else [])


def test_the_line_of_a_modem_that_was_in_command_state_is_cleared_first() -> None:
    dialogue, course = online()
    heard: list[bytes] = []

    def lazy(command: bytes) -> bytes:
        heard.append(command)
        return OK if b"ATH" in command else b""

    play(dialogue, dialogue.hang_up(0), lazy, course)
    assert heard == [b"+++", b"\rATH\r"]
    assert course.end == HungUp(confirmed=True)


@pytest.mark.parametrize("told", [b"\r\nNO CARRIER\r\n", OK])
def test_dtr_ends_a_call_at_once(told: bytes) -> None:
    dialogue, course = online(has_dtr=True)
    course.do(dialogue.hang_up(7.0))
    assert (course.dtr, course.timer) == ([False], 7.0 + SHORT.guard)
    play(dialogue, dialogue.feed(told, 7.1), modem(), course)
    assert course.end == HungUp(confirmed=True)
    assert course.dtr == [False, True]
    assert course.sent == ["ATH"]


def test_dialling_is_aborted() -> None:
    dialogue, course = call(modem(ATD=b""))
    assert course.failed.result is CallResult.TIMEOUT
    course.sent.clear()
    play(dialogue, dialogue.hang_up(90), modem(), course)
    assert course.end == HungUp(confirmed=True)
    assert course.sent == ["(abort)", "ATH"]


@pytest.mark.parametrize("has_dtr", [False, True])
def test_a_call_that_connects_while_it_is_aborted_is_ended_all_the_same(has_dtr: bool) -> None:
    dialogue, course = call(modem(ATD=b""), has_dtr=has_dtr)
    course.sent.clear()
    course.do(dialogue.hang_up(90))
    play(dialogue, dialogue.feed(b"\r\nCONNECT\r\n", 90), lambda c: OK if c in (b"+++", b"ATH\r") else b"", course)
    assert course.end == HungUp(confirmed=True)
    assert course.sent[-2:] == ["+++", "ATH"]


# -- every event in every state ----------------------------------------------------------------------------------------

TERMINAL = {State.IDLE, State.READY, State.FAILED, State.LOST, State.OVER, State.ONLINE}


def in_state(state: State) -> AtDialogue:
    """A dialogue that was brought there by what a modem may say."""
    quiet = {
        State.WAKE: modem(AT=b""),
        State.STEP: modem(ATZ=b""),
        State.SIM: modem(_CPINq=b""),
        State.PIN: modem(_CPINq=b"\r\n+CPIN: SIM PIN\r\n" + OK, _CPIN=b""),
        State.SIM_WAIT: modem(_CPINq=b"\r\n+CME ERROR: 14\r\n"),
        State.REGISTRATION: modem(_CREGq=b""),
        State.REGISTRATION_WAIT: modem(_CREGq=b"\r\n+CREG: 0,2\r\n" + OK),
        State.SIGNAL: modem(_CSQ=b""),
        State.REFUSE: modem(E0=RING + OK, ATH=b""),
        State.DIAL: modem(ATD=b""),
        State.FAILED: modem(ATD=b"\r\nBUSY\r\n"),
    }
    has_dtr = state is State.DROP
    dialogue = AtDialogue(SHORT, None if state is State.READY else NUMBER, SimPin(PIN), has_dtr=has_dtr)
    if state is State.IDLE:
        return dialogue
    answer = quiet.get(state, modem() if state is not State.ABORT else quiet[State.DIAL])
    waiting = [action.data for action in dialogue.start(0, SETUP) if isinstance(action, Send)]
    while waiting:
        waiting += [a.data for a in dialogue.feed(answer(waiting.pop(0)), 0) if isinstance(a, Send)]
    if state in (State.DROP, State.QUIET, State.ABORT, State.ESCAPE, State.HOOK, State.OVER):
        dialogue.hang_up(0)
    if state in (State.ESCAPE, State.HOOK, State.OVER):
        dialogue.expired(2)
    if state in (State.HOOK, State.OVER):
        dialogue.feed(OK, 2)
    if state is State.OVER:
        dialogue.feed(OK, 2)
    if state is State.LOST:
        dialogue.carrier_gone(0)
    return dialogue


def happen(dialogue: AtDialogue, event: Event, now: float) -> Actions:
    match event:
        case Event.TIMER:
            return dialogue.expired(now)
        case Event.HANG_UP:
            return dialogue.hang_up(now)
        case Event.CARRIER_GONE:
            return dialogue.carrier_gone(now)
        case Event.FLOOD:
            return dialogue.feed(b"x" * (LINE_LIMIT + 1), now)
        case Event.INFORMATION:
            return dialogue.feed(b"\r\n+CREG: 5\r\n+CSQ: 31,0\r\n+CPIN: SIM PUK\r\n", now)
        case Event.OTHER:
            return dialogue.feed(b"\r\n^BOOT: 1\r\n", now)
        case _:
            return dialogue.feed(f"\r\n{event.value}\r\n".encode(), now)


def test_the_table_is_whole() -> None:
    assert set(TABLE) == set(State)
    for state in State:
        assert set(TABLE[state]) == set(Event), state


@pytest.mark.parametrize("state", State)
def test_every_event_in_every_state_leads_somewhere(state: State) -> None:
    for event in Event:
        dialogue = in_state(state)
        assert dialogue.state is state
        course = Course(timer=1.0)
        course.do(happen(dialogue, event, 3.0))
        if dialogue.state not in TERMINAL:
            assert course.timer is not None, f"{state} {event}: {dialogue.state} waits for ever"
        if dialogue.state is State.FAILED and state is not State.FAILED:
            assert isinstance(course.end, Failed)
        # And from there it can always be ended, by a modem that speaks and by one that is dead.
        for answer in (modem(), lambda _: b""):
            ended = in_state(state)
            happen(ended, event, 3.0)
            end = play(ended, ended.hang_up(4.0), answer, Course(now=4.0, timer=4.0))
            assert isinstance(end.end, HungUp)
            assert end.now - 4.0 < SHORT.hang_up, (state, event)


@pytest.mark.parametrize("state", [State.DIAL, State.ONLINE, State.LOST, State.DROP, State.ABORT, State.QUIET])
def test_a_call_is_never_left_without_ath(state: State) -> None:
    dialogue = in_state(state)
    course = play(dialogue, dialogue.hang_up(4.0), modem(), Course(now=4.0, timer=4.0))
    assert "ATH" in course.sent


SETTING_UP = [s for s in State if State.WAKE.value <= s.value < State.REFUSE.value]


@pytest.mark.parametrize("state", SETTING_UP)
def test_results_of_an_earlier_call_change_nothing_in_the_set_up(state: State) -> None:
    dialogue = in_state(state)
    for event in (Event.NO_CARRIER, Event.BUSY, Event.NO_ANSWER, Event.DELAYED, Event.OTHER):
        assert happen(dialogue, event, 1.0) == ()
        assert dialogue.state is state


# -- arbitrary bytes ---------------------------------------------------------------------------------------------------

WORDS = b"""OK|\r\n|\r|\n|0\r|1\r|3\r|CONNECT| 9600/RLP|NO CARRIER|BUSY|ERROR|+CPIN: SIM PIN|+CPIN: READY|+CREG: 0,1
|+CSQ: 3|+CME ERROR: 14|RING|AT|+++|\xff|AT+CPIN="4711"|ATD+420601234589|+420601234589|4711""".split(b"|")
fragments = st.sampled_from([*WORDS, b"x" * 600])
arbitrary = st.one_of(st.binary(max_size=40), st.lists(fragments, max_size=8).map(b"".join))
steps = st.lists(st.one_of(arbitrary, st.sampled_from([Event.TIMER, Event.HANG_UP, Event.CARRIER_GONE])), max_size=25)


def run(script: list[bytes | Event], cut: Cut, network: Network, has_dtr: bool) -> tuple[list[Action], str]:
    options = ModemOptions(network=network, steps=SHORT.steps)
    sim = SimPin(PIN)
    dialogue = AtDialogue(options, NUMBER, sim, has_dtr=has_dtr)
    done = list(dialogue.start(0.0, SETUP))
    for second, thing in enumerate(script):
        if isinstance(thing, Event):
            done += happen(dialogue, thing, float(second))
        else:
            for piece in cut(thing):
                done += dialogue.feed(piece, float(second))
    return done, f"{dialogue.state} {dialogue.status} {sim}"


def merged(actions: list[Action]) -> list[Action]:
    """Received bytes in one piece, timers of a call in their last form."""
    result: list[Action] = []
    for action in actions:
        before = result[-1] if result else None
        if isinstance(action, Received) and isinstance(before, Received):
            result[-1] = Received(before.data + action.data)
        elif not isinstance(action, SetTimer):
            result.append(action)
    return result


@given(steps, st.sampled_from(Network), st.booleans())
def test_any_bytes_give_actions_only_and_cutting_them_changes_nothing(
    script: list[bytes | Event], network: Network, has_dtr: bool
) -> None:
    done, state = run(script, whole, network, has_dtr)
    pieces, same = run(script, byte_by_byte, network, has_dtr)
    assert merged(done) == merged(pieces)
    assert state == same
    shown = repr([action for action in done if not isinstance(action, Received)]) + state
    assert NUMBER.digits.lstrip("+") not in shown
    assert PIN not in shown
    assert sum(isinstance(a, Send) and a.data.startswith(b"AT+CPIN=") for a in done) <= 1


@given(st.lists(fragments, max_size=8).map(b"".join), st.sampled_from(State))
def test_any_bytes_in_any_state(data: bytes, state: State) -> None:
    one, other = in_state(state), in_state(state)
    together = merged(list(one.feed(data, 3.0)))
    apart = merged([action for piece in byte_by_byte(data) for action in other.feed(piece, 3.0)])
    assert together == apart
    assert (one.state, one.status) == (other.state, other.status)


def test_noise_without_a_line_end_is_an_error_and_the_buffer_is_bounded() -> None:
    _, course = call(modem(ATZ=b"\xff" * (LINE_LIMIT + 1)), cut=byte_by_byte)
    assert course.failed == Failed(CallResult.MODEM, "sends noise")
    _, course = call(modem(ATZ=b"\xff" * LINE_LIMIT + OK))
    assert course.end == Connected()
    for cut in (whole, byte_by_byte):
        awake = AtDialogue(SHORT, NUMBER, SimPin(), has_dtr=False)
        awake.start(0, SETUP)
        for piece in cut(b"\xff" * (LINE_LIMIT + 9) + OK):
            awake.feed(piece, 0)
        assert awake.state is State.STEP, "noise before the modem is awake is passed over, what follows is not"


# -- values ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("digits", "masked"),
    [
        ("+420601234589", "+42060****89"),
        ("601234589", "601****89"),
        ("0,549123456", "0,549****56"),
        ("1234567", "1****67"),
        ("123456", "****56"),
        ("112", "****"),
    ],
)
def test_a_number_is_never_shown_whole(digits: str, masked: str) -> None:
    number = PhoneNumber(digits)
    assert number.masked == str(number) == f"{number}" == masked
    assert repr(number) == f"PhoneNumber({masked})"


@pytest.mark.parametrize(
    "digits", ["", "+", "601;", "601\r", "601\n", "6 01", ",601", "601,", "6+01", "T601", "6" * 41, "６０１"]
)
def test_what_is_no_number_is_refused_without_showing_it(digits: str) -> None:
    with pytest.raises(ValueError, match="telephone number") as fault:
        PhoneNumber(digits)
    assert len(digits) < 3 or digits not in str(fault.value)


def test_a_pin_is_given_away_once_and_shown_never() -> None:
    sim = SimPin(PIN)
    assert repr(sim) == "SimPin(not sent)"
    assert (sim.spend(), sim.spend()) == (PIN, None)
    sim.judged(accepted=False)
    assert (sim.spend(), sim.use) == (None, PinUse.REFUSED)
    assert SimPin().spend() is None
    for wrong in ("", "123", "123456789", "12a4", "１２３４"):
        with pytest.raises(ValueError, match="4 to 8 digits"):
            SimPin(wrong)


@pytest.mark.parametrize("command", ["", "Z", "ATD123", "atd 1", "ATA", "AT+CPIN=1", "AT+CLCK", "ATZ\rATD1", "ATŽ"])
def test_an_init_step_cannot_do_what_gatewayd_does_itself(command: str) -> None:
    with pytest.raises(ValueError, match="init step"):
        Step(command)


def test_options_are_checked() -> None:
    for bearer in ("x", "7,0,1\r", "7;"):
        with pytest.raises(ValueError, match="bearer"):
            ModemOptions(bearer=bearer)
    with pytest.raises(ValueError, match="guard is a time"):
        ModemOptions(guard=0)
    assert ModemOptions().steps == DEFAULT_STEPS
    assert not any(step.required for step in DEFAULT_STEPS[1:])
