"""Ed25519 signatures over the chain: who wrote the archive, and that nobody else wrote it anew.

Rules: the private key is made at the first start, lies beside the archive with mode 0600 and never leaves it; the
public key is a file that anybody may have. A signature covers gateway, segment, batch, sequence number, hash and time.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gatewayd.archive import owner
from gatewayd.errors import ArchiveError

DOMAIN = "gatewayd/archive/checkpoint/1"
MOST_UNSIGNED_US = 60_000_000
PRIVATE = "signing.key"
PUBLIC = "signing.pub"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is signed: the chain as it stood after a batch."""

    gateway: str
    segment: int
    batch: int
    seq: int
    hash: bytes
    signed_at: int

    def message(self) -> bytes:
        return msgspec.msgpack.encode(
            (DOMAIN, self.gateway, self.segment, self.batch, self.seq, self.hash, self.signed_at)
        )


def due(signed_at: int | None, committed_at: int) -> bool:
    """True when a batch must be signed: the first of a segment, and what is a minute away from the last checkpoint.

    Whoever wants to write the chain anew without the key would have to take the checkpoints out. By this rule, which
    needs nothing but the segment itself, `verify` sees that they are missing; a clock that was set counts as well.
    """
    return signed_at is None or abs(committed_at - signed_at) >= MOST_UNSIGNED_US


class Signer:
    """The gateway's key, made when it is not there yet."""

    def __init__(self, folder: Path) -> None:
        """ArchiveError when the key can neither be read nor made."""
        path = folder / PRIVATE
        try:
            if not path.exists():
                _create(folder)
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError) as error:
            raise owner.fault(f"the signing key {path} cannot be used", error, folder, path, want=os.R_OK) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise ArchiveError(f"the signing key {path} is not an Ed25519 key")
        self._key = key

    def sign(self, checkpoint: Checkpoint) -> bytes:
        return self._key.sign(checkpoint.message())


def public_key(path: Path) -> Ed25519PublicKey:
    """The public key in a PEM file. ArchiveError when there is none."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise owner.fault(f"the public key {path} cannot be used", error, path.parent, path, want=os.R_OK) from error
    if not isinstance(key, Ed25519PublicKey):
        raise ArchiveError(f"{path} is not an Ed25519 public key")
    return key


def genuine(key: Ed25519PublicKey, checkpoint: Checkpoint, signature: bytes) -> bool:
    """True when this key has signed exactly this checkpoint."""
    try:
        key.verify(signature, checkpoint.message())
    except InvalidSignature:
        return False
    return True


def _create(folder: Path) -> None:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    _write(folder / PUBLIC, public, 0o644)
    _write(folder / PRIVATE, private, 0o600)  # last: where it stands, both do


def _write(path: Path, data: bytes, mode: int) -> None:
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = owner.made(draft, mode)
    try:
        os.fchmod(descriptor, mode)
        os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.rename(path)
