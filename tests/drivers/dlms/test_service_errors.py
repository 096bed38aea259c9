"""How meters refuse: numbers and words, the ones that the standard has and the others."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from drivers.dlms.wire.service_errors import (
    ActionResult,
    ConfirmedServiceError,
    DataAccess,
    ExceptionResponse,
    ServiceError,
    StateError,
    parse_confirmed_service_error,
    parse_exception,
)
from gatewayd.errors import ProtocolError
from tests.drivers.dlms.apdu_vectors import cut, is_cut_short, octets


@pytest.mark.parametrize("kind", [DataAccess, ActionResult])
def test_results_have_the_numbers_of_the_standard(kind: type[DataAccess] | type[ActionResult]) -> None:
    """IEC 62056-5-3, Data-Access-Result and Action-Result."""
    numbers = [0, 1, 2, 3, 4, 9, 11, 12, 13, 14, 15, 16, 250]
    blocks = [17, 18, 19] if kind is DataAccess else []
    assert sorted(member.value for member in kind) == sorted(numbers + blocks)
    assert kind(3).text == "read-write-denied"
    assert kind(4).text == "object-undefined"
    assert kind(13).text == "scope-of-access-violated"
    assert len({kind(number).text for number in range(256)}) == 256


def test_a_number_that_the_standard_does_not_have_is_kept() -> None:
    unknown = DataAccess(77)
    assert (unknown.value, unknown, bytes((unknown,))) == (77, 77, b"\x4d")
    assert unknown.text == "77, which the standard does not have"
    assert unknown == DataAccess(77) != DataAccess(78)
    assert hash(unknown) == hash(DataAccess(77))
    assert copy.deepcopy(unknown) == pickle.loads(pickle.dumps(unknown)) == unknown
    assert repr(unknown) == "<DataAccess.UNKNOWN_77: 77>"
    assert unknown not in set(DataAccess)


@pytest.mark.parametrize("value", [-1, 256, "SUCCESS"])
def test_what_is_no_octet_is_no_result(value: Any) -> None:  # Any: the wrong type, too, must be refused
    with pytest.raises(ValueError, match="is not a valid DataAccess"):
        DataAccess(value)


@pytest.mark.parametrize(
    ("apdu", "text"),
    [
        ("D8 01 02", "exception: service-not-allowed, service-not-supported"),
        ("D8 02 01", "exception: service-unknown, operation-not-possible"),
        ("D8 01 04", "exception: service-not-allowed, pdu-too-long"),
        ("D8 01 05", "exception: service-not-allowed, deciphering-error"),
        ("D8 01 06 00012345", "exception: service-not-allowed, invocation-counter-error, 74565 is expected"),
        ("D8 03 09", "exception: 3, which the standard does not have, 9, which the standard does not have"),
    ],
)
def test_exceptions(apdu: str, text: str) -> None:
    exception = parse_exception(octets(apdu))
    assert exception.text == text
    assert exception.encoded == octets(apdu)
    # A meter that does not say which counter it wants ends behind the error.
    assert all(is_cut_short(parse_exception, part) for part in cut(octets(apdu)) if part != octets("D8 01 06"))
    with pytest.raises(ProtocolError, match="octets behind its end"):
        parse_exception(octets(apdu) + b"\x00")


def test_the_counter_belongs_to_its_error() -> None:
    assert parse_exception(octets("D8 01 06 FFFFFFFF")).counter == 0xFFFFFFFF
    with pytest.raises(ValueError, match="only then"):
        ExceptionResponse(StateError(1), ServiceError.OTHER_REASON, 5)
    silent = parse_exception(octets("D8 01 06"))
    assert (silent.counter, silent.encoded) == (None, octets("D8 01 06"))
    assert silent.text == "exception: service-not-allowed, invocation-counter-error"


@pytest.mark.parametrize(
    ("apdu", "text"),
    [
        ("0E 01 06 01", "initiate: initiate, dlms-version-too-low"),
        ("0E 01 06 04", "initiate: initiate, refused-by-the-vde-handler"),
        ("0E 05 05 02", "read: access, object-access-violated"),
        ("0E 06 01 00", "write: hardware-resource, other"),
        ("0E 01 00 06", "initiate: application-reference, deciphering-error"),
        ("0E 01 02 01", "initiate: vde-state-error, no-dlms-context"),
        ("0E 01 03 01", "initiate: service, pdu-size"),
        ("0E 01 04 03", "initiate: definition, object-attribute-inconsistent"),
        ("0E 0E 07 07", "service 14: load-data-set, dataset-not-ready"),
        ("0E 0A 09 04", "service 10: task, ti-unusable"),
        ("0E 63 0A 05", "service 99: error class 10, error 5"),
        ("0E 01 06 05", "initiate: initiate, error 5"),
    ],
)
def test_confirmed_service_errors(apdu: str, text: str) -> None:
    error = parse_confirmed_service_error(octets(apdu))
    assert error.text == f"confirmed service error: {text}"
    assert error.encoded == octets(apdu)
    assert all(is_cut_short(parse_confirmed_service_error, beginning) for beginning in cut(octets(apdu)))
    with pytest.raises(ProtocolError, match="octets behind its end"):
        parse_confirmed_service_error(octets(apdu) + b"\x00")


def test_other_apdus() -> None:
    with pytest.raises(ProtocolError, match="that is none"):
        parse_exception(ConfirmedServiceError(1, 6, 1).encoded)
    with pytest.raises(ProtocolError, match="that is none"):
        parse_confirmed_service_error(octets("D8 01 02"))
