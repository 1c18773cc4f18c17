"""Files that stay open between events."""

import os
import re

from words import NoCommand, number, printable, word

ROOT = "/work"
MAX_OPEN = 8
MAX_READ = 64


def is_name(name):
    return re.fullmatch("[a-z0-9_-][a-z0-9._-]{0,31}", name) is not None


class Files:
    def __init__(self):
        # In the order they were opened; the last is the current one.
        self._open = {}

    def answer(self, *words):
        match words:
            case ("open", name) if is_name(name):
                command = lambda: self._open_one(name)
            case ("list",):
                command = self._list
            case ("close",) | ("read",) | ("write", _) | ("seek", _):
                # Before the question whether there is a file: a line is a command or not, whatever is open.
                argument = word(words[1]) if words[0] == "write" else number(words[1]) if words[0] == "seek" else None
                if not self._open:
                    return "no file"
                name, file = next(reversed(self._open.items()))
                command = {
                    "close": lambda: self._close(name),
                    "read": lambda: self._read(file),
                    "write": lambda: self._write(file, argument),
                    "seek": lambda: f"at {file.seek(argument)}",
                }[words[0]]
            case _:
                raise NoCommand
        try:
            return command()
        except OSError:
            return "file failed"

    def _open_one(self, name):
        if name in self._open:
            self._open[name] = self._open.pop(name)
        elif len(self._open) == MAX_OPEN:
            return "full"
        else:
            # Unbuffered: what is written is in the file when the event ends.
            self._open[name] = open(
                f"{ROOT}/{name}",
                "r+b",
                buffering=0,
                opener=lambda path, flags: os.open(path, flags | os.O_CREAT, 0o666),
            )
        return f"open {name}"

    def _close(self, name):
        self._open.pop(name).close()
        return f"closed {name}"

    def _read(self, file):
        data = bytearray()
        while len(data) < MAX_READ and (part := file.read(MAX_READ - len(data))):
            data += part
        return f"read {len(data)} {printable(data.replace(bytes([10]), b'/'))}"

    def _write(self, file, text):
        data = f"{text}\n".encode()
        written = 0
        while written < len(data):
            written += file.write(data[written:])
        return f"wrote {written} at {file.tell()}"

    def _list(self):
        with os.scandir(ROOT) as entries:
            files = [entry.name for entry in entries if is_name(entry.name) and entry.is_file()]
        sizes = sorted(f" {name}:{os.stat(f'{ROOT}/{name}').st_size}" for name in files)
        return "files" + "".join(sizes)
