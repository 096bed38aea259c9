"""The derived layer as a part of the status document: how far the engine is, its archive, and why it stands still.

    metering(gateway, beside)       of a gateway that runs
    metering_on_disk(config, head)  what the files say of one that does not

Rules: a fault stands beside its remedy; what is not known is None; a point costs nothing. What has to be looked up in
files is handed in (status_beside.py).
"""

import msgspec

from gatewayd.archive import memory
from gatewayd.archive.head import read_head
from gatewayd.config import Config
from gatewayd.daemon.derived import derived_folder
from gatewayd.daemon.gateway import Gateway
from gatewayd.daemon.metering_progress import MEMORY, Progress
from gatewayd.daemon.metering_site import MeteringSite
from gatewayd.daemon.status_beside import Beside, size_of
from gatewayd.errors import ArchiveError
from gatewayd.sink.payload import rfc3339

OPEN_ANEW = "put that right, then: gatewayd reload"
OPENED_AGAIN = "put that right; it is tried again every 10 s"
RESTART = "restart gatewayd (systemctl restart gatewayd), and report what its log says"
AGAIN = "it is tried again every 10 s; gatewayd doctor says what to do"


def metering(gateway: Gateway, beside: Beside) -> dict[str, object] | None:
    """None where the configuration has no metering points."""
    site = gateway.metering
    fault, remedy = trouble(site)
    if not fault:
        fault, remedy = damage(site)
    state = None if site is None else site.state
    if site is None or (state is None and not fault):
        return None
    store = site.store
    seq, digest = (0, None) if store is None else store.published_head()
    place = state.seq if state is not None and state.known else None
    behind = None if place is None else max(gateway.store.head - place, 0)
    since = beside.underived_since if behind else None
    return {
        "points": len(gateway.config.points) if state is None else state.points,
        "seq": place,
        "behind": behind,
        "oldest_at": None if since is None else rfc3339(since),
        "days_waiting": 0 if state is None else state.waiting,
        "values": 0 if state is None else state.tally.values.total(),
        "fault": fault or None,
        "remedy": remedy or None,
        "last_fault": ("" if state is None else state.last_fault) or fault or None,
        "unreadable": (state.unreadable or None) if state is not None else None,
        "archive": {
            "path": str(derived_folder(gateway.store.folder)),
            "head": {"seq": seq, "hash": digest},
            "bytes": beside.derived_bytes,
            "fault": (site.fault if store is None else store.fault) or None,
        },
    }


def trouble(site: MeteringSite | None) -> tuple[str, str]:
    """Why nothing is derived, and the remedy; both empty where all is well."""
    if site is None:
        return "", ""
    if site.fault:
        return site.fault, OPENED_AGAIN if site.store is None else OPEN_ANEW
    state, store = site.state, site.store
    if state is not None and state.ended:
        return state.fault, RESTART
    fault = (state.fault if state is not None else "") or (store.fault if store is not None else "")
    return fault, AGAIN if fault else ""


def damage(site: MeteringSite | None) -> tuple[str, str]:
    """Of what alone nothing is derived, and the remedy; both empty where all is well."""
    state = None if site is None else site.state
    return ("", "") if state is None else (state.damaged, state.remedy)


def metering_on_disk(config: Config, head: int) -> dict[str, object] | None:
    """`head`: of the raw archive. Blocks for a moment."""
    if not config.points:
        return None
    folder = derived_folder(config.archive.path)
    seq, digest, fault, position = 0, None, None, None
    try:
        found = read_head(folder)
        if found is not None:
            seq, digest = found.seq, found.hash.hex()
        text = memory.recalled(folder, MEMORY, MEMORY)
        position = 0 if text is None else min(msgspec.json.decode(text, type=Progress).seq, head)
    except ArchiveError as error:
        fault = str(error)
    except msgspec.MsgspecError:
        position = 0  # then everything is computed once more
    return {
        "points": len(config.points),
        "seq": position,
        "behind": None if position is None else head - position,
        "oldest_at": None,
        "days_waiting": None,
        "values": None,
        "fault": None,
        "remedy": None,
        "last_fault": None,
        "unreadable": None,
        "archive": {
            "path": str(folder),
            "head": {"seq": seq, "hash": digest},
            "bytes": size_of(folder),
            "fault": fault,
        },
    }
