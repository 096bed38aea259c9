"""The lines of a gateway that runs: a worker for each, which can be changed while the others go on.

Rules: a line whose settings and meters are as before is not touched, its session under way neither. One that is changed
or gone is ended as at a stop: what its session had received is archived; where only other meters of the line are
concerned, the session is finished first. A line never has two workers at once. A worker that a defect ends is told of,
and made anew after a pause; the others go on.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gatewayd.call_worker import CallWorker
from gatewayd.config import AcquisitionSettings, Config, Line, MeterSettings, ModemLine
from gatewayd.errors import GatewayError
from gatewayd.listener import ListenWorker
from gatewayd.worker import LineWorker, wait

Worker = LineWorker | CallWorker | ListenWorker

AFTER_DEFECT_SECONDS = 60.0
"""Before a line that a defect of ours has ended begins anew."""

log = logging.getLogger("gatewayd.daemon")


@dataclass(frozen=True, slots=True)
class Group:
    """What one worker is made of: a line, or all of a pool, with its meters by their ids."""

    name: str
    lines: tuple[Line, ...]
    meters: Mapping[str, MeterSettings]
    acquisition: AcquisitionSettings


def groups(config: Config) -> dict[str, Group]:
    """All groups of a configuration, by the name of the line or pool."""
    meters: dict[str, dict[str, MeterSettings]] = {}
    for settings in config.meters:
        meters.setdefault(settings.line, {})[settings.id] = settings
    return {
        name: Group(name, config.lines_of(name), meters.get(name, {}), config.acquisition)
        for name in (*config.lines, *config.pools)
    }


def reduced(config: Config, wanted: Iterable[Group]) -> Config:
    """The same configuration with the lines and meters of these groups alone."""
    chosen = list(wanted)
    names = {group.name for group in chosen}
    return replace(
        config,
        lines={line.id: line for group in chosen for line in group.lines},
        meters=tuple(settings for settings in config.meters if settings.line in names),
    )


@dataclass(slots=True, eq=False)
class _Post:
    """A worker at work."""

    group: Group
    worker: Worker
    waits: bool
    """For the one before it on the same line, which finishes its session."""
    defect: str = ""
    """What has ended the worker, while the line waits to begin anew."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None]" = field(init=False)


class Lines:
    """All lines. `build` makes the workers of a configuration; nothing is opened by that."""

    def __init__(self, build: Callable[[Config], Sequence[Worker]]) -> None:
        self._build = build
        self._groups: dict[str, Group] = {}
        self._posts: dict[str, _Post] = {}
        self._leaving: list[_Post] = []

    @property
    def workers(self) -> list[Worker]:
        """Those of the present configuration."""
        return [post.worker for post in self._posts.values()]

    @property
    def broken(self) -> dict[str, str]:
        """Lines that a defect of ours has ended and that do not work again yet, and the defect."""
        return {name: post.defect for name, post in self._posts.items() if post.defect}

    def worker_of(self, meter: str) -> Worker | None:
        """Who works on the line of this meter; None where nobody does. GatewayError while the line is being changed."""
        post = next((post for post in self._posts.values() if meter in post.group.meters), None)
        if post is not None and post.waits:
            raise GatewayError(f"line {post.group.name} is being changed: the session under way is finished first")
        return None if post is None else post.worker

    def worker_at(self, line: str) -> Worker | None:
        """Who works on this line, alone or in a pool; None where nobody does. GatewayError as `worker_of`."""
        post = next((post for post in self._posts.values() if line in [one.id for one in post.group.lines]), None)
        if post is not None and post.waits:
            raise GatewayError(f"line {post.group.name} is being changed: the session under way is finished first")
        return None if post is None else post.worker

    def start(self, config: Config) -> None:
        """Begin with a first configuration."""
        wanted = groups(config)
        self._begin(wanted, self._build(config), config)
        self._groups = wanted

    def planned(self, config: Config) -> "Plan":
        """What has to be done for another configuration; nothing is changed yet."""
        wanted = groups(config)
        going = [name for name, group in self._groups.items() if wanted.get(name) != group]
        coming = [group for name, group in wanted.items() if self._groups.get(name) != group]
        return Plan(wanted, tuple(going), tuple(self._build(reduced(config, coming))) if coming else ())

    async def change(self, plan: "Plan", seconds: float) -> None:
        """End what goes, as far as that takes no longer than `seconds`."""
        for name in plan.going:
            post = self._posts.pop(name, None)
            if post is not None:
                post.stop.set()
                self._leaving.append(post)
        self._groups = {name: group for name, group in self._groups.items() if name not in plan.going}
        ending = [post for post in self._leaving if not _finishes(post, plan.wanted)]
        for post in ending:
            if post.waits or under_way(post.worker):
                post.task.cancel()
        if ending:
            await asyncio.wait([post.task for post in ending], timeout=seconds)

    def resume(self, plan: "Plan", config: Config) -> None:
        """Begin what is new."""
        self._leaving = [post for post in self._leaving if not post.task.done()]
        self._begin(plan.wanted, plan.workers, config)
        self._groups = dict(plan.wanted)

    async def stop(self, seconds: float) -> None:
        """Cancel everything; what the sessions had received is handed to the archive."""
        posts = [*self._posts.values(), *self._leaving]
        for post in posts:
            post.stop.set()
            post.task.cancel()
        if posts:
            await asyncio.wait([post.task for post in posts], timeout=seconds)

    def _begin(self, wanted: Mapping[str, Group], workers: Sequence[Worker], config: Config) -> None:
        for worker in workers:
            before = [post.task for post in self._leaving if post.group.name == worker.name]
            post = _Post(wanted[worker.name], worker, bool(before))
            post.task = asyncio.create_task(self._serve(post, before, config), name=f"line {worker.name}")
            self._posts[worker.name] = post

    async def _serve(self, post: _Post, before: "Sequence[asyncio.Task[None]]", config: Config) -> None:
        """Work as soon as nobody else has the line any more. A defect ends nobody else, and nothing for good."""
        anew = bool(before)
        if before:
            await asyncio.wait(before)
        while True:
            try:
                if anew:  # what is done by now is not due any more
                    post.worker, post.waits = self._build(reduced(config, [post.group]))[0], False
                post.defect = ""
                await post.worker.run(post.stop)
            except Exception as error:
                post.defect = repr(error)
                log.critical("line %s ended by a defect in gatewayd: %r", post.group.name, error, exc_info=error)
            else:
                return
            anew = True
            await wait(post.stop, AFTER_DEFECT_SECONDS)
            if post.stop.is_set():
                return


@dataclass(frozen=True, slots=True)
class Plan:
    """From one configuration to another: the groups that are wanted, the names of those that are to be ended, and the
    workers that are to begin."""

    wanted: Mapping[str, Group]
    going: tuple[str, ...]
    workers: tuple[Worker, ...]


def _finishes(post: _Post, wanted: Mapping[str, Group]) -> bool:
    """Whether a session is under way that may be finished: of meters that stay as they are, on a line that does so."""
    talks_to = under_way(post.worker)
    if not talks_to or isinstance(post.worker, ListenWorker):
        return False
    after, before = wanted.get(post.group.name), post.group
    if after is None or after.lines != before.lines:
        return False
    return all(after.meters.get(meter) == before.meters[meter] for meter in talks_to)


def under_way(worker: Worker) -> list[str]:
    """The meters with which somebody talks right now. A line that is lent has none: a stop ends the loan by itself."""
    return [one.meter for one in worker.state().under_way if not one.lent]


def lent(worker: Worker, line: str = "") -> list[str]:
    """What its lines, or this one, are lent for right now."""
    return [one.lent for one in worker.state().under_way if one.lent and line in ("", one.line)]


def hang_up_seconds(config: Config) -> float:
    """How long the slowest modem may take to hang up, and its session to be archived."""
    modems = [line for line in config.lines.values() if isinstance(line, ModemLine)]
    return max((float(line.hang_up_s) + 0.5 for line in modems), default=0.0)
