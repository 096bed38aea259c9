"""Bad YAML in, the whole text of the findings out: place, key, what was found, what was expected."""

import pytest

from gatewayd.config.wording import shown
from tests.gatewayd.config.doubles import HEAD, faults

METER = "  - {id: m, driver: telegram, line: l"
KNOWN = (
    "known keys: driver, id, jobs, line, metering_type, peer, phone, point, points, policy, ratio, serial and 2 more"
)
SINCE = "a date such as 2024-05-01, or one with a time of day such as 2026-03-03 10:15"
ID = "an id of 1 to 64 characters A-Z, a-z, 0-9, '.', '_' and '-'"
PERIOD = "a period such as 15m, 60s, 1h or 1d"
CLOCK = "a time of day such as 00:05 or 00:05:30"
REGISTERS = "a list of OBIS codes such as [1-0:1.8.0, 1-0:2.8.0], or all"
TOTALS = "a list of OBIS codes of totals such as [1-0:1.8.0, 1-0:2.8.0]"
TOTAL = "is not a total of electric energy; expected one such as 1-0:1.8.0 or 1-0:2.8.1"
ALIGNED = "expected every: 1m, 5m, 10m, 15m, 30m or 60m"
SPAN = "a number greater than 0 and of at most 1000000000000000000"
RATES = "one of 300, 600, 1200, 2400, 4800, 9600, 14400, 19200, 28800, 38400, 57600, 115200, 230400"
RATIO = "is not a ratio; expected primary/secondary such as 200/5"
OBIS = "is not an OBIS code; expected one such as 1-0:1.8.0, 1.8.0 or C.1.0"
WINDOW = "a window of legal time such as 00:10-05:30"
ONE_WAY = "stands beside device; expected one way to the modem: device, or host and port"
NO_TIME = "leaves no time to hang up: with"
MODEM_KEYS = (
    "known keys: baud, bearer, bearer_required, call_window, device, dialling, framing, guard_ms, hang_up_s, host, "
    "init, max_call_s and 7 more"
)
HOST = "a host name or address without scheme and port, such as 192.0.2.10"

# What stands from line 5 on -> the findings, without `f.yaml:`.
METERS: list[tuple[str, list[str]]] = [
    ("meteringtype: A", [f"6: meters[0].meteringtype: unknown key; did you mean 'metering_type'? {KNOWN}"]),
    ("zzz: 1", [f"6: meters[0].zzz: unknown key; {KNOWN}"]),
    ("metering_type: D", ["6: meters[0].metering_type: 'D' is not one of A, B, C, AMM"]),
    ("metering_type: amm", ["6: meters[0].metering_type: 'amm' is not one of A, B, C, AMM"]),
    ("metering_type: [A]", ["6: meters[0].metering_type: a list is not one of A, B, C, AMM"]),
    ("metering_type: ", ["6: meters[0].metering_type: is empty; expected one of A, B, C, AMM, or leave the key out"]),
    ("voltage: 400", ["6: meters[0].voltage: '400' is not one of low, medium, high"]),
    ("policy: A", ["6: meters[0].policy: 'A' is not a mapping of keys and values"]),
    ("points: {}", ["6: meters[0].points: a mapping is not a list"]),
    ("serial: {a: 1}", ["6: meters[0].serial: a mapping is not text of at most 64 characters"]),
    (
        "serial: 0123456789012345678901234567890123456789012345678901234567890123456789",
        [
            "6: meters[0].serial: '012345678901234567890123456789012345678901234567890123456789...' "
            "is not text of at most 64 characters"
        ],
    ),
    ("point: 27ZG600Z0424987D", ["6: meters[0].point: '27ZG600Z0424987D' is not a mapping of keys and values"]),
    ("point: {}", ["6: meters[0].point: names no metering point; expected eic, ean or both"]),
    (
        "point: {eic: 27ZG600Z0424987}",
        ["6: meters[0].point.eic: '27ZG600Z0424987' is not an EIC: 16 characters 0-9, A-Z (capitals) and '-'"],
    ),
    (
        "point: {eic: 27zg600Z0424987D}",
        ["6: meters[0].point.eic: '27zg600Z0424987D' is not an EIC: 16 characters 0-9, A-Z (capitals) and '-'"],
    ),
    (
        "point: {ean: 85918240012345678}",
        ["6: meters[0].point.ean: '85918240012345678' is not an electricity EAN: 18 digits that begin with 859182400"],
    ),
    (
        "point: {ean: 859182500123456789}",
        ["6: meters[0].point.ean: '859182500123456789' is not an electricity EAN: 18 digits that begin with 859182400"],
    ),
    ("ratio: {ct: 200/5}", ["6: meters[0].ratio: a mapping is not a list"]),
    ("ratio: [{ct: 200}]", [f"6: meters[0].ratio[0].ct: '200' {RATIO}"]),
    ("ratio: [{vt: 0/100}]", [f"6: meters[0].ratio[0].vt: '0/100' {RATIO}"]),
    ("ratio: [{multiplier: 0}]", ["6: meters[0].ratio[0].multiplier: '0' is not a number greater than 0"]),
    ('ratio: [{multiplier: "1,5"}]', ["6: meters[0].ratio[0].multiplier: '1,5' is not a number greater than 0"]),
    ("ratio: [{multiplier: nan}]", ["6: meters[0].ratio[0].multiplier: 'nan' is not a number greater than 0"]),
    ("ratio: [{value_side: both}]", ["6: meters[0].ratio[0].value_side: 'both' is not one of primary, secondary"]),
    (
        "ratio: [{value_side: secondry}]",
        ["6: meters[0].ratio[0].value_side: 'secondry' is not one of primary, secondary; did you mean 'secondary'?"],
    ),
    ("ratio: [{since: 1.5.2024}]", [f"6: meters[0].ratio[0].since: '1.5.2024' is not {SINCE}"]),
    ("ratio: [{since: 2024-02-30}]", [f"6: meters[0].ratio[0].since: '2024-02-30' is not {SINCE}"]),
    (
        "ratio: [{since: 2024-05-01}, {since: 2024-05-01}]",
        [
            "6: meters[0].ratio[1].since: 2024-05-01 is also the day of the version above (2024-05-01); "
            "each version begins later than that above"
        ],
    ),
    (
        "ratio: [{since: 2024-05-01}, {since: 2023-05-01}]",
        [
            "6: meters[0].ratio[1].since: 2023-05-01 is before the day of the version above (2024-05-01); "
            "each version begins later than that above"
        ],
    ),
    (
        "ratio: [{ct: 200/5}, {ct: 300/5}]",
        [
            "6: meters[0].ratio[1].since: is required: the day from which this version holds, "
            "later than that of the version above"
        ],
    ),
    ("telegram: {mode: E}", ["6: meters[0].telegram.mode: 'E' is not one of A, B, C"]),
    ("telegram: text", ["6: meters[0].telegram: 'text' is not a mapping of keys and values"]),
    (
        "field: {unit: 1}",
        ["6: meters[0].field: these are options of the driver field, but the driver of this meter is telegram"],
    ),
    (
        "telegram: {password_env: A, password_file: B}",
        ["6: meters[0].telegram: give only one of password_file, password_env"],
    ),
    ("jobs: all", ["6: meters[0].jobs: 'all' is not a list"]),
    ("jobs: ", ["6: meters[0].jobs: is empty; expected a list, or leave the key out"]),
    ("jobs: [all]", ["6: meters[0].jobs[0]: 'all' is not a mapping of keys and values"]),
    ("jobs: [{intervals: 1.8.0, every: 1h}]", [f"6: meters[0].jobs[0].intervals: '1.8.0' is not {TOTALS}"]),
    (
        "jobs: [{intervals: [], every: 1h}]",
        ["6: meters[0].jobs[0].intervals: is an empty list; expected OBIS codes of totals such as 1-0:1.8.0"],
    ),
    ("jobs: [{intervals: [1.8.0, foo], every: 1h}]", [f"6: meters[0].jobs[0].intervals[1]: 'foo' {OBIS}"]),
    ("jobs: [{intervals: [1.7.0], every: 1h}]", [f"6: meters[0].jobs[0].intervals[0]: '1.7.0' {TOTAL}"]),
    ("jobs: [{intervals: [7-0:3.8.0], every: 1h}]", [f"6: meters[0].jobs[0].intervals[0]: '7-0:3.8.0' {TOTAL}"]),
    ("jobs: [{intervals: [1.8.0*5], every: 1h}]", [f"6: meters[0].jobs[0].intervals[0]: '1.8.0*5' {TOTAL}"]),
    ("jobs: [{intervals: [1.8.0]}]", [f"6: meters[0].jobs[0]: has no every; {ALIGNED}"]),
    (
        "jobs: [{intervals: [1.8.0], every: 7m}]",
        [f"6: meters[0].jobs[0]: has another period than intervals have; {ALIGNED}"],
    ),
    (
        "jobs: [{intervals: [1.8.0], every: 1d}]",
        [f"6: meters[0].jobs[0]: has another period than intervals have; {ALIGNED}"],
    ),
    (
        "jobs: [{intervals: [1.8.0], registers: all, at: 00:05}]",
        [
            "6: meters[0].jobs[0]: has registers, at beside intervals; "
            "their registers are read at each boundary of every"
        ],
    ),
    (
        "jobs: [{intervals: [1.8.0, 1-0:1.8.0], every: 15m}]",
        ["6: meters[0].jobs[0]: has a register of intervals twice; name each once"],
    ),
    (
        "jobs: [{intervals: [1.8.0], every: 15m}, {intervals: [2.8.0, 1-0:1.8.0*255], every: 1h}]",
        [
            "6: meters[0].jobs[1].intervals[1]: jobs[0] makes intervals of this register already; "
            "take it out of one of them"
        ],
    ),
    (
        "jobs: [{registers: all, every: 1h, rollover: 1000}]",
        ["6: meters[0].jobs[0]: has rollover without intervals; it belongs to {intervals: [1-0:1.8.0], every: 15m}"],
    ),
    ("jobs: [{intervals: [1.8.0], every: 15m, rollover: 0}]", [f"6: meters[0].jobs[0].rollover: '0' is not {SPAN}"]),
    (
        "jobs: [{intervals: [1.8.0], every: 15m, rollover: 999.9}]",
        [
            "6: meters[0].jobs[0].rollover: '999.9' is not a whole number; "
            "expected the range of the register such as 1000000"
        ],
    ),
    (
        "jobs: [{listen: true, intervals: [1.8.0], every: 15m}]",
        ["6: meters[0].jobs[0]: has intervals, every beside listen; a job that listens has no times and takes all"],
    ),
    ("jobs: [{every: 1h}]", ["6: meters[0].jobs[0].registers: is required: OBIS codes to read, or all"]),
    (
        "jobs: [{}]",
        [
            "6: meters[0].jobs[0]: has neither every nor at; expected one of them, such as every: 15m or at: 00:05",
            "6: meters[0].jobs[0].registers: is required: OBIS codes to read, or all",
        ],
    ),
    ("jobs: [{listen: yes}]", ["6: meters[0].jobs[0].listen: 'yes' is not true"]),
    ("jobs: [{listen: false}]", ["6: meters[0].jobs[0].listen: 'false' is not true"]),
    (
        "jobs: [{listen: true, every: 1h, registers: all}]",
        [
            "6: meters[0].jobs[0]: has registers, every beside listen; a job that listens has no times and takes all",
        ],
    ),
    (
        "jobs: [{registers: all, every: 1h, silence: 1h}]",
        ["6: meters[0].jobs[0]: has silence without listen; it belongs to {listen: true, silence: 25h}"],
    ),
    ("jobs: [{listen: true, silence: 0s}]", ["6: meters[0].jobs[0].silence: '0s' is not a period from 1s to 31d"]),
    (
        "jobs: [{listen: true}, {registers: all, every: 1h}]",
        [
            "6: meters[0].jobs[0].listen: whoever listens on line 'l' does so all the time; leave the other jobs of "
            "this meter out: what it sends is archived as it comes"
        ],
    ),
    (
        "peer: 192.0.2.20",
        [
            "6: meters[0].peer: meters do not call us on line 'l'; leave the peer out, or take a line of type "
            "tcp_listen or udp_listen"
        ],
    ),
    ("jobs: [{registers: 1.8.0, every: 1h}]", [f"6: meters[0].jobs[0].registers: '1.8.0' is not {REGISTERS}"]),
    (
        "jobs: [{registers: [], every: 1h}]",
        ["6: meters[0].jobs[0].registers: is an empty list; write 'all' for everything that the meter offers"],
    ),
    ("jobs: [{registers: [1.8.0, foo], every: 1h}]", [f"6: meters[0].jobs[0].registers[1]: 'foo' {OBIS}"]),
    ("jobs: [{registers: [1-0:1.8.256], every: 1h}]", [f"6: meters[0].jobs[0].registers[0]: '1-0:1.8.256' {OBIS}"]),
    ("jobs: [{registers: all, every: 15min}]", [f"6: meters[0].jobs[0].every: '15min' is not {PERIOD}"]),
    ("jobs: [{registers: all, every: 15}]", [f"6: meters[0].jobs[0].every: '15' is not {PERIOD}"]),
    ("jobs: [{registers: all, every: 0s}]", ["6: meters[0].jobs[0].every: '0s' is not a period from 1s to 31d"]),
    ("jobs: [{registers: all, every: 32d}]", ["6: meters[0].jobs[0].every: '32d' is not a period from 1s to 31d"]),
    (
        "jobs: [{registers: all, every: 999999999d}]",
        ["6: meters[0].jobs[0].every: '999999999d' is not a period from 1s to 31d"],
    ),
    ("jobs: [{registers: all, at: 24:00}]", [f"6: meters[0].jobs[0].at: '24:00' is not {CLOCK}"]),
    ("jobs: [{registers: all, at: 0:05}]", [f"6: meters[0].jobs[0].at: '0:05' is not {CLOCK}"]),
    (
        "jobs: [{registers: all}]",
        ["6: meters[0].jobs[0]: has neither every nor at; expected one of them, such as every: 15m or at: 00:05"],
    ),
    (
        "jobs: [{registers: all, every: 1h, at: 00:05}]",
        ["6: meters[0].jobs[0]: has both every and at; expected one of them, such as every: 15m or at: 00:05"],
    ),
]


@pytest.mark.parametrize(("text", "expected"), METERS, ids=[text for text, _ in METERS])
def test_a_meter(text: str, expected: list[str]) -> None:
    assert faults(f"{HEAD}meters:\n{METER}, {text}}}\n") == [f"f.yaml:{line}" for line in expected]


FIELD: list[tuple[str, list[str]]] = [
    (
        "{}",
        [
            "6: meters[0].field.map: is required: register map",
            "6: meters[0].field.unit: is required: unit address, such as 1",
        ],
    ),
    (
        "",
        [
            "6: meters[0].field.map: is required: register map",
            "6: meters[0].field.unit: is required: unit address, such as 1",
        ],
    ),
    ("{unit: 0, map: m}", ["6: meters[0].field.unit: '0' is not a whole number from 1 to 247"]),
    ("{unit: abc, map: m}", ["6: meters[0].field.unit: 'abc' is not a whole number from 1 to 247"]),
    ("{unit: 1.0, map: m}", ["6: meters[0].field.unit: '1.0' is not a whole number from 1 to 247"]),
    ("{unit: 1_0, map: m}", ["6: meters[0].field.unit: '1_0' is not a whole number from 1 to 247"]),
    ("{unit: , map: m}", ["6: meters[0].field.unit: is empty; expected a whole number from 1 to 247"]),
    ('{unit: "", map: m}', ["6: meters[0].field.unit: is an empty text; expected a whole number from 1 to 247"]),
    ('{unit: 1, map: ""}', ["6: meters[0].field.map: is an empty text; expected text of at least 1 character"]),
    ("{unit: 1, map: m, swap: yes}", ["6: meters[0].field.swap: 'yes' is not true or false"]),
    ("{unit: 1, map: m, swap: 1}", ["6: meters[0].field.swap: '1' is not true or false"]),
    ("{unit: 1, map: m, pause: PT1S}", [f"6: meters[0].field.pause: 'PT1S' is not {PERIOD}"]),
    ("{unit: 1, map: m, units: [1]}", ["6: meters[0].field: unit 1 stands in units too"]),
    ("{unit: 1, map: m, units: [2, x]}", ["6: meters[0].field.units[1]: 'x' is not a whole number"]),
    ("{unit: 1, map: m, units: [2, 3, 4]}", ["6: meters[0].field.units: has 3 entries, expected at most 2"]),
    ("{unit: 1, map: m, blocks: {a: x}}", ["6: meters[0].field.blocks.a: 'x' is not a whole number"]),
    ("{unit: 1, map: m, transport: {}}", ["6: meters[0].field.transport.type: is required: one of rtu, tcp"]),
    (
        "{unit: 1, map: m, transport: {type: rtuu}}",
        ["6: meters[0].field.transport.type: unknown type 'rtuu'; did you mean 'rtu'? known ones: rtu, tcp"],
    ),
    (
        "{unit: 1, map: m, transport: {type: tcp, port: 0}}",
        ["6: meters[0].field.transport.port: '0' is not a whole number from 1 to 65535"],
    ),
    (
        "{unit: 1, map: m, transport: {type: rtu, stop_bits: 3}}",
        ["6: meters[0].field.transport.stop_bits: '3' is not one of 1, 2"],
    ),
    (
        "{unit: 1, map: m, transport: {type: rtu, port: 3}}",
        ["6: meters[0].field.transport.port: unknown key; known keys: stop_bits, type"],
    ),
]


@pytest.mark.parametrize(("text", "expected"), FIELD, ids=[text for text, _ in FIELD])
def test_options_of_a_driver(text: str, expected: list[str]) -> None:
    found = faults(f"{HEAD}meters:\n  - {{id: m, driver: field, line: l, field: {text}}}\n")
    assert found == [f"f.yaml:{line}" for line in expected]


LINES: list[tuple[str, list[str]]] = [
    ("{type: tcp_listen}", ["3: lines.x.port: is required: the TCP port, such as 4059"]),
    (
        "{type: udp_listen, port: 1, idle_s: 1}",
        ["3: lines.x.idle_s: unknown key; known keys: bind, connect_timeout_s, port, type"],
    ),
    (
        "{type: tcp_listen, port: 1, bind: meters.example}",
        [
            "3: lines.x.bind: 'meters.example' is not an address of this machine such as 192.0.2.5, or 0.0.0.0 for "
            "all of them"
        ],
    ),
    ("{type: tcp_listen, port: 1, idle_s: 0}", ["3: lines.x.idle_s: '0' is not a whole number from 1 to 604800"]),
    (
        "{device: /dev/ttyS0}",
        ["3: lines.x.type: is required: one of modem, rfc2217, serial, tcp, tcp_listen, udp_listen"],
    ),
    (
        "{type: usb}",
        [
            "3: lines.x.type: unknown line type 'usb'; this version knows the line types serial, tcp, rfc2217, modem, "
            "tcp_listen and udp_listen"
        ],
    ),
    ("{type: modem}", ["3: lines.x: has no way to the modem; expected device, or host and port"]),
    ("{type: modem, host: h}", ["3: lines.x.port: is required: the TCP port, such as 7002"]),
    ("{type: modem, port: 1}", ["3: lines.x.host: is required: name or address of the serial server"]),
    (
        "{type: modem, device: d, host: h, via: tcp}",
        [f"3: lines.x.host: {ONE_WAY}", f"3: lines.x.via: {ONE_WAY}"],
    ),
    ("{type: modem, device: d, via: ssh}", [f"3: lines.x.via: {ONE_WAY}"]),
    ("{type: modem, host: h, port: 1, via: ssh}", ["3: lines.x.via: 'ssh' is not one of tcp, rfc2217"]),
    ("{type: modem, device: d, network: gsm}", ["3: lines.x.network: 'gsm' is not one of cellular, pstn"]),
    ("{type: modem, device: d, dialling: dtmf}", ["3: lines.x.dialling: 'dtmf' is not one of default, tone, pulse"]),
    (
        "{type: modem, device: d, bearer: V32}",
        ["3: lines.x.bearer: a bearer is SPEED[,NAME[,CE]] of AT+CBST, for instance 7,0,1"],
    ),
    (
        "{type: modem, device: d, pin: 4711}",
        ["3: lines.x.pin: unknown key; a secret never stands in this file; " + MODEM_KEYS],
    ),
    ("{type: modem, device: d, init: ATX3}", ["3: lines.x.init: 'ATX3' is not a list"]),
    (
        "{type: modem, device: d, init: [X3]}",
        ["3: lines.x.init[0]: an init step is one line of printable ASCII that begins with AT"],
    ),
    (
        "{type: modem, device: d, init: [{command: ATD1, required: true}]}",
        [
            "3: lines.x.init[0].command: an init step does not dial, answer, or touch the PIN; "
            "gatewayd does that itself, once"
        ],
    ),
    (
        "{type: modem, device: d, init: [{required: true}]}",
        ["3: lines.x.init[0].command: is required: text"],
    ),
    (
        "{type: modem, device: d, init: [{command: AT, required: yes}]}",
        ["3: lines.x.init[0].required: 'yes' is not true or false"],
    ),
    (
        "{type: modem, device: d, setup_s: 0}",
        ["3: lines.x.setup_s: '0' is not a number greater than 0 and of at most 600"],
    ),
    (
        "{type: modem, device: d, guard_ms: 5000}",
        [f"3: lines.x.guard_ms: {NO_TIME} guard_ms: 5000 hang_up_s has to be at least 13.5, and it is 8"],
    ),
    (
        "{type: modem, device: d, hang_up_s: 3.99}",
        [f"3: lines.x.hang_up_s: {NO_TIME} guard_ms: 1200 hang_up_s has to be at least 4.00, and it is 3.99"],
    ),
    ("{type: modem, device: d, hang_up_s: 3.5, guard_ms: 1000}", []),
    ("{type: modem, device: d, guard_ms: 5}", ["3: lines.x.guard_ms: '5' is not a whole number from 20 to 10000"]),
    ("{type: modem, device: d, max_call_s: 0}", ["3: lines.x.max_call_s: '0' is not a whole number from 1 to 86400"]),
    ("{type: modem, device: d, call_window: night}", [f"3: lines.x.call_window: 'night' is not {WINDOW}"]),
    (
        "{type: modem, device: d, call_window: [00:10-05:30, 5:00-6:00]}",
        [f"3: lines.x.call_window[1]: '5:00-6:00' is not {WINDOW}"],
    ),
    (
        "{type: modem, device: d, call_window: 24:00-06:00}",
        [f"3: lines.x.call_window: '24:00-06:00' is not {WINDOW}"],
    ),
    (
        "{type: modem, device: d, call_window: 05:00-05:00}",
        ["3: lines.x.call_window: '05:00-05:00' has no length; leave the key out for the whole day"],
    ),
    (
        "{type: modem, device: d, call_window: []}",
        ["3: lines.x.call_window: is an empty list; leave the key out for the whole day"],
    ),
    ("{type: modem, device: d, pool: x}", ["3: lines.x.pool: 'x' is the id of a line; a pool needs a name of its own"]),
    ("{type: modem, device: d, pool: a b}", [f"3: lines.x.pool: 'a b' is not {ID}"]),
    ("{type: rfc2217, host: h}", ["3: lines.x.port: is required: the TCP port, such as 7001"]),
    (
        "{type: rfc2217, host: h, port: 1, baud: 9601}",
        [f"3: lines.x.baud: '9601' is not {RATES}; did you mean '9600'?"],
    ),
    (
        "{type: rfc2217, host: h, port: 1, device: d}",
        ["3: lines.x.device: unknown key; known keys: baud, connect_timeout_s, framing, host, port, type"],
    ),
    ("{type: serial}", ["3: lines.x.device: is required: the serial device, such as /dev/ttyUSB0"]),
    (
        '{type: serial, device: ""}',
        ["3: lines.x.device: is empty or no path; expected a path such as /var/lib/gatewayd"],
    ),
    ("{type: serial, device: d, baud: 9601}", [f"3: lines.x.baud: '9601' is not {RATES}; did you mean '9600'?"]),
    ("{type: serial, device: d, baud: fast}", [f"3: lines.x.baud: 'fast' is not {RATES}"]),
    (
        "{type: serial, device: d, framing: 7N1}",
        ["3: lines.x.framing: '7N1' is not one of 7E1, 8N1, 8E1, 8O1, 8N2"],
    ),
    ("{type: serial, device: d, framing: 70}", ["3: lines.x.framing: '70' is not one of 7E1, 8N1, 8E1, 8O1, 8N2"]),
    (
        "{type: serial, device: d, switch_delay_ms: 1001}",
        ["3: lines.x.switch_delay_ms: '1001' is not a whole number from 0 to 1000"],
    ),
    (
        "{type: serial, device: d, port: 1}",
        ["3: lines.x.port: unknown key; known keys: baud, device, framing, switch_delay_ms, type"],
    ),
    ("{type: serial, device: d, id: y}", ["3: lines.x.id: unknown key; the id of this line is its key, 'x'"]),
    ("{type: tcp, host: h, port: 0}", ["3: lines.x.port: '0' is not a whole number from 1 to 65535"]),
    ("{type: tcp, host: h, port: abc}", ["3: lines.x.port: 'abc' is not a whole number from 1 to 65535"]),
    ("{type: tcp, host: h}", ["3: lines.x.port: is required: the TCP port, such as 4059"]),
    ('{type: tcp, host: "http://h/", port: 1}', [f"3: lines.x.host: 'http://h/' is not {HOST}"]),
    ("{type: tcp, host: h:1, port: 1}", [f"3: lines.x.host: 'h:1' is not {HOST}"]),
    (
        "{type: tcp, host: h, port: 1, connect_timeout_s: 0}",
        ["3: lines.x.connect_timeout_s: '0' is not a number greater than 0 and of at most 600"],
    ),
    ("/dev/ttyS0", ["3: lines.x: '/dev/ttyS0' is not a mapping of keys and values"]),
    ("", ["3: lines.x: is empty; expected a mapping of keys and values, or leave the key out"]),
]


@pytest.mark.parametrize(("text", "expected"), LINES, ids=[text for text, _ in LINES])
def test_a_line(text: str, expected: list[str]) -> None:
    found = faults(f"gateway: {{id: gw}}\narchive: {{path: /a}}\nlines: {{x: {text}}}\n")
    assert found == [f"f.yaml:{line}" for line in expected]


FILES: list[tuple[str, list[str]]] = [
    (
        "# nothing else\nlines: {}\n",
        [
            "2: archive: is required: where everything that the meters sent is kept",
            "2: gateway: is required: the gateway itself: its id and its time zone",
        ],
    ),
    (
        "gateway: {id: a b}\narchive: {path: a}",
        [f"1: gateway.id: 'a b' is not {ID}"],
    ),
    ("gateway:\n  id:\narchive: {path: a}", [f"2: gateway.id: is empty; expected {ID}"]),
    (
        "gateway: {id: g, timezone: Europe/Prag}\narchive: {path: a}",
        ["1: gateway.timezone: 'Europe/Prag' is not the name of a time zone; expected one such as Europe/Prague"],
    ),
    (
        "gateway: {id: g, timezone: Europe}\narchive: {path: a}",
        ["1: gateway.timezone: 'Europe' is not the name of a time zone; expected one such as Europe/Prague"],
    ),
    (
        "gateway: {id: g, timezone: ../../../etc/hosts}\narchive: {path: a}",
        [
            "1: gateway.timezone: '../../../etc/hosts' is not the name of a time zone; "
            "expected one such as Europe/Prague"
        ],
    ),
    (
        "gateway: {id: g, clock: ntp}\narchive: {path: a}",
        ["1: gateway.clock: 'ntp' is not one of kernel, trusted"],
    ),
    (
        "gateway: {id: g}\narchive: {path: a}\nacquisition: {sessions: 0, spread: 7h}\n",
        [
            "3: acquisition.sessions: '0' is not a whole number from 1 to 10000",
            "3: acquisition.spread: '7h' is not a period from 0s to 6h",
        ],
    ),
    (
        "gateway: {id: g}\narchive: {path: a}\nmanual: {most_rows: 10001, tolerance: 1, maximum: x, hold: perhaps}\n",
        [
            "3: manual.hold: 'perhaps' is not true or false",
            "3: manual.maximum: 'x' is not a number greater than 1 and of at most 1000000",
            "3: manual.most_rows: '10001' is not a whole number from 1 to 10000",
            "3: manual.tolerance: '1' is not a number greater than 1 and of at most 1000000",
        ],
    ),
    (
        "gateway: {id: g}\narchive: {path: a}\nmanual: {tolerance: 5, maximum: 4.5}\n",
        ["3: manual: has maximum 4.5 below tolerance 5; expected at least as much"],
    ),
    (
        "gateway: {id: g}\narchive: {path: a}\nacquisition: {session: 1}\n",
        ["3: acquisition.session: unknown key; did you mean 'sessions'? known keys: sessions, spread"],
    ),
    (
        "gateway: {id: g}\narchive:\n  path: a\n  retention_months: 35\n",
        ["4: archive.retention_months: '35' is not a whole number of at least 36"],
    ),
    (
        "gateway: {id: g}\narchive: {}\nsinc: []\n",
        [
            "2: archive.path: is required: the folder of the archive, such as /var/lib/gatewayd",
            "3: sinc: unknown key; did you mean 'sinks'? known keys: acquisition, archive, control, gateway, lines, "
            "manual, meters, observability, points, policies, sinks",
        ],
    ),
    (f"{HEAD}  b c: {{type: tcp, host: h, port: 1}}", [f"5: lines.(no plain key): the key 'b c' is not {ID}"]),
    (f"{HEAD}meters: {{m: 1}}", ["5: meters: a mapping is not a list"]),
    (f"{HEAD}meters: [m]", ["5: meters[0]: 'm' is not a mapping of keys and values"]),
    (f"{HEAD}meters: [{{id: m, line: l}}]", ["5: meters[0].driver: is required: one of field, telegram"]),
    (
        f"{HEAD}meters:\n- driver: telegram\n",
        [
            "6: meters[0].id: is required: the meter's id, a level of its MQTT topics, such as em-1001",
            "6: meters[0].line: is required: the line on which the meter is reached: a key under lines, "
            "or a pool of modem lines",
        ],
    ),
    (
        f"{HEAD}meters:\n- id: m\n  driver: telegramm\n  line: l\n",
        ["7: meters[0].driver: unknown driver 'telegramm'; did you mean 'telegram'? known drivers: field, telegram"],
    ),
    (
        f"{HEAD}  optical: {{type: serial, device: d}}\nmeters:\n- id: m\n  driver: telegram\n  line: optcal\n",
        ["9: meters[0].line: unknown line 'optcal'; did you mean 'optical'? known lines: l, optical"],
    ),
    (
        "gateway: {id: gw}\narchive: {path: /a}\nmeters: [{id: m, driver: telegram, line: x}]\n",
        ["3: meters[0].line: unknown line 'x'; there are no lines"],
    ),
    (
        f"{HEAD}meters:\n- &m {{id: m, driver: telegram, line: l}}\n- id: m\n  driver: telegram\n  line: l\n",
        ["7: meters[1].id: 'm' is already the id of meters[0] in line 6"],
    ),
    (
        f"{HEAD}sinks:\n- {{id: s, type: broker, host: h}}\n- {{id: s, type: broker, host: h}}\n",
        ["7: sinks[1].id: 's' is already the id of sinks[0] in line 6"],
    ),
    (
        f"{HEAD}sinks:\n- {{id: s, type: mqtt, host: h}}\n",
        ["6: sinks[0].type: unknown sink type 'mqtt'; known sink types: broker, database"],
    ),
    (f"{HEAD}sinks:\n- {{id: s, host: h}}\n", ["6: sinks[0].type: is required: one of broker, database"]),
    (f"{HEAD}sinks:\n- {{type: broker, host: h}}\n", ["6: sinks[0].id: is required: the sink's id, such as mqtt"]),
    (f"{HEAD}sinks:\n- {{id: s, type: broker}}\n", ["6: sinks[0].host: is required: name or address of the broker"]),
    (
        f"{HEAD}sinks:\n- {{id: s, type: broker, host: h, retain: true}}\n",
        [
            "6: sinks[0].retain: unknown key; known keys: derived, host, id, password_credential, password_env, "
            "password_file, port, prefix, start, type"
        ],
    ),
    (
        f"{HEAD}sinks:\n- {{id: s, type: database, dialect: influx, url: 'ftp://x'}}\n",
        ["6: sinks[0].url: 'ftp://x' is not text that fits ^https?://"],
    ),
]


@pytest.mark.parametrize(("text", "expected"), FILES)
def test_a_file(text: str, expected: list[str]) -> None:
    assert faults(text) == [f"f.yaml:{line}" for line in expected]


MODEMS = (
    "gateway: {id: gw}\narchive: {path: /a}\nlines:\n  l: {type: tcp, host: h, port: 1}\n"
    "  gsm: {type: modem, device: d}\n  one: {type: modem, device: e, pool: night}\nmeters:\n- {id: m, driver: telegram"
)
NUMBERS: list[tuple[str, list[str]]] = [
    ("line: gsm, phone: +420601234589", []),
    ("line: night, phone: 00420601234589", []),
    ("line: night, phone: '0,541W*31#'", []),
    (
        "line: gsm",
        ["8: meters[0].phone: is required on a line of type modem: a telephone number such as +420601234589"],
    ),
    (
        "line: night",
        ["8: meters[0].phone: is required on a line of type modem: a telephone number such as +420601234589"],
    ),
    (
        "line: l, phone: +420601234589",
        ["8: meters[0].phone: line 'l' does not call; leave the number out, or take a line of type modem"],
    ),
    (
        "line: one, phone: +420601234589",
        ["8: meters[0].line: line 'one' is in the pool 'night'; name the pool"],
    ),
    (
        "line: night, phone: +420601234589, jobs: [{intervals: [1.8.0], every: 15m}]",
        [
            "8: meters[0].jobs[0].intervals: a meter that is called cannot be read at each boundary: dialling takes "
            "too long; expected registers, such as {registers: [1-0:1.8.0], every: 1h}"
        ],
    ),
    (
        "line: nihgt, phone: +420601234589",
        ["8: meters[0].line: unknown line 'nihgt'; did you mean 'night'? known lines: gsm, l, night, one"],
    ),
    (
        "line: gsm, phone: 601 234 589",
        [
            "8: meters[0].phone: a telephone number has up to 40 of 0-9 * #, after an optional +; "
            ", (pause) and W (wait for the tone) may stand inside"
        ],
    ),
    (
        "line: gsm, phone: '601234589;'",
        [
            "8: meters[0].phone: a telephone number has up to 40 of 0-9 * #, after an optional +; "
            ", (pause) and W (wait for the tone) may stand inside"
        ],
    ),
    (
        "line: gsm, phone: [601234589]",
        ["8: meters[0].phone: a list is not a telephone number such as +420601234589"],
    ),
]


@pytest.mark.parametrize(("text", "expected"), NUMBERS, ids=[text for text, _ in NUMBERS])
def test_a_number(text: str, expected: list[str]) -> None:
    found = faults(f"{MODEMS}, {text}}}\n")
    assert found == [f"f.yaml:{line}" for line in expected]
    assert not any("234589" in line for line in found if "such as" not in line)


def test_a_number_is_not_shown_whatever_is_wrong_with_it() -> None:
    assert shown("+420601234589", ("meters", 0, "phone")) == "the value (not shown)"


def test_everything_is_reported_at_once_and_sorted_by_line() -> None:
    text = """\
meters:
  - id: m
    driver: telegram
    line: nowhere
    meteringtype: A
  - id: m
    driver: telegram
    line: l
    telegram: {mode: X}
archive: {path: "", retention_months: 1}
gateway: {id: "", id: g}
lines: {l: {type: tcp, host: h, port: x}}
"""
    assert [line.split(": ")[0] + " " + line.split(": ")[1] for line in faults(text)] == [
        "f.yaml:4 meters[0].line",
        "f.yaml:5 meters[0].meteringtype",
        "f.yaml:6 meters[1].id",
        "f.yaml:9 meters[1].telegram.mode",
        "f.yaml:10 archive.path",
        "f.yaml:10 archive.retention_months",
        "f.yaml:11 gateway.id",
        "f.yaml:11 gateway.id",
        "f.yaml:12 lines.l.port",
    ]


def test_a_value_that_comes_by_alias_is_reported_where_it_stands() -> None:
    text = f"{HEAD}meters:\n- {{id: a, driver: telegram, line: l, jobs: &j [{{registers: all, every: x}}]}}\n"
    found = faults(f"{text}- {{id: b, driver: telegram, line: l, jobs: *j}}\n")
    assert found == [
        f"f.yaml:6: meters[0].jobs[0].every: 'x' is not {PERIOD}",
        f"f.yaml:6: meters[1].jobs[0].every: 'x' is not {PERIOD}",
    ]


def test_many_names_are_not_all_listed() -> None:
    lines = "".join(f"  l{n}: {{type: tcp, host: h, port: 1}}\n" for n in range(300))
    (found,) = faults(f"{HEAD}{lines}meters: [{{id: m, driver: telegram, line: l1x}}]\n")
    assert found.endswith(
        "unknown line 'l1x'; known lines: l, l0, l1, l10, l100, l101, l102, l103, l104, l105, l106, l107 and 289 more"
    )
