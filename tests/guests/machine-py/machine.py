"""The machine of ../machine/README.md."""

from collections import deque

from coroutines import Future, Task
from files import Files
import network
from words import NoCommand, number, printable, within, word

MAX_LINE = 256
MAX_MESSAGE = 64
MAX_STACK = 1024
MAX_MAP = 1024
MAX_PENDING = 64
MAX_SLEEP_MS = 60_000
MAX_STEPS = 16
MAX_NAPS = 16
MAX_SPILLED = 8192
KIB = 1024
FNV_START = 0x811C9DC5
MASK = 0xFFFFFFFF


class Unfinished(Exception):
    """How an operation that did not end well ended."""


def fibonacci():
    a, b = 0, 1
    while True:
        yield a
        a, b = b, (a + b) % 1_000_003


def fnv(state, data):
    for byte in data:
        state = ((state ^ byte) * 0x01000193) & MASK
    return state


def pattern(block, kib):
    return (31 * kib + 17 * block + 7) & 0xFF


class Machine:
    """`write` prints bytes; `submit` starts a sleep of milliseconds, and answers with its id or raises Unfinished."""

    def __init__(self, write, submit):
        self._write, self._submit = write, submit
        self._size = (0, 0)
        self._sum = self._pushes = 0
        self._stack, self._map, self._blocks = [], {}, []
        self._generator = fibonacci()
        self._hash = FNV_START
        self._files = Files()
        self._operations, self._tasks = {}, []
        self._typed = bytearray()
        self._queue = deque()
        self._item = self._turn = None

    # Events.

    def start(self, cols, rows):
        self._size = (cols, rows)
        self._print("machine ready")
        Task(self._run())

    def resize(self, cols, rows):
        self._size = (cols, rows)

    def input(self, data):
        for byte in data:
            if byte in b"\r\n":
                self._take(self._line(printable(self._typed)))
                self._typed.clear()
            elif len(self._typed) < MAX_LINE:
                self._typed.append(byte)

    def message(self, body):
        self._take(self._message(printable(body[:MAX_MESSAGE])))

    def completed(self, op, outcome):
        future = self._operations.pop(op, None)
        if future is not None:
            future.finish(error=None if outcome == "slept" else Unfinished(outcome))

    def turn(self):
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.finish()

    @property
    def wants_turn(self):
        return self._turn is not None

    # The queue: coroutines, each for one item.

    def _take(self, item):
        self._queue.append(item)
        if self._item is not None:
            self._item.finish()
            self._item = None

    async def _run(self):
        while True:
            while self._queue:
                await self._queue.popleft()
            self._item = Future()
            await self._item

    async def _message(self, body):
        self._print(f"message {body}")

    async def _line(self, line):
        words = [word for word in line.split(" ") if word]
        if not words:
            return
        try:
            self._print(await self._answer(*words))
        except NoCommand:
            self._print("what? " + " ".join(words))

    async def _answer(self, verb, *args):
        if verb == "file":
            return self._files.answer(*args)
        command = COMMANDS.get(verb)
        if command is None or command.__code__.co_argcount != 1 + len(args):
            raise NoCommand
        answer = command(self, *args)
        return answer if isinstance(answer, str) else await answer

    def _print(self, line):
        self._write(f"{line}\r\n".encode())

    # Commands.

    def add(self, n):
        self._sum = (self._sum + (-number(n[1:]) if n.startswith("-") else number(n))) & MASK
        return f"sum {self._sum}"

    def push(self, w):
        word(w)
        if len(self._stack) == MAX_STACK:
            return "full"
        self._pushes += 1
        pushed = self._pushes
        self._stack.append(lambda: f"popped {w} {pushed}")
        return f"pushed {len(self._stack)}"

    def pop(self):
        return self._stack.pop()() if self._stack else "empty"

    def put(self, key, value):
        word(key)
        word(value)
        if len(self._map) == MAX_MAP and key not in self._map:
            return "full"
        self._map[key] = value
        return f"put {key}"

    def get(self, key):
        value = self._map.get(word(key))
        return f"{key} unset" if value is None else f"{key}={value}"

    def keys(self):
        return " ".join(["keys", *sorted(self._map)])

    def gen(self):
        return f"gen {next(self._generator)}"

    def hash(self, w):
        self._hash = fnv(self._hash, word(w).encode())
        return f"hash {self._hash:08x}"

    def net(self, address):
        return network.attempts(word(address))

    def size(self):
        cols, rows = self._size
        return f"size {cols}x{rows}"

    def later(self, n, w):
        ms = within(number(n), 0, MAX_SLEEP_MS)
        word(w)
        return self._spawn(self._late(ms, w), f"sleeping {w}")

    def steps(self, k, n, w):
        count, ms = number(k), within(number(n), 0, MAX_SLEEP_MS)
        word(w)
        within(count, 1, MAX_STEPS)
        return self._spawn(self._step(count, ms, w), f"stepping {w}")

    def pending(self):
        self._tasks = [task for task in self._tasks if not task.done]
        return f"pending {len(self._tasks)}"

    async def wait(self):
        for task in self._tasks:
            await task
        return "waited"

    async def nap(self, n):
        rounds = within(number(n), 0, MAX_NAPS)
        x = 1
        for _ in range(rounds):
            for _ in range(20_000):
                x = (x * 1_664_525 + 1_013_904_223) & MASK
            self._turn = Future()
            await self._turn
        return f"nap {rounds} {x}"

    def spill(self, n):
        kib = number(n)
        if kib == 0:
            raise NoCommand
        if self._spilled() + kib > MAX_SPILLED:
            return "full"
        block = bytearray(kib * KIB)
        for i in range(kib):
            block[i * KIB : (i + 1) * KIB] = bytes([pattern(len(self._blocks), i)]) * KIB
        self._blocks.append(block)
        return f"spilled {self._spilled()}"

    def check(self):
        state = FNV_START
        for number, block in enumerate(self._blocks):
            for i in range(len(block) // KIB):
                expected = bytes([pattern(number, i)])
                if block[i * KIB : (i + 1) * KIB] != expected * KIB:
                    return f"bad {number} {i}"
                state = fnv(state, expected)
        return f"check {len(self._blocks)} {self._spilled()} {state:08x}"

    def drop(self):
        kib = self._spilled()
        self._blocks.clear()
        return f"dropped {kib}"

    def _spilled(self):
        return sum(len(block) for block in self._blocks) // KIB

    # Coroutines that sleep.

    def _spawn(self, coroutine, answer):
        self.pending()
        if len(self._tasks) == MAX_PENDING:
            coroutine.close()
            return "full"
        self._tasks.append(Task(coroutine))
        return answer

    async def _late(self, ms, w):
        try:
            await self._sleep(ms)
            self._print(f"late {w}")
        except Unfinished as error:
            self._print(f"late {w}: {error}")

    async def _step(self, count, ms, w):
        for step in range(1, count + 1):
            try:
                await self._sleep(ms)
                self._print(f"step {step} {w}")
            except Unfinished as error:
                self._print(f"step {step} {w}: {error}")
                return

    def _sleep(self, ms):
        future = Future()
        try:
            self._operations[self._submit(ms)] = future
        except Unfinished as error:
            future.finish(error=error)
        return future


COMMANDS = {
    name: getattr(Machine, name)
    for name in "add push pop put get keys gen hash net size later steps pending wait nap spill check drop".split()
}
