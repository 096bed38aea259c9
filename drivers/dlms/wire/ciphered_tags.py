"""Which ciphered APDU carries which service: the tags of IEC 62056-5-3 (Green Book 9.5, the APDUs), by table.

Rules: a service-specific ciphered APDU holds exactly its own service; a general one any service of the same sender. The
initiate APDUs of an association are ciphered with the global key even where everything else is dedicated, since the
dedicated key is in the first of them.
"""

from dataclasses import dataclass
from enum import Enum


class Form(Enum):
    """In which kind of APDU ciphered services travel: with the global or the dedicated key, service-specific or not."""

    GLOBAL = "global"
    DEDICATED = "dedicated"
    GENERAL_GLOBAL = "general global"
    GENERAL_DEDICATED = "general dedicated"

    @property
    def dedicated(self) -> bool:
        return self in (Form.DEDICATED, Form.GENERAL_DEDICATED)

    @property
    def general(self) -> bool:
        return self in (Form.GENERAL_GLOBAL, Form.GENERAL_DEDICATED)


class Sender(Enum):
    """Who sends an APDU: a meter that takes its own kind back would take reflected requests for answers."""

    CLIENT = "client"
    METER = "meter"


@dataclass(frozen=True, slots=True)
class Carried:
    """What a ciphered APDU is: its form, and the one service that may be in it, or None where any may."""

    form: Form
    service: int | None = None


INITIATE_REQUEST, INITIATE_RESPONSE = 0x01, 0x08
CONFIRMED_SERVICE_ERROR, EXCEPTION_RESPONSE = 0x0E, 0xD8
GENERAL = {Form.GENERAL_GLOBAL: 0xDB, Form.GENERAL_DEDICATED: 0xDC}
GENERAL_CIPHERING, GENERAL_SIGNING, GENERAL_BLOCK_TRANSFER = 0xDD, 0xDF, 0xE0

_SPECIFIC = (
    # service, with the global key, with the dedicated key
    (INITIATE_REQUEST, 0x21, None),
    (INITIATE_RESPONSE, 0x28, None),
    (CONFIRMED_SERVICE_ERROR, 0x2E, 0x4E),
    (0xC0, 0xC8, 0xD0),  # get-request
    (0xC1, 0xC9, 0xD1),  # set-request
    (0xC2, 0xCA, 0xD2),  # event-notification-request
    (0xC3, 0xCB, 0xD3),  # action-request
    (0xC4, 0xCC, 0xD4),  # get-response
    (0xC5, 0xCD, 0xD5),  # set-response
    (0xC7, 0xCF, 0xD7),  # action-response
)
SERVICES = {
    Sender.CLIENT: frozenset({INITIATE_REQUEST, 0xC0, 0xC1, 0xC3, 0xD9, GENERAL_BLOCK_TRANSFER}),
    Sender.METER: frozenset(
        {INITIATE_RESPONSE, CONFIRMED_SERVICE_ERROR, 0x0F, 0xC2, 0xC4, 0xC5, 0xC7, EXCEPTION_RESPONSE, 0xDA}
        | {GENERAL_BLOCK_TRANSFER}
    ),
}
"""What each side sends: besides the above data-notification (0F), access (D9, DA), blocks of general block transfer."""

CARRIED = {
    **{glo: Carried(Form.GLOBAL, service) for service, glo, _ in _SPECIFIC},
    **{ded: Carried(Form.DEDICATED, service) for service, _, ded in _SPECIFIC if ded is not None},
    **{tag: Carried(form) for form, tag in GENERAL.items()},
}
"""Every ciphered APDU that can be opened, by its tag."""
_GLOBAL = {service: glo for service, glo, _ in _SPECIFIC}
_DEDICATED = {service: ded for service, _, ded in _SPECIFIC if ded is not None}


def is_initiate(service: int) -> bool:
    return service in (INITIATE_REQUEST, INITIATE_RESPONSE)


def tag_for(service: int, form: Form) -> tuple[int, Form]:
    """The tag of the ciphered APDU for a plain one, and the form that it really has. ValueError where there is none."""
    if is_initiate(service):
        return _GLOBAL[service], Form.GLOBAL
    if not any(service in services for services in SERVICES.values()):
        raise ValueError(f"an APDU with the tag {service:#04x} is not one that is ciphered")
    if form.general:
        return GENERAL[form], form
    tag = (_DEDICATED if form.dedicated else _GLOBAL).get(service)
    if tag is None:
        raise ValueError(f"the APDU {service:#04x} has no service-specific ciphering: general ciphering is needed")
    return tag, form
