"""A load profile, billing profile or event log: asked for in pieces, by whichever way the meter can (class 7).

Rules: by range, else by entry, else the whole buffer; what has worked is remembered with the profile. As long as no
range has brought a row, one without rows is compared with the entries. A refusal that may pass is an error and teaches
nothing. Each piece is an Answer of its own: what came is archived before the next is
asked for. Rows that were not asked for are left out, and said where the meter was asked for a range. Rows that do not
fit what is kept of the profile make it be read again, once.
"""

from collections import deque
from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta

import msgspec

from drivers.dlms.asking import Asking, lasting
from drivers.dlms.captures import (
    BUFFER,
    CLOCK,
    IN_USE,
    Captures,
    SortMethod,
    Way,
    attribute,
    captures_of,
    forget,
    keep,
    number,
    refusal,
)
from drivers.dlms.columns import layout
from drivers.dlms.event_log import events_of, is_log
from drivers.dlms.intervals import (
    Asked,
    Placed,
    Timed,
    apart,
    backward,
    joined,
    place_captured,
    place_intervals,
    times_of,
)
from drivers.dlms.profile_plan import EntrySearch, ProfileContext, Window, margins, stamps_of, windows
from drivers.dlms.profile_readings import readings_of
from drivers.dlms.rows import rows_of
from drivers.dlms.status_words import StatusWords
from drivers.dlms.wire.association_dialogue import RequestTooLong, ServiceRefused
from drivers.dlms.wire.attribute import EntrySelection, RangeSelection, Selection
from drivers.dlms.wire.axdr_value import Value
from drivers.dlms.wire.cosem_time import encode_date_time
from drivers.dlms.wire.service_errors import DataAccess
from gatewayd.errors import MeterDiffers, ProtocolError
from gatewayd.model import Answer, Profile

_COMPLAINTS = 5
_BESIDE = 100
"""Rows outside of a range, more than inside, from which on the meter is taken to send everything whatever is asked."""
_AT_ONCE = 16
"""Pieces that become one as long as nothing comes: an empty memory is soon known, and a full one is not too long."""
_ENOUGH = 4
"""Rows that are needed to contradict the period that is kept of the profile."""
_MEANT_FOR_SELECTION = frozenset({DataAccess.OTHER_REASON})
"""Refusals that say nothing by themselves, and are what meters without selective access answer."""


async def profile(session: Asking, context: ProfileContext, request: Profile) -> AsyncGenerator[Answer, None]:
    """The rows after `request.start` and not after `request.end`, an Answer for each piece, oldest first.

    MeterDiffers where the meter does not have the profile or refuses it for good; ProtocolError for what it should not
    have sent, and for refusals that may pass.
    """
    run = _Run(session, context, request)
    await run.begin()
    waiting, many = deque(windows(run.wanted, context, run.captures.period)), 1
    while waiting:
        taken = [waiting.popleft() for _ in range(min(many, len(waiting)))]
        answer = await run.piece(Window(taken[0].start, taken[-1].end))
        many = 1 if answer.readings else min(2 * many, _AT_ONCE)
        yield answer


class _Refused(Exception):
    """A way that the meter does not go; `why` None where that was clear before asking."""

    def __init__(self, why: DataAccess | MeterDiffers | None) -> None:
        super().__init__(why)
        self.why = why


class _Contradicted(Exception):
    """Rows do not fit what is kept of the profile."""


class _Run:
    """One request under way."""

    captures: Captures

    def __init__(self, session: Asking, context: ProfileContext, request: Profile) -> None:
        self.wanted = Window(request.start, request.end)
        self._session = session
        self._context = context
        self._obis = request.obis
        self._profile = bytes(request.obis.groups)
        self._log = is_log(request.obis)
        self._began = context.clock()
        self._words = StatusWords(context.vendor.status)
        self._before: Placed | None = None
        self._whole: list[Placed] | None = None  # everything that the meter has, where it is sent at once
        self._search: tuple[int, Timed] | None = None  # entries in use, and the newest row
        self._more = timedelta(0), timedelta(0)  # that a range is asked for beside what is wanted
        self._said: list[str] = []

    async def begin(self) -> None:
        """What the profile captures, and the scales of its registers."""
        self.captures = await captures_of(self._session, self._profile, self._context.cache, self._began, log=self._log)
        await self._lay_out()

    async def _lay_out(self) -> None:
        columns = self.captures.columns
        scales = await self._context.scales.of(self._session, [(one.class_id, one.logical_name) for one in columns])
        self._layout = layout(self.captures, scales, marked=bool(self._context.vendor.missing))
        unknown = [value.code for group in self._layout.groups for value in group.columns if value.faults]
        if unknown:
            self._said.append(f"{self._obis}: no scaler and unit of {', '.join(unknown)}, the values are not believed")
        if self._layout.clock is None:
            self._said.append(f"{self._obis}: captures no clock, the rows carry the time of reading")

    async def piece(self, window: Window) -> Answer:
        """The rows of one window."""
        way = "none"
        if self._whole is not None:
            placed = [row for row in self._whole if row.end is not None]  # the others came with the first piece
        else:
            try:
                placed, way = await self._placed(window)
            except _Contradicted:
                await forget(self._context.cache, self._profile)
                self._context.scales.forget()
                self._search = self._before = None
                await self.begin()
                placed, way = await self._placed(window)
        asked = self._asked(window)
        made = events_of(placed, asked) if self._log else readings_of(placed, asked)
        if way == "range":
            self._tell_outside(placed, window)
            timed = [row for row in placed if row.end is not None and row.end <= window.end]
            self._before = timed[-1] if timed else self._before
        if made.odd:
            self._said.append(f"{self._obis}: {made.odd} rows that have not {len(self.captures.columns)} elements")
        if not made.readings:
            self._said.append("no rows")
        said, self._said = list(dict.fromkeys(self._said)), []
        shown = said[:_COMPLAINTS] + ([f"and {len(said) - _COMPLAINTS} more"] if len(said) > _COMPLAINTS else [])
        return Answer(made.readings, detail="; ".join(shown))

    def _asked(self, window: Window) -> Asked:
        return Asked(self._context, self._obis, self.captures, self._layout, self._words, window, self._context.clock())

    def _tell_outside(self, placed: list[Placed], window: Window) -> None:
        """The row at the beginning itself is asked for, and belongs to the piece before."""
        first, last = window.start - self._more[0], window.end + self._more[1]
        outside = sum(1 for row in placed if row.end is not None and not first <= row.end <= last)
        if outside:
            self._said.append(f"{self._obis}: {outside} rows that were not asked for are left out")

    # -- ways to the rows ---------------------------------------------------------------------------------------------

    async def _placed(self, window: Window) -> tuple[list[Placed], str]:
        """The rows by the first way that works, which is remembered."""
        why: DataAccess | MeterDiffers | None = None
        for way in self._ways():
            try:
                match way:
                    case "range":
                        placed, gone = await self._by_range(window)
                        if not placed and self.captures.way != way and "entry" in self._context.ways:
                            placed = await self._overlooked(window)
                            gone = "entry" if placed else gone
                        return placed, gone
                    case "entry":
                        placed = await self._by_entry(window)
                        if placed:
                            await self._learn("entry")
                        return placed, way
                    case _:
                        return await self._all(), way
            except _Refused as refused:
                why = refused.why or why
        if isinstance(why, MeterDiffers):
            raise why
        if why is not None:
            raise refusal(why, f"the rows of the profile {self._obis}")
        raise MeterDiffers(
            f"cannot be asked for a part of the profile {self._obis} by {' or '.join(self._context.ways)}; "
            "set selective_access: auto"
        )

    async def _overlooked(self, window: Window) -> list[Placed]:
        """What the entries have of a window of which the range had nothing: some meters do not understand a range and
        say so in this way. A meter that does not tell has nothing."""
        try:
            placed = await self._by_entry(window)
        except (_Refused, ProtocolError):
            return []
        if not any(row.end is not None and window.holds(row.end) for row in placed):
            return []
        self._said.append(f"{self._obis}: sends nothing for a range of which it has rows")
        await self._learn("entry")
        return placed

    def _ways(self) -> Sequence[str]:
        ways = self._context.ways
        return ways[ways.index(self.captures.way) :] if self.captures.way in ways else ways

    async def _by_range(self, window: Window) -> tuple[list[Placed], str]:
        captures, context = self.captures, self._context
        by = captures.clock
        if captures.sort_object is not None and captures.sort_object.class_id == CLOCK:
            by = captures.sort_object if context.vendor.range_on == "sort" or by is None else by
        if by is None:
            raise _Refused(None)
        stamps = stamps_of(window, context, captures.period)
        self._more = margins(stamps, context, captures.period)
        start, end = (
            encode_date_time(at.replace(microsecond=0), context.rules, with_deviation=context.with_deviation)
            for at in (stamps.start - self._more[0], stamps.end + self._more[1])
        )
        times = self._times(await self._rows(RangeSelection(by, start, end)), window)
        placed = self._place(times, window, self._before)
        ends = [row.end for row in placed if row.end is not None]
        inside = sum(1 for end in ends if window.holds(end))
        # Rows that end before what is wanted does are no whole buffer: of a range that the meter has made wider.
        period = timedelta(seconds=captures.period)
        wanted = min(self.wanted.end, context.clock() + context.ahead - 2 * period)
        if len(ends) - 2 * inside > _BESIDE and max(ends) >= wanted:
            self._said.append(f"{self._obis}: sends all rows whatever range it is asked for")
            self._whole = placed
            await self._learn("none")
            return placed, "none"
        if placed:
            await self._learn("range")
        return placed, "range"

    async def _by_entry(self, window: Window) -> list[Placed]:
        if not self.captures.in_order_of_time:
            raise _Refused(None)
        if self._search is None:
            answer = await self._session.get(attribute(self._profile, IN_USE))
            if isinstance(answer, DataAccess):
                raise _Refused(answer)
            in_use = number(answer.value, "a number of entries in use")
            if not in_use:
                return []
            self._search = in_use, await self._newest(in_use, window)
        in_use, (_, newest) = self._search
        if newest.at is None:
            raise _Refused(None)
        stamps = stamps_of(window, self._context, self.captures.period)
        if newest.at <= stamps.start:
            return []
        search = EntrySearch(stamps, in_use, newest.at, self.captures.period)
        found: list[Timed] = []
        while (ages := search.next()) is not None:
            times = await self._ages(*ages, in_use, window)
            instants = [time.at for _, time in times if time.at is not None]
            older = search.goes_back
            search.found(min(instants, default=None), max(instants, default=None))
            clock = self._layout.clock
            found = joined(times, found, clock) if older else joined(found, times, clock)
        if not search.complete:
            self._said.append(f"{self._obis}: entry numbers lead nowhere, rows may be missing")
        return self._place(found, window, None)

    async def _newest(self, in_use: int, window: Window) -> Timed:
        """The newest row. Where the two newest are in the wrong order and the two oldest are so too, the meter sorts
        the other way round than it says."""
        stated = self.captures
        times = await self._ages(1, min(2, in_use), in_use, window)
        if len(times) == 2 and backward(times):
            other = SortMethod.FIFO if stated.newest_first else SortMethod.LIFO
            self.captures = msgspec.structs.replace(stated, sort_method=other)
            turned = await self._ages(1, 2, in_use, window)
            if len(turned) == 2 and not backward(turned):
                self._said.append(f"{self._obis}: is sorted the other way round than sort_method says")
                await keep(self._context.cache, self._profile, self.captures)
                return turned[-1]
            self.captures = stated
        if not times:
            # It counts the rows for which there is room, or its numbers are others: the buffer as a whole may do.
            raise _Refused(MeterDiffers(f"has {in_use} rows in the profile {self._obis} and sends none of the newest"))
        return times[-1]

    async def _ages(self, young: int, old: int, in_use: int, window: Window) -> list[Timed]:
        """Rows by their age: 1 is the newest."""
        first, last = (young, old) if self.captures.newest_first else (in_use - old + 1, in_use - young + 1)
        return self._times(await self._rows(EntrySelection(first, last)), window)

    async def _all(self) -> list[Placed]:
        times = self._times(await self._rows(None), self.wanted)
        self._whole = self._place(times, self.wanted, None)
        await self._learn("none")
        return self._whole

    async def _rows(self, selection: Selection | None) -> Value:
        """The buffer. _Refused where this way is closed for good, an error where it may be open tomorrow."""
        try:
            answer = await self._session.get(attribute(self._profile, BUFFER), selection)
        except (ServiceRefused, RequestTooLong) as error:
            raise _Refused(error) from error
        if not isinstance(answer, DataAccess):
            return answer.value
        if lasting(answer) or (selection is not None and answer in _MEANT_FOR_SELECTION):
            raise _Refused(answer)
        raise refusal(answer, f"the rows of the profile {self._obis}")

    # -- rows to their places -----------------------------------------------------------------------------------------

    def _times(self, buffer: Value, window: Window) -> list[Timed]:
        """The rows of a buffer with their times. _Contradicted where the columns are kept ones and do not fit."""
        fill = self._context.vendor.nulls == "previous"
        rows = rows_of(buffer, self._layout.width, self._layout.clock, fill=fill)
        if self._kept and not all(row.values for row in rows):
            raise _Contradicted
        return times_of(rows, self._asked(window))

    def _place(self, times: list[Timed], window: Window, before: Placed | None) -> list[Placed]:
        asked = self._asked(window)
        if self._log or not self.captures.period:
            return place_captured(times, asked)
        placed, said = place_intervals(times, asked, before)
        if self._kept and len(placed) >= _ENOUGH and apart(placed, timedelta(seconds=self.captures.period)):
            raise _Contradicted
        self._said.extend(said)
        return placed

    @property
    def _kept(self) -> bool:
        """Whether what is known of the profile is from an earlier request."""
        return self.captures.read_at < int(self._began.timestamp())

    async def _learn(self, way: Way) -> None:
        if self.captures.way != way:
            self.captures = msgspec.structs.replace(self.captures, way=way)
            await keep(self._context.cache, self._profile, self.captures)
