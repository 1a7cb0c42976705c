"""A node's identity in a file: a libp2p PrivateKey protobuf that nobody but its owner can read."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from . import _core
from .errors import ConfigError

_LONGEST = 4096  # bytes; an Ed25519 key has 68


def default_path() -> Path:
    """Where a node's key is if nobody says otherwise: in the user's data folder (XDG_DATA_HOME)."""
    home = os.environ.get("XDG_DATA_HOME", "")
    base = Path(home) if os.path.isabs(home) else Path.home() / ".local" / "share"
    return base / "mesocosm" / "node.key"


def make() -> bytes:
    """A new Ed25519 key."""
    return bytes(_core.make_key())


def peer_id(key: bytes) -> str:
    """The peer id of a key; raises ConfigError for bytes that are no key of ours."""
    return str(_core.peer_id_of_key(key))


def load(path: Path) -> bytes:
    """The key in a file; raises ConfigError if others may read it, or if it holds no key."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigError(f"cannot read the key {path}: {error.strerror}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"the key {path} is not a file")
        if status.st_mode & 0o077:
            mode = stat.S_IMODE(status.st_mode)
            raise ConfigError(f"others may read the key {path} (mode {mode:04o}): chmod 600 {path}")
        key = os.read(descriptor, _LONGEST + 1)
    finally:
        os.close(descriptor)
    try:
        if len(key) > _LONGEST:
            raise ConfigError("too long")
        peer_id(key)
    except ConfigError as error:
        raise ConfigError(f"no libp2p private key in {path}: {error}") from None
    return key


def load_or_make(path: Path) -> tuple[bytes, bool]:
    """The key in a file, and whether it was made now because there was no such file."""
    if not os.path.lexists(path):
        key = make()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _write_new(path, key):
                return key, True
        except OSError as error:
            raise ConfigError(f"cannot write the key {path}: {error.strerror}") from None
    return load(path), False


def _write_new(path: Path, key: bytes) -> bool:
    """Makes the file with its whole content and mode 0600 at once; False if somebody else has made it meanwhile."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(descriptor)
        os.link(partial, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(partial)
    return True
