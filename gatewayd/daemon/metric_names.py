"""Every metric that a gateway exports: name, type, labels and what it says.

Rules: names and labels are a promise to dashboards and alarms of others: none is ever renamed, and what a label says
does not change. docs/monitoring.md has this table (scripts/metrics_table.py). Values that a meter has sent are not
exported: those are for sinks.
"""

from gatewayd.daemon.exposition import Family, Type

_C, _G, _H = Type.COUNTER, Type.GAUGE, Type.HISTOGRAM

READINGS = Family(
    "gatewayd_readings_total", _C, "Readings that the archive has confirmed since the start, by status.", ("status",)
)
EXCHANGES = Family(
    "gatewayd_exchanges_total",
    _C,
    "Exchanges with meters and pushed messages that the archive has confirmed since the start, by how they ended.",
    ("outcome",),
)
READS = Family(
    "gatewayd_reads_total",
    _C,
    "What meters were asked for since the start, by how it ended: done; silent, refused, protocol_error, line_failed, "
    "deadline; cancelled; not_archived; defect. A connection of a meter that pushes is one.",
    ("driver", "result"),
)
READ_SECONDS = Family(
    "gatewayd_read_duration_seconds",
    _H,
    "How long sessions took in which meters were asked, from opening the line to closing it.",
    ("driver",),
)
LAST_SUCCESS = Family(
    "gatewayd_last_success_timestamp_seconds",
    _G,
    "When the last sound session of a meter ended, or its last message came; absent: none since the start. It stays "
    "when the meter or its line is changed.",
    ("meter",),
)
KNOWN_SINCE = Family(
    "gatewayd_meter_known_since_timestamp_seconds",
    _G,
    "Since when the gateway has had a meter: since its start, or since the reload that brought the meter.",
    ("meter",),
)
READ_PERIOD = Family(
    "gatewayd_read_period_seconds",
    _G,
    "The shortest time between two reads that the configuration demands of a meter; of one that pushes, its silence.",
    ("meter",),
)
METER_INFO = Family(
    "gatewayd_meter_info", _G, "1 for each meter of the configuration.", ("meter", "line", "driver", "metering_type")
)
METER_FAULT = Family("gatewayd_meter_fault", _G, "1 while a meter cannot be read or heard, else 0.", ("meter",))
CLOCK_OFFSET = Family(
    "gatewayd_clock_offset_seconds",
    _G,
    "A meter's clock minus the gateway's, as it was seen last; absent: not seen since the start, or since the meter or "
    "its line was changed.",
    ("meter",),
)
GAPS = Family(
    "gatewayd_profile_gaps",
    _G,
    "Intervals of the last seven days that a meter's profiles lack: asked (they are still asked for) or told (archived "
    "as missing). Not today's, and not yesterday's before the meter was read today.",
    ("meter", "state"),
)
DAYS_LATE = Family(
    "gatewayd_profile_deadlines_missed",
    _G,
    "Days of a meter's profiles that are over their deadline and neither complete nor explained; of meters with a "
    "deadline.",
    ("meter",),
)
BACK_FILLS = Family("gatewayd_profile_back_fills", _G, "Profiles that are still being read back.")
ALARMS = Family("gatewayd_alarms", _G, "Alarms that stand, of meters that have any.", ("meter",))
ALARMS_STANDING = Family("gatewayd_alarms_standing", _G, "Alarms that stand, of all meters.")
LINE_STATE = Family(
    "gatewayd_line_state",
    _G,
    "0: the line works; 1: it has failed and is being tried; 2: it has failed, and nobody on it is asked for a pause.",
    ("line",),
)
LINE_QUEUE = Family("gatewayd_line_queue", _G, "Jobs that are due and wait for the line.", ("line",))
LINE_LATE = Family("gatewayd_line_late_seconds", _G, "For how long the first of those jobs has waited.", ("line",))
LINE_BUSY = Family("gatewayd_line_sessions", _G, "Conversations that are going on.", ("line",))
MODEM_OUT = Family("gatewayd_modem_out_of_use", _G, "1 while a modem waits for somebody to act, else 0.", ("modem",))
OUTBOX_DEPTH = Family("gatewayd_outbox_depth", _G, "Readings that a sink has not taken yet.", ("sink",))
OUTBOX_OLDEST = Family(
    "gatewayd_outbox_oldest_seconds",
    _G,
    "Age of the first reading that a sink has not taken, since it was archived; 0 when it has all.",
    ("sink",),
)
SINK_UP = Family("gatewayd_sink_connected", _G, "1 while a sink is connected and has no fault, else 0.", ("sink",))
DELIVERED = Family(
    "gatewayd_sink_delivered_total", _C, "Readings that a sink has acknowledged since it was started.", ("sink",)
)
SET_ASIDE = Family(
    "gatewayd_sink_set_aside", _G, "Readings that a sink has refused for good, and does not get.", ("sink",)
)
METERING_POINTS = Family("gatewayd_metering_points", _G, "Metering points of which values are derived.")
METERING_SEQ = Family(
    "gatewayd_metering_position_seq",
    _G,
    "Sequence number in the archive up to which everything is derived; absent: not known yet.",
)
METERING_BEHIND = Family(
    "gatewayd_metering_behind_readings", _G, "Readings in the archive of which nothing is derived yet."
)
METERING_BEHIND_SECONDS = Family(
    "gatewayd_metering_behind_seconds",
    _G,
    "Age of the first reading of which nothing is derived yet, since it was archived; 0 when there is none.",
)
METERING_WAITING = Family(
    "gatewayd_metering_queue", _G, "Days of metering points that are to be computed, as far as it is known."
)
METERING_FAULT = Family(
    "gatewayd_metering_fault",
    _G,
    "1 while nothing is derived: a fault of a disk, or a defect that gatewayd status names.",
)
METERING_DAMAGE = Family(
    "gatewayd_metering_damage",
    _G,
    "1 while a segment of the archive or of the derived one cannot be read, so that some days are not derived; all "
    "others are.",
)
METERING_VALUES = Family(
    "gatewayd_metering_values_total",
    _C,
    "Versions of derived values that the derived archive has confirmed since the start, by layer and status.",
    ("layer", "status"),
)
METERING_SUBSTITUTES = Family(
    "gatewayd_metering_substitutes_total",
    _C,
    "Versions of derived values that are substitutes, by method: control, interpolated, comparable, estimate, manual.",
    ("method",),
)
METERING_FINDINGS = Family(
    "gatewayd_metering_findings_total",
    _C,
    "Versions of derived values that a validation rule has found something on, by rule; the configuration says how "
    "severe that is.",
    ("rule",),
)
METERING_DEPTH = Family(
    "gatewayd_metering_outbox_depth", _G, "Derived values that a sink has not taken yet.", ("sink",)
)
METERING_OLDEST = Family(
    "gatewayd_metering_outbox_oldest_seconds",
    _G,
    "Age of the first derived value that a sink has not taken, since it was archived; 0 when it has all.",
    ("sink",),
)
METERING_SINK_UP = Family(
    "gatewayd_metering_sink_connected",
    _G,
    "1 while a sink is connected for derived values and has no fault, else 0.",
    ("sink",),
)
METERING_DELIVERED = Family(
    "gatewayd_metering_sink_delivered_total",
    _C,
    "Derived values that a sink has acknowledged since it was started.",
    ("sink",),
)
METERING_SET_ASIDE = Family(
    "gatewayd_metering_sink_set_aside",
    _G,
    "Derived values that a sink has refused for good, and does not get.",
    ("sink",),
)
METERING_HEAD = Family(
    "gatewayd_metering_archive_head_seq",
    _G,
    "Sequence number of the last value in the derived archive; absent while that is not open.",
)
METERING_ARCHIVE_FAULT = Family(
    "gatewayd_metering_archive_fault", _G, "1 while the derived archive takes nothing or cannot be opened, else 0."
)
METERING_BYTES = Family(
    "gatewayd_metering_archive_bytes", _G, "Size of all segments of the derived archive with their journals."
)
HEAD = Family("gatewayd_archive_head_seq", _G, "Sequence number of the last reading in the archive.")
COMMIT_SECONDS = Family("gatewayd_archive_commit_seconds", _H, "How long commits took that were acknowledged.")
COMMITS_FAILED = Family(
    "gatewayd_archive_commits_failed_total", _C, "Commits since the start that failed: nothing of them is acknowledged."
)
ARCHIVE_FAULT = Family("gatewayd_archive_fault", _G, "1 while the archive takes nothing, else 0.")
ARCHIVE_ASIDE = Family(
    "gatewayd_archive_segments_put_aside",
    _G,
    "Damaged segments that were put aside: what they hold is not read any more.",
)
ARCHIVE_BYTES = Family("gatewayd_archive_bytes", _G, "Size of all segments with their journals.")
DISK_FREE = Family("gatewayd_archive_disk_free_bytes", _G, "What is free for the gateway on the archive's disk.")
DISK_SIZE = Family("gatewayd_archive_disk_size_bytes", _G, "Size of the archive's disk.")
CLOCK_SURE = Family(
    "gatewayd_gateway_clock_synchronised",
    _G,
    "1 when the gateway's own clock is known to be right, or trusted, else 0.",
)
CLOCK_ERROR = Family(
    "gatewayd_gateway_clock_error_seconds",
    _G,
    "By how much the gateway's clock may be off, as the kernel says; absent: it does not.",
)
READY = Family("gatewayd_ready", _G, "1 when /readyz says 200, else 0.")
UNREADY = Family("gatewayd_not_ready_reasons", _G, "How many reasons /readyz gives; 0 when it says 200.")
CONFIG_FAULT = Family(
    "gatewayd_configuration_fault", _G, "1 when the configuration file was refused the last time, else 0."
)
CONFIG_LOADED = Family(
    "gatewayd_configuration_loaded_timestamp_seconds", _G, "When the present configuration was taken."
)
BUILD = Family("gatewayd_build_info", _G, "1; what runs, and whose it is.", ("gateway", "version", "python"))
START = Family("gatewayd_start_time_seconds", _G, "When the gateway was started, by its clock at that time.")
SCRAPE_SECONDS = Family("gatewayd_scrape_seconds", _G, "How long it took to collect the values of this page.")
CPU = Family("process_cpu_seconds_total", _C, "Processor time of the gateway, user and system.")
RSS = Family("process_resident_memory_bytes", _G, "Memory of the gateway that is in RAM.")
FILES = Family("process_open_fds", _G, "Files and sockets that the gateway has open.")
FILES_MOST = Family("process_max_fds", _G, "Files and sockets that it may have open.")
THREADS = Family("process_threads", _G, "Threads of the gateway.")

FAMILIES = tuple(value for value in list(globals().values()) if isinstance(value, Family))
"""All of them, in the order of the page."""
