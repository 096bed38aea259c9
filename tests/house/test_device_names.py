"""/dev/gatewayd: which adapter and which modem gets which name by packaging/systemd/udev."""

from pathlib import Path

import pytest

from tests.house.udev import Device, apply, parsed

ROOT = Path(__file__).parents[2]
FILE = ROOT / "packaging" / "systemd" / "udev" / "70-gatewayd.rules"
RULES = parsed(FILE.read_text())
PLACE = "pci-0000_00_14_0-usb-0_2_1_0"


def plugged(vendor: str, model: str, serial: str = "", interface: str = "00", **more: str) -> Device:
    """A port of a USB device, as 60-serial.rules leaves it."""
    env = {
        "ID_BUS": "usb",
        "ID_VENDOR_ID": vendor,
        "ID_MODEL_ID": model,
        "ID_USB_INTERFACE_NUM": interface,
        "ID_PATH_TAG": PLACE,
    }
    if serial:
        env["ID_SERIAL_SHORT"] = serial
    return apply(RULES, Device(env=env | more))


@pytest.mark.parametrize(
    ("vendor", "model", "serial"),
    [
        ("0403", "6001", "A50285BI"),
        ("0403", "6015", "DN01ABCD"),
        ("10c4", "ea60", "0001"),
        ("067b", "2303", "CEDXb119J20"),
        ("067b", "23a3", "CEDXb119J21"),
        ("1a86", "7523", ""),
    ],
)
def test_an_optical_head_has_a_name_that_stays(vendor: str, model: str, serial: str) -> None:
    """By its number, or by its place where it has none; and by its place in any case."""
    head = plugged(vendor, model, serial)
    assert head.links == [f"gatewayd/optical-{serial or PLACE}", f"gatewayd/port-{PLACE}"]
    assert head.given == {"GROUP": "dialout", "MODE": "0660"}


@pytest.mark.parametrize(
    ("vendor", "model", "dials"),
    [
        ("12d1", "1001", "00"),
        ("1e0e", "9001", "03"),
        ("2c7c", "0125", "03"),
        ("1546", "1102", "00"),
        ("1e2d", "0058", "00"),
        ("1bc7", "0021", "00"),
    ],
)
def test_of_a_modem_the_port_that_dials_is_named(vendor: str, model: str, dials: str) -> None:
    for interface in ("00", "01", "02", "03", "04"):
        port = plugged(vendor, model, "356938035643809", interface)
        named = ["gatewayd/modem-356938035643809", f"gatewayd/port-{PLACE}"]
        assert port.links == (named if interface == dials else [])
        assert bool(port.given) == (interface == dials)


def test_other_devices_are_left_alone() -> None:
    for other in (
        plugged("2341", "0043", "7573530"),  # a board of a hobbyist
        plugged("1546", "01a8", ""),  # a receiver for positions of a maker of modems
        apply(RULES, Device(env={"ID_PATH_TAG": "platform-serial8250"})),
        apply(RULES, Device(subsystem="block", env={"ID_BUS": "usb", "ID_VENDOR_ID": "12d1", "ID_MODEL_ID": "1001"})),
        apply(RULES, Device(action="remove", env={"ID_BUS": "usb", "ID_VENDOR_ID": "0403", "ID_MODEL_ID": "6001"})),
    ):
        assert (other.links, other.given) == ([], {})
        assert "ID_MM_DEVICE_IGNORE" not in other.env


def test_a_box_can_say_what_an_adapter_is_for() -> None:
    assert plugged("0403", "6001", "A1", GATEWAYD_KIND="bus").links[0] == "gatewayd/bus-A1"
    assert plugged("2341", "0043", "B2", GATEWAYD_KIND="modem").links[0] == "gatewayd/modem-B2"


@pytest.mark.parametrize(
    ("vendor", "model", "interfaces", "plain"),
    [
        ("0403", "6011", 4, 0),  # FT4232H
        ("10c4", "ea70", 2, 0),  # CP2105
        ("2c7c", "0125", 4, 3),  # Quectel: the port that dials keeps the name that it has without being told
        ("1e0e", "9001", 4, 3),  # SIMCom
        ("12d1", "1001", 3, 0),  # Huawei
    ],
)
def test_each_port_of_an_adapter_has_a_name_of_its_own(vendor: str, model: str, interfaces: int, plain: int) -> None:
    """Two ports of one name: which of them has it would be chance."""
    names = [
        plugged(vendor, model, "S1", f"{number:02}", GATEWAYD_KIND="modem").links[0] for number in range(interfaces)
    ]
    assert names == [f"gatewayd/modem-S1{'' if n == plain else f'-if{n:02}'}" for n in range(interfaces)]


def test_ports_that_share_an_interface_have_names_of_their_own() -> None:
    """As 60-serial.rules tells them apart."""
    first, second = (plugged("110a", "1410", "M1", GATEWAYD_KIND="bus", **{".ID_PORT": port}) for port in "01")
    assert first.links == ["gatewayd/bus-M1", f"gatewayd/port-{PLACE}"]
    assert second.links == ["gatewayd/bus-M1-port1", f"gatewayd/port-{PLACE}-port1"]
    nameless = plugged("110a", "1410", "", "01", GATEWAYD_KIND="bus", **{".ID_PORT": "1"})
    assert nameless.links[0] == f"gatewayd/bus-{PLACE}-port1", "the place has the interface in it"


def test_a_port_of_the_board_has_the_name_that_the_box_gives_it() -> None:
    board = Device(kernel="ttyS1", env={"ID_PATH_TAG": "platform-serial8250", "GATEWAYD_KIND": "bus"})
    assert apply(RULES, board).links == ["gatewayd/bus-ttyS1"]
    assert board.given == {"GROUP": "dialout", "MODE": "0660"}


def test_what_the_guide_has_a_box_say_is_understood() -> None:
    """docs/systemd.md, 65-gatewayd.rules."""
    guide = (ROOT / "docs" / "systemd.md").read_text().split("Say it in `/etc/udev/rules.d/65-gatewayd.rules`")[1]
    lines = [line.strip() for line in guide.split("\n\n")[1].splitlines()]
    box = parsed("\n".join(lines)) + RULES
    adapter = {"ID_BUS": "usb", "ID_USB_INTERFACE_NUM": "00", "ID_SERIAL_SHORT": "A50285BI"}
    assert apply(box, Device(env=adapter)).links == ["gatewayd/bus-A50285BI"]
    assert apply(box, Device(kernel="ttyS1")).links == ["gatewayd/bus-ttyS1"]
    assert apply(box, Device("usb", attr={"idVendor": "12d1"})).env["ID_MM_DEVICE_IGNORE"] == "1"


def usb(vendor: str, product: str, **env: str) -> Device:
    device = Device("usb", env={"DEVTYPE": "usb_device", **env}, attr={"idVendor": vendor, "idProduct": product})
    return apply(RULES, device)


@pytest.mark.parametrize("which", ["0403:6001", "0403:6015", "10c4:ea60", "1a86:7523", "067b:2303", "067b:23c3"])
def test_modem_manager_keeps_off_adapters(which: str) -> None:
    assert usb(*which.split(":")).env["ID_MM_DEVICE_IGNORE"] == "1"


@pytest.mark.parametrize("which", ["12d1:1001", "1e0e:9001", "2c7c:0125"])
def test_modem_manager_keeps_off_modems_that_the_box_names_only(which: str) -> None:
    """One of them may be what the box is reached over."""
    assert "ID_MM_DEVICE_IGNORE" not in usb(*which.split(":")).env
    assert usb(*which.split(":"), GATEWAYD_MODEM="1").env["ID_MM_DEVICE_IGNORE"] == "1"
    vendor, model = which.split(":")
    assert plugged(vendor, model, "1", "03", GATEWAYD_MODEM="1").env["ID_MM_DEVICE_IGNORE"] == "1"


@pytest.mark.parametrize(
    "text",
    [
        'SUBSYSTEM="tty" GOTO="end"\n',
        'SUBSYSTEM=="tty",\n',
        'SUBSYSTEM=="tty, GOTO="end"\n',
        'subsystem=="tty"\n',
    ],
)
def test_what_is_no_rule_is_found(text: str) -> None:
    with pytest.raises(ValueError):
        apply(parsed(text), Device())


@pytest.mark.parametrize("text", ['GOTO="nowhere"\n', 'SYMLINK+="%k"\n', 'RUN+="/bin/true"\n', 'PROGRAM=="x"\n'])
def test_what_is_not_understood_is_found(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        apply(parsed(text), Device())
