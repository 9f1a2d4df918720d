"""Which store an address leads to, connected as the environment says, and whether it answers."""

from __future__ import annotations

import math
import os
import time
from threading import Lock

from zsderm.places.addresses import Address
from zsderm.places.arrow_store import google, s3
from zsderm.places.failures import DENIED, NO_BUCKET, UNFIT, ObjectError, place_error
from zsderm.places.hub_store import hub
from zsderm.places.store import PATIENCE, Store

_TRUSTED = 30.0  # seconds for which a bucket that answered is not asked again, where objects are missing
# What decides about a connection; where one of these changes, a new one is made.
_VARIABLES = ("AWS_", "GOOGLE_", "GS_NO_SIGN_REQUEST", "STORAGE_EMULATOR_HOST", "HF_", PATIENCE)
_CONNECTED = {"s3": s3, "gs": google, "hf": hub}

_stores: dict[tuple[str, str, int], tuple[tuple[tuple[str, str], ...], Store]] = {}
_lock = Lock()
_answered: dict[tuple[str, str], float] = {}  # when a bucket last did, by the clock that only goes forward


def store_of(address: Address) -> Store:
    """The store of an address, connected as the environment says now.

    Raises:
        SettingsError: a variable that cannot be understood.
        PlaceError: nobody says where the bucket is.
    """
    told = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith(_VARIABLES)))
    # Buckets may lie in different regions; a process that was forked needs connections of its own.
    key = (address.scheme, address.bucket if address.scheme == "s3" else "", os.getpid())
    with _lock:
        if key not in _stores or _stores[key][0] != told:
            _answered.clear()
            _stores[key] = (told, _CONNECTED[address.scheme](address))
        return _stores[key][1]


def check_answers(address: Address, listed: bool = False) -> None:
    """Refuse a bucket that cannot be used at all.

    Args:
        address: of what is to be read in it.
        listed: whether that is a folder, so that the bucket has to be listed.

    Raises:
        PlaceError: it is not there, does not let us in, or does not answer.
    """
    try:
        store_of(address).answers(address)
    except FileNotFoundError:
        raise place_error(address, ObjectError(NO_BUCKET, "there is no such bucket or repository")) from None
    except OSError as error:
        # Who may read objects may still be forbidden to list them.
        if listed or not (isinstance(error, ObjectError) and error.kind == DENIED):
            raise place_error(address, error) from None
    _answered[address.scheme, address.bucket] = time.monotonic()


def suspect(address: Address, error: OSError) -> None:
    """After an object failed: see whether it is its bucket that fails, for then not every object is to have a reason.

    Raises:
        PlaceError: the bucket is not there any more, lets us in no more, or does not answer.
    """
    if isinstance(error, ObjectError) and error.kind == UNFIT:
        return
    last = _answered.get((address.scheme, address.bucket), -math.inf)
    if not isinstance(error, FileNotFoundError) or time.monotonic() - last > _TRUSTED:
        check_answers(address)
