"""What a driver has done to a meter, for the archive: the entry of the audit log.

Rules: pure. Nothing is done that is not in the archive first: a deed that was announced and of which nothing else is
known has been done, or has not, and the archive says so.
"""

import json
from datetime import datetime

from gatewayd.archive.records import Audit
from gatewayd.model import Deed

CATEGORY = "meter"


def audit_of(deed: Deed, meter: str, line: str, at: datetime) -> Audit:
    """Subject is the meter, result that of the deed, detail a JSON object of its facts."""
    detail = json.dumps({"line": line, **dict(deed.facts)}, ensure_ascii=False, separators=(", ", ": "))
    return Audit(at, "gateway", CATEGORY, deed.type, meter, deed.result.value, detail)
