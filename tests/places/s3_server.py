"""A real S3 server on loopback, moto's, in a process of its own; and what tests put into it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-tests"}
# What a machine may say of stores; tests start without all of it.
OF_STORES = ("AWS_", "GOOGLE_", "GS_", "STORAGE_EMULATOR_HOST", "HF_ENDPOINT", "HF_TOKEN", "ZSDERM_STORE")


@dataclass
class S3Server:
    """A running server.

    Attributes:
        address: http://127.0.0.1:PORT.
    """

    address: str

    def environment(self, keys: Mapping[str, str] = KEYS) -> dict[str, str]:
        """The variables with which it is reached; no other source of keys is asked."""
        quiet = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull}
        quiet["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
        return {**quiet, **keys, "AWS_ENDPOINT_URL": self.address, "AWS_REGION": "us-east-1"}

    def client(self, service: str = "s3") -> Any:
        """Amazon's own client, as its owner uses it."""
        import boto3

        return boto3.client(
            service,
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        )

    def bucket(self, name: str, objects: Mapping[str, bytes], *, public: bool = False) -> Bucket:
        """A new bucket with some objects in it; everybody may read and list one that is public."""
        client = self.client()
        acl = "public-read" if public else "private"
        client.create_bucket(Bucket=name, ACL=acl)
        made = Bucket(client, name, acl)
        for key, content in objects.items():
            made.put(key, content)
        return made

    def user(self, name: str) -> dict[str, str]:
        """The keys of a new user, who may do everything in S3."""
        client = self.client("iam")
        client.create_user(UserName=name)
        may = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
        client.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=json.dumps(may))
        keys = client.create_access_key(UserName=name)["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": keys["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"]}

    @contextmanager
    def asking_for_keys(self) -> Iterator[None]:
        """As long as this lasts, keys and permissions are checked."""
        self._say("0")
        try:
            yield
        finally:
            self._say("inf")

    def _say(self, count: str) -> None:
        plain = {"Content-Type": "text/plain"}
        asked = urllib.request.Request(f"{self.address}/moto-api/reset-auth", count.encode(), plain, method="POST")
        urllib.request.urlopen(asked, timeout=20).close()


@dataclass
class Bucket:
    """A bucket of the server."""

    client: Any
    name: str
    acl: str  # of the objects in it

    def put(self, key: str, content: bytes) -> None:
        """Write an object."""
        self.client.put_object(Bucket=self.name, Key=key, Body=content, ACL=self.acl)

    def get(self, key: str) -> bytes:
        """What is in an object."""
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def delete(self, key: str) -> None:
        """Delete an object."""
        self.client.delete_object(Bucket=self.name, Key=key)

    def names(self) -> list[str]:
        """The keys of all objects."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]


@contextmanager
def running() -> Iterator[S3Server]:
    """A server, until the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {name: value for name, value in os.environ.items() if not name.startswith(OF_STORES)}
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, env=told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        server = S3Server(f"http://127.0.0.1:{port}")
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{server.address}/moto-api/", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                assert process.poll() is None, "moto's server ended"
                time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        process.wait(20)
