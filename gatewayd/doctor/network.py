"""TCP endpoints of lines, whether they take a connection, and the ports on which meters call us.

Rules: a connection is made and closed, and no byte is sent on it; where the gateway has one up it is left alone:
many serial servers take one client only. All endpoints at once, for two seconds each and five in all.
"""

import queue
import socket
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gatewayd.config import Line, ModemLine, Rfc2217Line, TcpLine, TcpListenLine, UdpListenLine
from gatewayd.doctor.findings import Finding, error, fine, unseen, warning
from gatewayd.doctor.scene import Scene
from gatewayd.peer import user_name

AREA = "network"
CONNECT_S = 2.0
ALL_S = 5.0
_AT_ONCE = 64
_ESTABLISHED, _LISTENS, _UDP_BOUND = "01", "0A", "07"
_SHOWN = 20
"""Endpoints with a fault that are shown one by one."""
_PRIVILEGED = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")

_LITTLE = sys.byteorder == "little"

Endpoint = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Socket:
    """A row of /proc/net/tcp and the like."""

    state: str
    local_port: int
    remote: Endpoint
    uid: int


def endpoints(lines: Mapping[str, Line]) -> dict[Endpoint, list[str]]:
    """The names of the lines behind each endpoint."""
    found: dict[Endpoint, list[str]] = {}
    for name, line in lines.items():
        if isinstance(line, TcpLine | Rfc2217Line | ModemLine) and line.host is not None and line.port is not None:
            found.setdefault((line.host, line.port), []).append(name)
    return found


def parsed_sockets(text: str) -> list[Socket]:
    """The rows of /proc/net/tcp, tcp6, udp or udp6 (proc_pid_net(5)): addresses are words in the machine's order."""
    found = []
    for row in text.splitlines()[1:]:
        fields = row.split()
        if len(fields) < 8:
            continue
        local, remote = fields[1].rpartition(":"), fields[2].rpartition(":")
        found.append(Socket(fields[3], int(local[2], 16), (_address(remote[0]), int(remote[2], 16)), int(fields[7])))
    return found


def _address(digits: str) -> str:
    words = [bytes.fromhex(digits[place : place + 8]) for place in range(0, len(digits), 8)]
    octets = b"".join(word[::-1] if _LITTLE else word for word in words)
    if len(octets) == 4:
        return socket.inet_ntop(socket.AF_INET, octets)
    text = socket.inet_ntop(socket.AF_INET6, octets)
    return text.removeprefix("::ffff:") if "." in text else text


def seen_sockets(*kinds: str) -> list[Socket]:
    found = []
    for kind in kinds:
        try:
            found += parsed_sockets(Path(f"/proc/net/{kind}").read_text())
        except OSError:  # a machine without IPv6
            continue
    return found


def tried(wanted: Iterable[Endpoint], connected: frozenset[Endpoint], until: float) -> dict[Endpoint, str]:
    """What came of each: `ok`, `up` where one of the gateway is up, else the fault; those that are not
    through by `until` (time.monotonic) are left out."""
    work: queue.SimpleQueue[Endpoint] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Endpoint, str]] = queue.SimpleQueue()
    count = 0
    for endpoint in wanted:
        work.put(endpoint)
        count += 1

    def serve() -> None:
        while time.monotonic() < until:
            try:
                endpoint = work.get_nowait()
            except queue.Empty:
                return
            done.put((endpoint, _attempt(endpoint, connected)))

    for _ in range(min(count, _AT_ONCE)):
        threading.Thread(target=serve, name="connect", daemon=True).start()
    found: dict[Endpoint, str] = {}
    while len(found) < count and (left := until - time.monotonic()) > 0:
        try:
            endpoint, told = done.get(timeout=left)
        except queue.Empty:
            break
        found[endpoint] = told
    return found


def _attempt(endpoint: Endpoint, connected: frozenset[Endpoint]) -> str:
    try:
        places = socket.getaddrinfo(*endpoint, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as fault:
        return f"the name is not known: {getattr(fault, 'strerror', None) or fault}"
    if any((str(place[4][0]), endpoint[1]) in connected for place in places):
        return "up"
    told = "no address"
    for family, kind, protocol, _, address in places[:2]:
        with socket.socket(family, kind, protocol) as attempt:
            attempt.settimeout(CONNECT_S / min(len(places), 2))
            try:
                attempt.connect(address)
            except TimeoutError:
                told = f"no answer within {CONNECT_S:.0f} s"
            except OSError as fault:
                told = (fault.strerror or str(fault)).lower()
            else:
                return "ok"
    return told


def judged_endpoint(endpoint: Endpoint, lines: Iterable[str], told: str | None) -> Finding:
    host, port = endpoint
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    subject = f"{', '.join(lines)}: {where}"
    match told:
        case None:
            return unseen(AREA, subject, "not tried in time: too many others were slow", "gatewayd doctor once more")
        case "ok":
            return fine(AREA, subject, "takes a connection")
        case "up":
            return fine(AREA, subject, "is connected at this moment")
        case _ if "refused" in told:
            remedy = (
                "is the port right, the serial server set to TCP server, its one connection taken by another client?"
            )
            return error(AREA, subject, f"refuses the connection ({told})", remedy)
        case _:
            return error(AREA, subject, told, f"ping {host}; ip route get {host}; is it powered, the firewall open?")


def network(scene: Scene) -> list[Finding]:
    """The look at all endpoints."""
    wanted = endpoints(scene.config.lines)
    rows = seen_sockets("tcp", "tcp6") if scene.running is not False else []
    connected = frozenset(one.remote for one in rows if one.state == _ESTABLISHED and one.uid == scene.service.uid)
    free = [endpoint for endpoint, lines in wanted.items() if not scene.at_work.intersection(lines)]
    told = tried(free, connected, time.monotonic() + ALL_S) | {one: "up" for one in wanted if one not in free}
    return [judged_endpoint(endpoint, lines, told.get(endpoint)) for endpoint, lines in wanted.items()]


def seen_bound(line: TcpListenLine | UdpListenLine) -> int | None:
    """The user of whoever has this port; None when it is free."""
    tcp = isinstance(line, TcpListenLine)
    rows = seen_sockets("tcp", "tcp6") if tcp else seen_sockets("udp", "udp6")
    state = _LISTENS if tcp else _UDP_BOUND
    return next((one.uid for one in rows if one.local_port == line.port and one.state == state), None)


def judged_bound(name: str, place: str, owner: int | None, scene: Scene, lowest: int) -> Finding:
    """`place` is such as `TCP port 4059`; `lowest` is the first port that needs no right."""
    subject = f"{name}: {place}"
    port = int(place.rpartition(" ")[2])
    if scene.running:
        if owner == scene.service.uid:
            return fine(AREA, subject, "the running gateway listens")
        if owner is None:
            return error(
                AREA, subject, "the gateway runs and does not listen", "gatewayd status; journalctl -u gatewayd"
            )
    if owner is not None:
        remedy = f"ss -lntup 'sport = :{port}' tells who; end that, or choose another port"
        return error(AREA, subject, f"is taken by a program of user {user_name(owner)}", remedy)
    if port < lowest and scene.service.uid != 0:
        remedy = "AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit, or a port from 1024 on"
        return warning(AREA, subject, f"user {scene.service.name} may not take a port below {lowest}", remedy)
    return fine(AREA, subject, "is free")


def listening_ports(scene: Scene) -> list[Finding]:
    """The look at the ports on which meters call."""
    try:
        lowest = int(_PRIVILEGED.read_text())
    except (OSError, ValueError):
        lowest = 1024
    found = []
    for name, line in scene.config.lines.items():
        if isinstance(line, TcpListenLine | UdpListenLine):
            place = f"{'TCP' if isinstance(line, TcpListenLine) else 'UDP'} port {line.port}"
            found.append(judged_bound(name, place, seen_bound(line), scene, lowest))
    return found


def gathered(found: list[Finding]) -> list[Finding]:
    """Of a great many, the first ones that have a fault, and how many there are of each level."""
    if len(found) <= _SHOWN:
        return found
    bad = [one for one in found if one.level.value != "ok"]
    good = len(found) - len(bad)
    shown = bad[:_SHOWN]
    area = found[0].area
    if good:
        shown.append(fine(area, "others", f"{good} of {len(found)} are all right"))
    if len(bad) > _SHOWN:
        rest = bad[_SHOWN:]
        worst = max(rest, key=lambda one: ("ok", "note", "warning", "error").index(one.level.value))
        shown.append(Finding(worst.level, area, "others", f"{len(rest)} more have a fault", "gatewayd doctor --json"))
    return shown
