"""A gateway that is killed: `python -m tests.crash.writer FOLDER`. Every acknowledgement is a line on standard output.

It seals small segments all the time, so that kills meet that too. It ends only by being killed.
"""

import itertools
import sys
import time
from pathlib import Path

from gatewayd.archive.store import Store
from tests.crash.rig import varied
from tests.gatewayd.archive.samples import submit, written


def main(folder: Path) -> None:
    store = Store(folder, "gw-1", lambda: time.time_ns() // 1000, group_seconds=0.0, segment_bytes=300_000)
    store.open()
    sys.stdout.write("open\n")
    sys.stdout.flush()
    for number in itertools.count():
        for future in [submit(store, varied(number)) for _ in range(number % 3 + 1)]:
            sys.stdout.writelines(f"{item.seq} {item.ratio_id} {item.reading.raw_text}\n" for item in written(future))
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
