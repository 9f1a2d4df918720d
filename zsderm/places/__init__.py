"""Where photographs are read from and results of many files are written to: folders, buckets, tar shards.

folders        what every folder of results can do, and one on this machine's disks
bucket_folder  such a folder in a bucket
addresses      what s3://, gs://, hf:// and file:// addresses mean, and what they must not hold
store          what is asked of a store of objects; arrow_store is S3 and Google's, hub_store the Hugging Face Hub
stores         which store an address leads to, and whether it answers
failures       what went wrong there, in words without secrets
listing        the objects in a bucket, in the order of a walk through folders
object_files   one object, opened like a file
ranged_files   files that are read from any place of them, such as an object of which only parts are fetched
tar_members    files in tar shards, on disks and in buckets
fetching       photographs fetched before they are asked for
"""

from __future__ import annotations

from zsderm.places.addresses import Address, address_of, is_address, local_path, path_or_address, without_secrets
from zsderm.places.bucket_folder import BucketFolder, folder_at
from zsderm.places.failures import PlaceError
from zsderm.places.fetching import Fetched, fetched_ahead, mapped_ahead
from zsderm.places.folders import Folder, LocalFolder
from zsderm.places.listing import has_signs, objects_below, objects_like
from zsderm.places.object_files import fetched, in_parts, object_size
from zsderm.places.stores import check_answers
from zsderm.places.tar_members import is_shard, members_of, open_member, shard_and_member

__all__ = [
    "Address",
    "BucketFolder",
    "Fetched",
    "Folder",
    "LocalFolder",
    "PlaceError",
    "address_of",
    "check_answers",
    "fetched",
    "fetched_ahead",
    "folder_at",
    "has_signs",
    "in_parts",
    "is_address",
    "is_shard",
    "local_path",
    "mapped_ahead",
    "members_of",
    "object_size",
    "objects_below",
    "objects_like",
    "open_member",
    "path_or_address",
    "shard_and_member",
    "without_secrets",
]
