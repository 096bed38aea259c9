"""What must fit together where meters push: the whole findings, and what is allowed."""

import pytest

from tests.gatewayd.config.doubles import faults

HEAD = """\
gateway: {id: gw}
archive: {path: /a}
lines:
  hes: {type: tcp_listen, port: 4059}
  bus: {type: serial, device: /dev/ttyS1}
  gsm: {type: modem, device: /dev/modem0, pool: night}
meters:
"""
LISTEN = "jobs: [{listen: true}]"


def meter(number: int, line: str, *more: str) -> str:
    return "  - {" + ", ".join((f"id: m{number}, driver: telegram, line: {line}", *more)) + "}\n"


@pytest.mark.parametrize(
    "meters",
    [
        meter(1, "hes", LISTEN),
        meter(1, "hes", "peer: 192.0.2.20", LISTEN) + meter(2, "hes", "peer: m2.example", LISTEN),
        meter(1, "hes", "peer: 192.0.2.20", LISTEN) + meter(2, "hes", "peer: 192.0.2.21"),
        meter(1, "bus", LISTEN),
        meter(1, "bus", "jobs: [{registers: all, every: 1h}, {registers: all, at: 00:05}]") + meter(2, "bus"),
    ],
)
def test_what_fits_together(meters: str) -> None:
    assert faults(HEAD + meters) == []


@pytest.mark.parametrize(
    ("meters", "expected"),
    [
        (
            meter(1, "hes", LISTEN) + meter(2, "hes", "peer: 192.0.2.21", LISTEN),
            [
                "8: meters[0].peer: is required: 2 meters push to line 'hes', and the address from which each calls, "
                "such as 192.0.2.20, tells them apart"
            ],
        ),
        (
            meter(1, "hes", "peer: '2001:db8::1'", LISTEN) + meter(2, "hes", "peer: '2001:DB8:0::1'", LISTEN),
            [
                "9: meters[1].peer: is the peer of meters[0] in line 8 as well; each meter needs an address of its own",
            ],
        ),
        (
            meter(1, "hes", "jobs: [{registers: all, every: 1h}]"),
            [
                "8: meters[0].jobs[0].registers: meters call us on line 'hes', so none can be asked at a time of ours; "
                "expected the job {listen: true}, which takes what the meter sends"
            ],
        ),
        (
            meter(1, "hes", "jobs: [{listen: true}, {registers: all, at: 00:05}]"),
            [
                "8: meters[0].jobs[1].registers: meters call us on line 'hes', so none can be asked at a time of ours; "
                "expected the job {listen: true}, which takes what the meter sends"
            ],
        ),
        (
            meter(1, "hes", "jobs: [{intervals: [1.8.0], every: 15m}]"),
            [
                "8: meters[0].jobs[0].intervals: meters call us on line 'hes', so none can be asked at a time of ours; "
                "expected the job {listen: true}, which takes what the meter sends"
            ],
        ),
        (
            meter(1, "hes", "jobs: [{listen: true}, {listen: true, silence: 1h}]"),
            ["8: meters[0].jobs[1]: listens a second time; one job takes everything that the meter sends"],
        ),
        (
            meter(1, "bus", LISTEN) + meter(2, "bus"),
            [
                "8: meters[0].jobs[0].listen: whoever listens has the line for itself, and 1 more meter is on line "
                "'bus'; give this meter a line of its own"
            ],
        ),
        (
            meter(1, "bus", LISTEN) + meter(2, "bus") + meter(3, "bus"),
            [
                "8: meters[0].jobs[0].listen: whoever listens has the line for itself, and 2 more meters are on line "
                "'bus'; give this meter a line of its own"
            ],
        ),
        (
            meter(1, "night", 'phone: "0123"', LISTEN),
            [
                "8: meters[0].jobs[0].listen: a modem cannot be listened to: each minute of a call costs money; read "
                "the meter, every: 15m"
            ],
        ),
        (
            meter(1, "night", 'phone: "0123"', "peer: 192.0.2.20"),
            [
                "8: meters[0].peer: meters do not call us on line 'night'; leave the peer out, or take a line of type "
                "tcp_listen or udp_listen"
            ],
        ),
    ],
)
def test_what_does_not_fit_together(meters: str, expected: list[str]) -> None:
    assert faults(HEAD + meters) == [f"f.yaml:{line}" for line in expected]


@pytest.mark.parametrize(
    ("line", "clash"),
    [
        ("{type: tcp_listen, port: 4059}", True),
        ("{type: tcp_listen, bind: 192.0.2.5, port: 4059}", True),
        ("{type: udp_listen, port: 4059}", False),
        ("{type: tcp_listen, port: 4060}", False),
    ],
)
def test_two_lines_at_one_port(line: str, clash: bool) -> None:
    found = faults(HEAD.replace("  bus:", f"  two: {line}\n  bus:") + meter(1, "hes", LISTEN))
    message = "f.yaml:5: lines.two.port: line 'hes' listens at this port already; take another one"
    assert found == ([message] if clash else [])


def test_two_addresses_of_this_machine_may_have_the_same_port() -> None:
    lines = (
        "lines:\n  one: {type: tcp_listen, bind: 192.0.2.5, port: 4059}\n"
        "  two: {type: tcp_listen, bind: 192.0.2.6, port: 4059}\n"
        "  three: {type: tcp_listen, bind: 192.0.2.5, port: 4059}\n"
    )
    assert faults(f"gateway: {{id: gw}}\narchive: {{path: /a}}\n{lines}") == [
        "f.yaml:6: lines.three.port: line 'one' listens at this port already; take another one"
    ]
