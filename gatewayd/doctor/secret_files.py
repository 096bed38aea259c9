"""Files with passwords and keys: there, readable by the gateway and by nobody else, and fit for their purpose.

Rules: no content is shown, its length neither. Whether a secret is fit its own driver or sink says (`fitness`); where
this user may not read it, that is not seen.
"""

import grp
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from gatewayd.config import Config
from gatewayd.doctor.account import READ, Account, mode_text, obstacle
from gatewayd.doctor.findings import Finding, Unseen, error, fine, note, unseen, warning
from gatewayd.doctor.scene import Scene
from gatewayd.errors import GatewayError
from gatewayd.options import CREDENTIAL, is_credential

AREA = "secrets"
_PUBLIC = frozenset({"ca_file", "cert_file"})
_OTHERS = 0o007
_OTHERS_WRITE = 0o022
_CREDENTIALS = Path("/run/credentials")

Fitness = Callable[[str], None]
"""Reads the secrets of a place in the configuration (`meter em-1`, `sink mqtt`). GatewayError for one that is unfit."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What the configuration refers to. `kind`: file, env or credential; `public`: certificates."""

    place: str
    kind: str
    name: str
    public: bool = False


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A file as it was seen. `blocked`: where the gateway's user is stopped."""

    path: Path
    there: bool = True
    regular: bool = True
    mode: int = 0
    group: str = ""
    empty: bool = False
    blocked: Path | None = None
    doubt: str = ""


def references(config: Config) -> list[Reference]:
    """All that the configuration has, each once, in its order."""
    by_file: dict[tuple[str, str], Reference] = {}
    for one in _every(config):
        by_file.setdefault((one.kind, one.name), one)
    return list(by_file.values())


def _every(config: Config) -> list[Reference]:
    """Also those that several places share."""
    return [
        *(one for name, line in config.lines.items() for one in _of(line, f"line {name}")),
        *(one for meter in config.meters for one in _of(meter.options, f"meter {meter.id}")),
        *(one for sink in config.sinks for one in _of(sink.options, f"sink {sink.id}")),
    ]


def _of(options: BaseModel, place: str) -> Iterator[Reference]:
    for name in type(options).model_fields:
        value = getattr(options, name)
        if isinstance(value, BaseModel):
            yield from _of(value, place)
        elif isinstance(value, Path) and name.endswith("_file"):
            kind = "credential" if is_credential(value) else "file"
            yield Reference(place, kind, str(value).removeprefix(CREDENTIAL), public=name in _PUBLIC)
        elif isinstance(value, str) and name.endswith(("_env", "_credential")):
            yield Reference(place, name.rpartition("_")[2], value)


def out_of_reach(config: Config) -> frozenset[str]:
    """Places with a secret that only the service has: an environment variable or a credential that is not here."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return frozenset(
        one.place
        for one in _every(config)
        if (one.kind == "env" and one.name not in os.environ)
        or (one.kind == "credential" and (folder is None or not (Path(folder) / one.name).exists()))
    )


def borrow_credentials(unit: str) -> None:
    """Look at those that systemd has handed to the running service, where this user (root) may."""
    folder = _CREDENTIALS / unit
    if "CREDENTIALS_DIRECTORY" not in os.environ and os.access(folder, os.R_OK | os.X_OK):
        os.environ["CREDENTIALS_DIRECTORY"] = str(folder)


def seen_file(path: Path, account: Account) -> SecretFile:
    try:
        found = path.stat()
    except FileNotFoundError:
        return SecretFile(path, there=False)
    except OSError as fault:
        return SecretFile(path, doubt=f"{path} cannot be seen by this user ({fault.strerror})")
    blocked, doubt = None, ""
    try:
        blocked = obstacle(path, account, READ)
    except Unseen as fault:
        doubt = str(fault)
    try:
        group = grp.getgrgid(found.st_gid).gr_name
    except KeyError:
        group = str(found.st_gid)
    return SecretFile(
        path,
        regular=stat.S_ISREG(found.st_mode),
        mode=found.st_mode,
        group=group,
        empty=stat.S_ISREG(found.st_mode) and found.st_size == 0,
        blocked=blocked,
        doubt=doubt,
    )


def judged_file(reference: Reference, file: SecretFile, account: Account, group: str) -> list[Finding]:
    """`group`: of the gateway, whose members may read its secrets."""
    subject = f"{reference.place}: {file.path}"
    if not file.there:
        return [error(AREA, subject, "the file does not exist", "write it, or correct the configuration")]
    if not file.mode:
        return [unseen(AREA, subject, f"not seen: {file.doubt}")]
    if not file.regular:
        return [error(AREA, subject, "is no file", "correct the configuration")]
    found = []
    if file.blocked is not None:
        found.append(error(AREA, subject, f"user {account.name} may not read it", _may_read(file, account, group)))
    if file.mode & _OTHERS and not reference.public:
        remedy = f"chmod o= {file.path}"
        found.append(
            error(AREA, subject, f"everybody on this machine can get at it (mode {mode_text(file.mode)})", remedy)
        )
    elif file.mode & _OTHERS_WRITE:
        text = f"others than its owner may change it (mode {mode_text(file.mode)})"
        found.append(warning(AREA, subject, text, f"chmod go-w {file.path}"))
    if file.empty:
        found.append(error(AREA, subject, "is empty", "write the secret into its first line"))
    if file.doubt and not found:
        found.append(unseen(AREA, subject, f"not seen: {file.doubt}"))
    return found or [fine(AREA, subject, f"mode {mode_text(file.mode)}; user {account.name} may read it")]


def _may_read(file: SecretFile, account: Account, group: str) -> str:
    if file.blocked != file.path:
        return f"chgrp {group} {file.blocked}; chmod g+x {file.blocked}"
    return f"chown {account.name} {file.path}; chmod 0400 {file.path}"


def seen_credential(unit: str, name: str) -> bool | None:
    """Whether systemd has handed it to the running service; None where this user cannot see that, or none runs."""
    folder = _CREDENTIALS / unit
    try:
        return (folder / name).exists() if any(folder.iterdir()) else False
    except OSError:
        return None


def judged_elsewhere(reference: Reference, account: Account, there: bool | None) -> Finding:
    """What only the gateway's own process has. `there`: whether systemd has handed over a credential."""
    subject = f"{reference.place}: {reference.kind} {reference.name}"
    if reference.kind == "env":
        remedy = "a file or a systemd credential is safer: an environment is inherited and shown"
        text = f"is known to the service alone (environment of user {account.name}'s gateway)"
        return note(AREA, subject, text, remedy)
    remedy = f"LoadCredential={reference.name}:/path/to/file in the unit"
    if there:
        return fine(AREA, subject, "was handed to the service by systemd")
    if there is False:
        return error(AREA, subject, "was not handed to the service by systemd", remedy)
    return unseen(AREA, subject, "is known to the service alone, to which systemd hands it; not seen", remedy)


def secret_files(scene: Scene, fitness: Fitness) -> list[Finding]:
    """The look at all of them."""
    found = []
    hidden = out_of_reach(scene.config)
    unread = set(hidden)
    for reference in references(scene.config):
        if reference.kind != "file":
            handed = reference.kind == "credential" and scene.running is not False  # a service that is down has none
            there = seen_credential(scene.unit, reference.name) if handed else None
            found.append(judged_elsewhere(reference, scene.service, there))
            continue
        path = Path(reference.name)
        judged = judged_file(reference, seen_file(path, scene.service), scene.service, scene.config.control.group)
        found += judged
        if any(one.level.value == "error" for one in judged) or not os.access(path, READ):
            unread.add(reference.place)
    places = dict.fromkeys(one.place for one in references(scene.config) if not one.public)
    for place in places:
        if place not in unread:
            found += judged_fitness(place, fitness)
        elif any(one.subject.startswith(f"{place}:") and one.level.value == "error" for one in found):
            continue
        elif place in hidden and (scene.me.uid == 0 or scene.running is False):
            text = "its secrets are known to the service alone: whether they are well-formed is not seen"
            found.append(unseen(AREA, place, text, "gatewayd status, while it runs: it names those that are refused"))
        else:
            found.append(unseen(AREA, place, f"whether its secrets are well-formed user {scene.me.name} cannot see"))
    return found


def judged_fitness(place: str, fitness: Fitness) -> list[Finding]:
    try:
        fitness(place)
    except GatewayError as fault:
        return [error(AREA, place, str(fault), "write it anew; nothing is sent to the meter meanwhile")]
    return []
