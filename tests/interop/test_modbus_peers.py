"""Foreign Modbus parts on both sides: mbpoll, libmodbus and pymodbus read our simulated devices, and `gatewayd read`
reads devices made of libmodbus and of pymodbus.

What the simulator has is written down a second time in tests/simulators/modbus_devices.py; octets of the foreign
servers are computed by hand.
"""

import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.framer import FramerType

from tests.interop.modbus_peers import (
    compiled,
    joined_terminals,
    libmodbus_client,
    libmodbus_server,
    mbpoll,
    pymodbus_server,
)
from tests.simulators.modbus_devices import NOW, expected
from tests.simulators.reader import simulate
from tests.system.forked import QuickSite
from tests.system.rig import ROOT, Site

SDM = ("--map", "eastron-sdm630", "--now", NOW, "--frozen")
IMPORT, EXPORT = 0x48, 0x4A
# Float32: 1234.5 = 1.2055664 x 2^10, 0.25 = 2^-2.
IMPORTED, EXPORTED, SERIAL = "449a5000", "3e800000", "02168912"
SERIAL_AT = 0xFC00


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The C server and the C client."""
    folder = tmp_path_factory.mktemp("libmodbus")
    return compiled("modbus_server", folder), compiled("modbus_client", folder)


def kilowatt_hours(obis: str, unit: int = 1) -> bytes:
    return struct.pack(">f", expected(obis, unit) / 1000)


def printed(obis: str, unit: int) -> float:
    """As mbpoll prints it, with six digits."""
    return float(f"{struct.unpack('>f', kilowatt_hours(obis, unit))[0]:g}")


# ------------------------------------------------------------------------------------- they read our simulated devices


@pytest.mark.parametrize("line", ["tcp", "pty"])
def test_mbpoll_reads_floats(line: str, tmp_path: Path) -> None:
    link = tmp_path / "meter"
    place = ("--pty", link) if line == "pty" else ("--tcp", "0", "--transport", "tcp")
    with simulate(*place, *SDM, "--unit", "17", kind="modbus") as simulator:
        how = ("-m", "rtu", "-b", "9600", "-P", "none") if line == "pty" else ("-p", simulator.port)
        where = str(link) if line == "pty" else "127.0.0.1"
        values, said = mbpoll(where, *how, "-a", 17, "-r", IMPORT, "-c", 2, "-t", "3:float", "-B")
        _, refused = mbpoll(where, *how, "-a", 17, "-r", 0x200, "-c", 2, "-t", "3:float", "-B")
    found = {address: float(value) for address, value in values.items()}
    assert found == {IMPORT: printed("1-0:1.8.0", 17), EXPORT: printed("1-0:2.8.0", 17)}, said
    assert "Illegal data address" in refused


def test_mbpoll_reads_integers_with_the_low_word_first() -> None:
    arguments = ("--map", "carlo-gavazzi-em24", "--ct", "200/5", "--now", NOW, "--frozen")
    with simulate("--tcp", "0", "--transport", "tcp", *arguments, kind="modbus") as simulator:
        energy, said = mbpoll("127.0.0.1", "-p", simulator.port, "-r", 0x3E, "-c", 1, "-t", "3:int")
        ratio, _ = mbpoll("127.0.0.1", "-p", simulator.port, "-r", 0x112C, "-c", 1, "-t", "3:int")
    assert energy == {0x3E: str(expected("1-0:1.8.0") // 100)}, said
    assert ratio == {0x112C: "400"}


@pytest.mark.parametrize("line", ["tcp", "pty"])
def test_libmodbus_reads(line: str, tmp_path: Path, programs: tuple[Path, Path]) -> None:
    link = tmp_path / "meter"
    place = ("--pty", link) if line == "pty" else ("--tcp", "0", "--transport", "tcp")
    fault = ("--fault", "exception=6:3", *(("--fault", "other-unit:4") if line == "pty" else ()))
    with simulate(*place, *SDM, *fault, kind="modbus") as simulator:
        how = ("rtu", link, 1) if line == "pty" else ("tcp", simulator.port, 1)
        both = kilowatt_hours("1-0:1.8.0") + kilowatt_hours("1-0:2.8.0")
        assert libmodbus_client(programs[1], *how, 4, IMPORT, 4) == both.hex()
        assert libmodbus_client(programs[1], *how, 3, SERIAL_AT, 2) == f"{35031001:08x}"
        assert libmodbus_client(programs[1], *how, 4, IMPORT, 4) == "Slave device or server is busy"
        if line == "pty":  # over TCP it believes the transaction
            assert libmodbus_client(programs[1], *how, 4, IMPORT, 4) == "Response not from requested slave"
        assert bytes.fromhex(libmodbus_client(programs[1], *how, "id")).rstrip(b"\xff") == b"SDM630-Modbus"


@contextmanager
def pymodbus_client(line: str, tmp_path: Path, *arguments: str) -> Iterator[Any]:
    """Its synchronous client on our simulated devices."""
    link = tmp_path / "meter"
    place = ("--pty", link) if line == "pty" else ("--tcp", "0", "--transport", "tcp" if line == "tcp" else "rtu")
    with simulate(*place, *arguments, kind="modbus") as simulator:
        client: ModbusSerialClient | ModbusTcpClient
        if line == "pty":
            client = ModbusSerialClient(str(link), baudrate=9600, timeout=2, retries=0)
        else:
            framer = FramerType.SOCKET if line == "tcp" else FramerType.RTU
            client = ModbusTcpClient("127.0.0.1", framer=framer, port=simulator.port, timeout=2, retries=0)
        with client:
            yield client


@pytest.mark.parametrize("line", ["tcp", "rtu over tcp", "pty"])
def test_pymodbus_reads(line: str, tmp_path: Path) -> None:
    with pymodbus_client(line, tmp_path, *SDM, "--fault", "exception=4:2") as client:
        found = client.read_input_registers(IMPORT, count=4, device_id=1)
        octets = struct.pack(">4H", *found.registers)
        assert octets == kilowatt_hours("1-0:1.8.0") + kilowatt_hours("1-0:2.8.0")
        assert client.read_input_registers(IMPORT, count=4, device_id=1).exception_code == 4
        assert client.read_holding_registers(0, count=1, device_id=1).exception_code == 2
        assert client.read_coils(0, count=1, device_id=1).exception_code == 1
        assert client.write_register(IMPORT, 1, device_id=1).exception_code == 1


def test_pymodbus_reads_the_identification(tmp_path: Path) -> None:
    file = tmp_path / "identified.yaml"
    file.write_text(
        'name: identified\nmodels: [ID-1]\nidentification: {device_id: {vendor: "Maker.*", product: "ID-1"}}\n'
        "registers: [{obis: 1-0:1.8.0, address: 0, type: u32, unit: Wh}]\n"
    )
    with pymodbus_client("tcp", tmp_path, "--map", str(file)) as client:
        found = client.read_device_information(read_code=1, object_id=0, device_id=1)
        assert found.information == {0: b"Maker", 1: b"ID-1", 2: b"1.0"}
        assert found.more_follows == 0


# --------------------------------------------------------------------------------------------- we read theirs


def readings(site: Site, line: str, options: str, *codes: str, code: int = 0) -> dict[str, tuple[str, str | None]]:
    """`gatewayd read` as a process: status and value of each register."""
    site.configure(f"  bus: {{{line}}}\n", f"  - {{id: em-1, driver: modbus, line: bus, modbus: {{{options}}}}}\n")
    found = QuickSite(site).json("read", "em-1", *codes, code=code)["readings"]
    return {each["obis"].removesuffix("*255"): (each["status"], each["value"]) for each in found}


BOTH = {"1-0:1.8.0": ("true", "1234.5"), "1-0:2.8.0": ("true", "0.25")}
GIVEN = (f"4:{IMPORT}:{IMPORTED}{EXPORTED}", f"3:{SERIAL_AT}:{SERIAL}")


def as_words(text: str) -> list[int]:
    return [int(text[at : at + 4], 16) for at in range(0, len(text), 4)]


@pytest.mark.parametrize("kind", ["tcp", "rtu"])
def test_we_read_a_device_of_libmodbus(kind: str, tmp_path: Path, programs: tuple[Path, Path]) -> None:
    options = f"unit: 1, map: eastron-sdm630, transport: {kind}"
    with ExitStack() as stack:
        if kind == "tcp":
            arguments = ("tcp", "1", "0", "65536", *GIVEN)
            port = stack.enter_context(libmodbus_server(programs[0], *arguments))
            line = f"type: tcp, host: 127.0.0.1, port: {port}"
        else:
            theirs, ours = stack.enter_context(joined_terminals())
            stack.enter_context(libmodbus_server(programs[0], "rtu", str(theirs), "1", "0", "65536", *GIVEN))
            line = f"type: serial, device: {ours}, baud: 9600, framing: 8N1"
        assert readings(Site(tmp_path), line, options, "1-0:1.8.0", "1-0:2.8.0") == BOTH


def test_what_a_device_of_libmodbus_refuses_is_missing_and_the_rest_is_read(
    tmp_path: Path, programs: tuple[Path, Path]
) -> None:
    """Registers from 0x50 on are not there: neither the serial number nor most of the map."""
    arguments = ("tcp", "1", "0", str(0x4C), f"4:{IMPORT}:{IMPORTED}{EXPORTED}")
    with libmodbus_server(programs[0], *arguments) as port:
        line = f"type: tcp, host: 127.0.0.1, port: {port}"
        options = "unit: 1, map: eastron-sdm630, transport: tcp, read_serial: false, max_gap: 10"
        found = readings(Site(tmp_path), line, options, "1-0:1.8.0", "1-0:2.8.0", "1-0:3.8.0", code=1)
    assert found == BOTH | {"1-0:3.8.0": ("missing", None)}


@pytest.mark.parametrize("kind", ["tcp", "rtu over tcp", "rtu"])
def test_we_read_a_device_of_pymodbus(kind: str, tmp_path: Path) -> None:
    holding, inputs = {SERIAL_AT: as_words(SERIAL)}, {IMPORT: as_words(IMPORTED + EXPORTED)}
    options = f"unit: 1, map: eastron-sdm630, transport: {'tcp' if kind == 'tcp' else 'rtu'}"
    with ExitStack() as stack:
        if kind == "rtu":
            theirs, ours = stack.enter_context(joined_terminals())
            stack.enter_context(pymodbus_server(holding, inputs, device=theirs))
            line = f"type: serial, device: {ours}, baud: 9600, framing: 8N1"
        else:
            port = stack.enter_context(pymodbus_server(holding, inputs, rtu=kind == "rtu over tcp"))
            line = f"type: tcp, host: 127.0.0.1, port: {port}"
        assert readings(Site(tmp_path), line, options, "1-0:1.8.0", "1-0:2.8.0") == BOTH


@pytest.mark.parametrize("kind", ["tcp", "rtu over tcp"])
def test_we_read_every_register_of_our_own_simulated_device(kind: str, tmp_path: Path) -> None:
    """Not a foreign part: it shows that the whole map is read where every code is asked for."""
    transport = "tcp" if kind == "tcp" else "rtu"
    place = ("--tcp", "0", "--transport", transport, "--lenient")
    arguments = ("--map", "carlo-gavazzi-em24", "--now", NOW, "--frozen")
    with simulate(*place, *arguments, kind="modbus") as simulator:
        line = f"type: tcp, host: 127.0.0.1, port: {simulator.port}"
        found = readings(Site(tmp_path), line, f"unit: 1, map: carlo-gavazzi-em24, transport: {transport}")
    written = (ROOT / "drivers" / "modbus" / "maps" / "carlo-gavazzi-em24.yaml").read_text().count("obis:")
    assert len(found) == written and {status for status, _ in found.values()} == {"true"}
    assert Fraction(str(found["1-0:1.8.0"][1])) == Fraction(expected("1-0:1.8.0") // 100, 10)
