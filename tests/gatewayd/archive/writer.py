"""A writer that is killed: `python -m tests.gatewayd.archive.writer FOLDER PRODUCERS`.

Several producers append entries without end; each acknowledgement is a line on standard output: sequence numbers and
the text of the readings. It ends only by being killed.
"""

import asyncio
import sys
from pathlib import Path

from gatewayd.archive.store import Store
from tests.gatewayd.archive.samples import entry, opened, reading


async def produce(store: Store, producer: int) -> None:
    number = 0
    while True:
        number += 1
        texts = [f"{producer}/{number}/{part}" for part in range(number % 5 + 1)]
        received = bytes([producer]) * (number % 7 * 400)
        archived = await store.append(entry(*(reading(raw=text) for text in texts), received=received))
        line = " ".join(f"{one.seq}={one.reading.raw_text}" for one in archived)
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


async def main(folder: Path, producers: int) -> None:
    with opened(folder) as store:
        sys.stdout.write("open\n")
        sys.stdout.flush()
        await asyncio.gather(*(produce(store, producer) for producer in range(producers)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
