"""Words as the commands take them."""

import re


class NoCommand(Exception):
    """The line is no command."""


def number(text):
    if not re.fullmatch("[0-9]{1,9}", text):
        raise NoCommand
    return int(text)


def word(text):
    if len(text) > 32:
        raise NoCommand
    return text


def within(value, least, most):
    if not least <= value <= most:
        raise NoCommand
    return value


def printable(data):
    return "".join(chr(byte) if 0x20 <= byte <= 0x7E else "?" for byte in data)
