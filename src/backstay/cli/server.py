"""The two ASGI servers behind one call.  Both run the same app, unchanged."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import Any

import click

from backstay.cli.announcement import Announced, Announcement
from backstay.cli.limits import SocketLimits
from backstay.cli.target import load_app
from backstay.cli.worker import end_with_parent
from backstay.errors import ConfigError
from backstay.observe.log import configure
from backstay.settings import Settings


def take_address(host: str, port: int) -> None:
    """Find out whether *host* and *port* can be listened on, before a server starts.

    Asked here because Granian sets ``SO_REUSEPORT``: two of them on one port would both start and share its requests.

    Raises:
        ConfigError: BST-E413, with a way out.
    """
    try:
        family, kind, protocol, _, address = _addresses(host, port)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror:
        raise ConfigError(
            "BST-E413", f"The host {host!r} has no address here", hint="Try --host 127.0.0.1, or 0.0.0.0 for all."
        ) from None
    except OSError as fault:
        what = f"Cannot listen on {host}, port {port}: {fault.strerror}"
        hint = "Name an address of this machine, for example --host 127.0.0.1."
        if fault.errno == errno.EADDRINUSE:
            other = port + 1 if port < 65535 else port - 1
            what, hint = (
                f"Port {port} of {host} is taken",
                f"Stop what listens there, or choose another: --port {other}",
            )
        elif fault.errno == errno.EACCES:
            hint = "Ports below 1024 need a privilege; choose a higher one."
        raise ConfigError("BST-E413", what, hint=hint) from None


def _addresses(host: str, port: int) -> list[Any]:
    """What *host* means on this machine, IPv4 first."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return sorted(found, key=lambda each: each[0] != socket.AF_INET)


def refuse_open_door(settings: Settings) -> None:
    """Refuse to be reached from other machines where the server cannot keep an address from taking all connections.

    Granian tells Python of a connection when its first request is complete, and so of none that is only held (LM2).

    Raises:
        ConfigError: BST-E070, with a way out.
    """
    # At a TCP socket nobody comes without an address, as the proxy `unix` does, and loopback reaches loopback alone.
    if settings.server != "granian" or settings.trusted_proxies.from_elsewhere or not settings.sockets_per_address:
        return
    if _is_loopback(settings.host):
        return
    raise ConfigError(
        "BST-E070",
        f"Granian cannot bound how many connections one address has, and {settings.host} is reached by others",
        hint="Use --server uvicorn; or, behind a proxy, name its address in BACKSTAY_TRUSTED_PROXIES.",
    )


def _is_loopback(host: str) -> bool:
    try:
        found = _addresses(host, 0)
    except OSError:
        return True  # `take_address` says what is wrong
    addresses = [ip_address(str(address[0]).partition("%")[0]) for *_, address in found]
    return all((getattr(one, "ipv4_mapped", None) or one).is_loopback for one in addresses)


def check(app: Any) -> None:
    """Have *app* look at its database, before any server starts; another ASGI app has nothing to ask.

    Raises:
        ConfigError: what is wrong with the database, or between it and the models and policies.
    """
    look = getattr(type(app), "check_database", None)
    if look is None:
        return
    # What a start warns of, the server's own start does.
    logging.disable(logging.CRITICAL)
    try:
        asyncio.run(look(app))
    finally:
        logging.disable(logging.NOTSET)


def warn(settings: Settings) -> None:
    """What is said before a start, on stderr."""
    if settings.server == "granian" and not _is_loopback(settings.host):
        click.echo(
            "warning: Granian neither bounds the connections of an address nor ends those that take nothing.\n"
            "  The proxy in front must, or choose --server uvicorn.",
            err=True,
        )


def stop_means_success() -> None:
    """From now on SIGINT and SIGTERM end this process with exit code 0, before the server runs and after.

    While it runs it has handlers of its own; uvicorn raises the signal once more when it has stopped.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))


def log_lines(settings: Settings) -> None:
    """Log to stderr from now on as *settings* say, without the secrets among them."""
    configure(settings.log_level, as_json=settings.logs_json, secrets=settings.secrets())


def announcement(what: str, settings: Settings) -> Announcement:
    """One line: *what* is served, where, from which data."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return Announcement(
        f"Serving {what} on http://{host}:{settings.port} "
        f"({settings.server}, {settings.redacted()['database']}). Ctrl-C stops it."
    )


def load_logged(target: str) -> Callable[..., Any]:
    """The app, in the process that will serve it: a worker logs like the process that started it, and ends with it."""
    end_with_parent()
    log_lines(Settings.load(os.environ))
    return load_app(target)


def load_announced(target: str, *, announcement: Announcement) -> Announced:
    """As `load_logged`, for a server that does not tell when it serves."""
    return Announced(load_logged(target), announcement)


def run(target: str, settings: Settings, *, what: str | None = None) -> None:
    """Serve *target* until SIGINT or SIGTERM; then finish what is under way and return.

    *what* it is called when it serves; by default as it is written.

    Exits with code 1 when the server or one of its workers fails.
    """
    said = announcement(what or target, settings)
    (_run_granian if settings.server == "granian" else _run_uvicorn)(target, settings, said)


def _run_granian(target: str, settings: Settings, said: Announcement) -> None:
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    limits = _socket_limits(settings)
    granian: Any = Granian(
        target,
        # It takes addresses alone, not names, nor 127.1.
        address=str(_addresses(settings.host, settings.port)[0][4][0]),
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        # Where it could also be HTTP/2, Granian waits for the first bytes without an end to find out.
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=int(limits.head_seconds * 1000), max_buffer_size=limits.head_bytes
        ),
        log_level=LogLevels(_level(settings)),
        # Its lines go where ours go, and through the same redaction.
        log_dictconfig={"formatters": {}, "handlers": {}, "loggers": {"_granian": {"handlers": [], "propagate": True}}},
    )
    log_lines(settings)
    # Our loader and not Granian's: MODULE:ATTR means the same under both servers.  Its loop is uvloop where installed.
    granian.serve(target_loader=partial(load_announced, announcement=said))


def _run_uvicorn(target: str, settings: Settings, said: Announcement) -> None:
    from uvicorn import Config, Server
    from uvicorn.supervisors import Multiprocess

    from backstay.cli.sockets import Door, Guarded

    log_lines(settings)
    # Each worker has a door of its own: it is pickled on the way there.
    protocol: Any = partial(Guarded, door=Door(_socket_limits(settings), settings.trusted_proxies))
    # A factory that can be pickled serves one process and several alike.
    config = Config(
        partial(load_logged, target),
        factory=True,
        interface="asgi3",
        http=protocol,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        log_config=None,
        log_level=_level(settings),
        access_log=False,
        server_header=False,
        # It asks when it has begun to listen, and from time to time.
        callback_notify=said.say,
        # Who the client is, http/client.py finds out, from the proxies that the operator trusts.  uvicorn would believe
        # whatever comes from this machine (TH7).
        proxy_headers=False,
    )
    if settings.workers > 1:
        Multiprocess(config, sockets=[config.bind_socket()]).run()
        return
    server = Server(config)
    try:
        server.run()
    except SystemExit as ended:
        # uvicorn's own code for an app that does not start is 3, which nobody is told of.
        sys.exit(1 if ended.code == 3 else ended.code)
    if not server.started:
        sys.exit(1)


def _socket_limits(settings: Settings) -> SocketLimits:
    return SocketLimits(
        head_seconds=settings.head_timeout,
        idle_seconds=settings.idle_timeout,
        body_seconds=settings.body_timeout,
        send_seconds=settings.send_timeout,
        per_address=settings.sockets_per_address,
    )


def _level(settings: Settings) -> str:
    """What a server's own log shows.  Its information is about itself, and the line above has said it."""
    return "warning" if settings.log_level == "info" else settings.log_level
