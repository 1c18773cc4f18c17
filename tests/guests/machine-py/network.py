"""Attempts to reach the network, each with the name of the error it ends with."""

# What names are encoded with: a component finds no more modules when it runs.
import encodings.idna  # noqa: F401
import errno
import socket


def attempts(address):
    host, _, port = address.rpartition(":")
    tries = {
        "tcp": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "connect": lambda: socket.create_connection((host, int(port)), timeout=1),
        "name": lambda: socket.getaddrinfo("openclaw.cloud", 80),
    }
    return "net " + " ".join(f"{name}:{ending(attempt)}" for name, attempt in tries.items())


def ending(attempt):
    try:
        attempt()
    except socket.gaierror as error:
        names = [name for name in dir(socket) if name.startswith("EAI_")]
        return next((name for name in names if getattr(socket, name) == error.errno), str(error.errno))
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
    except Exception as error:
        return type(error).__name__
    return "done"
