"""The composition root: the only place that builds parts from a configuration and connects them.

`build` makes the parts, `run` connects and supervises them, `lines` and `sinks` hold what runs and can be changed,
`reload` takes another configuration, `upkeep_loop` and `retention` do what is due besides, `technician` asks by hand,
`status` says how it is.
"""

from gatewayd.daemon.archive_turn import either
from gatewayd.daemon.asking import Collected, Question, question_text
from gatewayd.daemon.build import (
    DRIVER_OPTIONS,
    SINK_OPTIONS,
    build_acquisition,
    build_line,
    build_sink,
    build_station,
    build_store,
    load_config,
    now,
    opened,
)
from gatewayd.daemon.derived_replay import derived_end, replay_derived
from gatewayd.daemon.doubts import doubts
from gatewayd.daemon.elsewhere import check_elsewhere, gateway_elsewhere, opened_here
from gatewayd.daemon.journal import STANDARD_ERROR, log_to_standard_error
from gatewayd.daemon.lending import GIVE_BACK, LEND, PIN, loan_audit
from gatewayd.daemon.manual import Handing, hand_in, settle
from gatewayd.daemon.modems import Modem
from gatewayd.daemon.no_dump import forbid_dumps
from gatewayd.daemon.noting import FORGOTTEN, REPLAYED, note
from gatewayd.daemon.probe import iec_words, probe
from gatewayd.daemon.releases import Decision
from gatewayd.daemon.replay import Replayed, replay
from gatewayd.daemon.run import run
from gatewayd.daemon.scan_line import SCAN_UNITS, LineScan, Unit, scan_line
from gatewayd.daemon.status import status_on_disk
from gatewayd.daemon.substitute_orders import Order, Result
from gatewayd.daemon.substitutes import place
from gatewayd.daemon.technician import audited
from gatewayd.daemon.trace import event_from, event_object, hear, hexadecimal, open_alone, printed

__all__ = [
    "DRIVER_OPTIONS",
    "FORGOTTEN",
    "GIVE_BACK",
    "LEND",
    "PIN",
    "REPLAYED",
    "SCAN_UNITS",
    "SINK_OPTIONS",
    "STANDARD_ERROR",
    "Collected",
    "Decision",
    "Handing",
    "LineScan",
    "Modem",
    "Order",
    "Question",
    "Replayed",
    "Result",
    "Unit",
    "audited",
    "build_acquisition",
    "build_line",
    "build_sink",
    "build_station",
    "build_store",
    "check_elsewhere",
    "derived_end",
    "doubts",
    "either",
    "event_from",
    "event_object",
    "forbid_dumps",
    "gateway_elsewhere",
    "hand_in",
    "hear",
    "hexadecimal",
    "iec_words",
    "load_config",
    "loan_audit",
    "log_to_standard_error",
    "note",
    "now",
    "open_alone",
    "opened",
    "opened_here",
    "place",
    "printed",
    "probe",
    "question_text",
    "replay",
    "replay_derived",
    "run",
    "scan_line",
    "settle",
    "status_on_disk",
]
