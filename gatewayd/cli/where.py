"""Where the archive of a configuration is, without loading all of it: a file with thousands of meters takes seconds.

Rules: only what is plain is understood, and nothing is said about faults: None sends the caller to the whole thing.
"""

import re
from pathlib import Path

_BLOCK = re.compile(r"^archive[ \t]*:(.*\n(?:[ \t#\r\n].*\n|\n)*)", re.MULTILINE)


def archive_folder(config_path: Path) -> Path | None:
    """The folder that `archive: {path: ...}` names in this file; None where that takes a closer look."""
    import yaml

    try:
        found = _BLOCK.findall(config_path.read_text(encoding="utf-8-sig") + "\n")
        if len(found) != 1:
            return None
        block = yaml.load("archive:" + found[0], Loader=yaml.BaseLoader)  # noqa: S506 - texts, no objects
        path = block["archive"]["path"]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
        return None
    return Path(path) if isinstance(path, str) and path.startswith("/") else None
