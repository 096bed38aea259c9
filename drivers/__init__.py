"""The registry of drivers: one line each, and nothing else."""

from drivers.dlms.driver import KIND as DLMS
from drivers.iec62056_21.driver import KIND as IEC62056_21
from drivers.modbus.driver import KIND as MODBUS
from gatewayd.driver import DriverKind

DRIVERS: dict[str, DriverKind] = {
    "dlms": DLMS,
    "iec62056_21": IEC62056_21,
    "modbus": MODBUS,
}
