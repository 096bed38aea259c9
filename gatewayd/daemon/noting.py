"""What people do to sinks beside the gateway, in its audit log: readings given again, lists forgotten.

Rules: written by the running gateway, with the name of whoever has connected; by the command itself where none runs. It
is written when it is known what has become of it. Only these deeds: the log is no notebook.
"""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing

from gatewayd.archive.records import Audit
from gatewayd.archive.store import Store
from gatewayd.config import Config
from gatewayd.control import Request, Stream, follow
from gatewayd.daemon.archive_turn import Tell, either, nobody
from gatewayd.daemon.build import now
from gatewayd.daemon.elsewhere import opened_here
from gatewayd.errors import GatewayError
from gatewayd.peer import user_name

REQUEST, CATEGORY = "note", "operator"
REPLAYED, FORGOTTEN = "sink-replay", "set-aside-cleared"
_LONGEST = 500


def note_stream(store: Store) -> Stream:
    """The answer to a request `note` of the control socket: `type`, `subject`, `result`, `detail`."""

    async def stream(request: Request) -> AsyncGenerator[dict[str, object], None]:
        kind = request.get("type")
        if kind not in (REPLAYED, FORGOTTEN):
            raise GatewayError(f"'{kind[:40]}' is nothing that is noted; is one of the two of another version?")
        texts = [request.get(name)[:_LONGEST] for name in ("subject", "result", "detail")]
        await asyncio.wrap_future(store.submit(Audit(now(), request.user, CATEGORY, kind, *texts)))
        yield {"event": "noted"}

    return stream


async def note(config: Config, kind: str, sink: str, result: str, detail: str, tell: Tell = nobody) -> None:
    """Put it into the audit log. GatewayError when that does not work."""
    told = {"type": kind, "subject": sink, "result": result, "detail": detail}

    async def asked() -> None:
        async with aclosing(follow(config.archive.path, REQUEST, **told)) as events:
            await anext(events)

    async def here() -> None:
        async with opened_here(config) as store:
            await asyncio.wrap_future(
                store.submit(Audit(now(), user_name(os.geteuid()), CATEGORY, kind, sink, result, detail))
            )

    await either(asked, here, tell)
