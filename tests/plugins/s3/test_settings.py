"""Settings, signatures and credentials of the S3 storage."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from reelkit.interfaces.storage import StorageUnavailable
from reelkit.testing.servers import NginxServer
from reelkit_s3.credentials import CredentialSource
from reelkit_s3.settings import Settings
from reelkit_s3.signing import UNSIGNED, Credentials, presigned_url, signed_headers

# The example of "Authenticating Requests (AWS Signature Version 4)", Amazon S3 API reference.
EXAMPLE = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
EXAMPLE_URL = "https://examplebucket.s3.amazonaws.com/test.txt"
EXAMPLE_TIME = datetime(2013, 5, 24, tzinfo=UTC)
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_headers_are_signed_as_in_amazons_example() -> None:
    headers = signed_headers("GET", EXAMPLE_URL, {}, {"range": "bytes=0-9"}, EMPTY, EXAMPLE, "us-east-1", now=EXAMPLE_TIME)
    assert headers["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )


def test_urls_are_signed_as_in_amazons_example() -> None:
    url = presigned_url("GET", EXAMPLE_URL, {}, EXAMPLE, "us-east-1", 86400, now=EXAMPLE_TIME)
    assert url.endswith("&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")


def test_the_token_of_temporary_credentials_is_signed() -> None:
    temporary = Credentials("AKIA", "secret", "token")
    headers = signed_headers("GET", EXAMPLE_URL, {}, {}, UNSIGNED, temporary, "us-east-1")
    assert headers["x-amz-security-token"] == "token"
    assert "x-amz-security-token" in headers["authorization"]
    assert "X-Amz-Security-Token=token" in presigned_url("GET", EXAMPLE_URL, {}, temporary, "us-east-1", 60)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({}, "names no bucket"),
        ({"bucket": "b", "endpoint": "http://s3.example.org"}, "allow_http = true"),
        ({"bucket": "b", "endpoint": "s3.example.org"}, "https://host:port"),
        ({"bucket": "b", "endpoint": "https://user:password@s3.example.org"}, "https://host:port"),
        ({"bucket": "b", "endpoint": "https://s3.example.org/bucket"}, "https://host:port"),
        ({"bucket": "b", "prefix": "/a/"}, "no folder"),
        ({"bucket": "b", "access_key": "a"}, "belong together"),
    ],
)
def test_settings_that_cannot_work_say_what_would(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        Settings(**wrong).check()
    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (Settings(bucket="b", region="eu-west-1"), "https://s3.eu-west-1.amazonaws.com/b"),
        (Settings(bucket="b", region="eu-west-1", path_style=False), "https://b.s3.eu-west-1.amazonaws.com"),
        (Settings(bucket="b", endpoint="https://s3.example.org:9000/"), "https://s3.example.org:9000/b"),
        (Settings(bucket="b", endpoint="https://s3.example.org", path_style=False), "https://b.s3.example.org"),
    ],
)
def test_both_styles_of_address(settings: Settings, url: str) -> None:
    settings.check()
    assert settings.base_url() == url


async def test_browsers_get_the_address_that_they_can_reach() -> None:
    from reelkit_s3.storage import S3Storage

    storage = S3Storage(
        Settings(
            bucket="b",
            endpoint="https://s3.internal:9000",
            public_endpoint="https://media.example.org",
            access_key="a",
            secret_key="s",
        )
    )
    assert (await storage.presign_get("k", 60)).startswith("https://media.example.org/b/k?")
    await storage.close()


def test_the_secret_is_not_shown() -> None:
    assert "hidden" not in repr(Settings(bucket="b", access_key="a", secret_key="hidden"))
    assert "hidden" not in repr(Credentials("a", "hidden"))


async def test_credentials_come_from_the_environment() -> None:
    environment = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
    assert await CredentialSource(Settings(bucket="b"), environment).get() == Credentials("a", "s", "t")
    own = Settings(bucket="b", access_key="mine", secret_key="mine")
    assert (await CredentialSource(own, environment).get()).access_key == "mine"


def issued(expires: datetime) -> str:
    """What both metadata services answer."""
    text = {"AccessKeyId": "ASIA", "SecretAccessKey": "s", "Token": "t", "Expiration": expires}
    return msgspec.json.encode(text).decode()


async def test_credentials_come_from_the_instance(nginx: Callable[..., NginxServer]) -> None:
    expires = datetime.now(UTC) + timedelta(hours=6)
    server = nginx(
        f"""
        default_type text/plain;
        location = /latest/api/token {{ if ($request_method != PUT) {{ return 405; }} return 200 session; }}
        location = /latest/meta-data/iam/security-credentials/ {{
            if ($http_x_aws_ec2_metadata_token != session) {{ return 401; }} return 200 role; }}
        location = /latest/meta-data/iam/security-credentials/role {{
            if ($http_x_aws_ec2_metadata_token != session) {{ return 401; }} return 200 '{issued(expires)}'; }}
        """
    )
    source = CredentialSource(Settings(bucket="b"), {"AWS_METADATA_ENDPOINT": server.url})
    assert await source.get() == Credentials("ASIA", "s", "t", expires)
    assert (await source.obstore())["expires_at"] == expires


async def test_credentials_come_from_the_container_and_are_renewed(
    nginx: Callable[..., NginxServer], tmp_path: Path
) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=1)
    (tmp_path / "credentials").write_text(issued(soon))
    (tmp_path / "token").write_text("pod-token\n")
    server = nginx(f"root {tmp_path}; location / {{ if ($http_authorization != pod-token) {{ return 401; }} }}")
    source = CredentialSource(
        Settings(bucket="b"),
        {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{server.url}/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
        },
    )
    assert (await source.get()).expires == soon
    later = datetime.now(UTC) + timedelta(hours=6)
    (tmp_path / "credentials").write_text(issued(later))
    assert (await source.get()).expires == later


async def test_no_credentials_at_all_say_where_to_put_them(nginx: Callable[..., NginxServer]) -> None:
    source = CredentialSource(Settings(bucket="b"), {"AWS_METADATA_ENDPOINT": nginx("return 404;").url})
    with pytest.raises(StorageUnavailable, match="AWS_ACCESS_KEY_ID"):
        await source.get()


def test_without_obstore_a_site_that_does_not_choose_it_starts() -> None:
    script = """
import sys
sys.modules["obstore"] = None
from pathlib import Path
from reelkit import Site
import reelkit_s3
offered = reelkit_s3.register_storage(reelkit_s3.Settings(bucket="b"), Site(folder=Path("/nowhere")))
print(offered.name)
try:
    offered.open()
except RuntimeError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[0] == "s3"
    assert 'pip install "reelkit[s3]"' in run.stdout
