"""What must fit together where meters push: ports, peers, and jobs that listen.

Rules: works on the tree, as checks.py. Whoever listens does so all the time: beside that there is nothing on a line,
unless the line is a port on which each meter has a connection of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address

from gatewayd.config.line_checks import pools
from gatewayd.config.nodes import Fault, Loc, Node, Tree, jobs_of, path, text
from gatewayd.config.nodes import Mapping as MappingNode

LISTENING = ("tcp_listen", "udp_listen")
_ANY = ("0.0.0.0", "::")  # noqa: S104 - what stands for all addresses
_TIMED = ("registers", "intervals", "profile", "every", "at", "on")


def faults(tree: Tree, lines: Mapping[str, Node], meters: Sequence[tuple[Loc, MappingNode]]) -> Iterator[Fault]:
    yield from _ports(lines)
    by_line: dict[str, list[tuple[Loc, MappingNode]]] = {}
    for loc, meter in meters:
        by_line.setdefault(text(meter, "line") or "", []).append((loc, meter))
    for name, line in lines.items():
        kind, users = text(line, "type"), by_line.pop(name, [])
        if kind in LISTENING:
            yield from _peers(tree, name, users)
            for loc, meter in users:
                yield from _only_listening(name, loc, meter)
        else:
            yield from _beside(name, kind, users)
    for pool in pools(lines):
        yield from _beside(pool, "modem", by_line.get(pool, []))


def _ports(lines: Mapping[str, Node]) -> Iterator[Fault]:
    """Two lines cannot listen at one port; 0.0.0.0 is every address of the machine."""
    taken: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for name, line in lines.items():
        kind, port, bind = text(line, "type"), text(line, "port"), text(line, "bind") or _ANY[0]
        if kind not in LISTENING or port is None:
            continue
        others = taken.setdefault((kind, port), [])
        for other, address in others:
            if _plain(bind) == _plain(address) or bind in _ANY or address in _ANY:
                yield Fault(("lines", name, "port"), f"line '{other}' listens at this port already; take another one")
                break
        others.append((name, bind))


def _peers(tree: Tree, line: str, users: Sequence[tuple[Loc, MappingNode]]) -> Iterator[Fault]:
    """Several meters on a port are told apart by the addresses from which they call, and by nothing else."""
    first: dict[str, Loc] = {}
    for loc, meter in users:
        peer = text(meter, "peer")
        if peer is None:
            if "peer" not in meter.entries and len(users) > 1:
                message = (
                    f"is required: {len(users)} meters push to line '{line}', and the address from which each calls, "
                    "such as 192.0.2.20, tells them apart"
                )
                yield Fault((*loc, "peer"), message)
            continue
        known = first.setdefault(_plain(peer), loc)
        if known is not loc:
            earlier = (*known, "peer")
            line_number = tree.line(Fault(earlier, ""))
            message = (
                f"is the peer of {path(known)} in line {line_number} as well; each meter needs an address of its own"
            )
            yield Fault((*loc, "peer"), message)


def _only_listening(line: str, loc: Loc, meter: MappingNode) -> Iterator[Fault]:
    jobs = list(jobs_of(loc, meter))
    for place, job in jobs:
        key = next((key for key in _TIMED if key in job.entries), None)
        if "listen" not in job.entries and key is not None:
            message = (
                f"meters call us on line '{line}', so none can be asked at a time of ours; expected the job "
                "{listen: true}, which takes what the meter sends"
            )
            yield Fault((*place, key), message, at_key=True, scope=place)
    if len(jobs) > 1 and all("listen" in job.entries for _, job in jobs):
        yield Fault(jobs[1][0], "listens a second time; one job takes everything that the meter sends")


def _beside(line: str, kind: str | None, users: Sequence[tuple[Loc, MappingNode]]) -> Iterator[Fault]:
    """On a line that is not a port for callers."""
    for loc, meter in users:
        if "peer" in meter.entries:
            message = (
                f"meters do not call us on line '{line}'; leave the peer out, or take a line of type "
                f"{' or '.join(LISTENING)}"
            )
            yield Fault((*loc, "peer"), message, at_key=True)
        jobs = list(jobs_of(loc, meter))
        for at, job in jobs:
            if "listen" not in job.entries:
                continue
            place = (*at, "listen")
            others = len(users) - 1
            if kind == "modem":
                message = "a modem cannot be listened to: each minute of a call costs money; read the meter, every: 15m"
            elif others:
                message = (
                    f"whoever listens has the line for itself, and {others} more "
                    f"{'meter is' if others == 1 else 'meters are'} on line '{line}'; give this meter a line of its own"
                )
            elif len(jobs) > 1:
                message = (
                    f"whoever listens on line '{line}' does so all the time; leave the other jobs of this meter out: "
                    "what it sends is archived as it comes"
                )
            else:
                continue
            yield Fault(place, message, at_key=True)


def _plain(peer: str) -> str:
    try:
        return str(ip_address(peer))
    except ValueError:
        return peer.lower()
