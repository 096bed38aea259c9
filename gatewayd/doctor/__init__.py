"""`gatewayd doctor`: what is wrong with this machine, this configuration and this gateway, and what to do about it.

Rules: looks, and changes nothing; opens no serial line; shows no secret. What one look finds out (`seen_...`) and what
that means (`judged_...`, pure) are two functions; whatever hangs costs its own finding and no more; what this user
cannot see is said to be not seen, never to be all right. The list of findings is described in docs/doctor.md.
"""

from gatewayd.doctor.findings import Finding, Level, Unseen
from gatewayd.doctor.looking import Look, Looks
from gatewayd.doctor.scene import Scene

__all__ = ["Finding", "Level", "Look", "Looks", "Scene", "Unseen"]
