"""What a model's code can do while it is scored: give values, and nothing else."""

from __future__ import annotations

import ctypes
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from routerctl.scorers import score_reply
from routerctl.scorers.sandbox import confine
from routerctl.scorers.sandbox.child import STARTED
from routerctl.scorers.sandbox.run import Limits, run_limited
from routerctl.types import Score, ScorerSpec
from tests.conftest import SECRET, Project

HELD = pytest.mark.skipif(bool(confine.not_held()), reason=f"code in a child can {', '.join(confine.not_held())} here")
CHILD = Path(confine.__file__).with_name("child.py")
NOBODY = (65534, 65534)
TESTS = "assert double(2) == 4"
RIGHT_CODE = Path(__file__).with_name("fixtures") / "right_code.txt"


def python(reply: str, tests: str = TESTS, **params: Any) -> Score:
    """Score one reply."""
    spec = ScorerSpec(name="python", params={"cpu_s": 2, "wall_s": 20, **params})
    return score_reply(spec, textwrap.dedent(reply), textwrap.dedent(tests))


# --- a pass cannot be forged ------------------------------------------------------------------------------------------

ALWAYS = """
class Always{base}:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __contains__ = __lt__
    def __sub__(self, other): return 0
    __rsub__ = __add__ = __radd__ = __mod__ = __sub__
    def __abs__(self): return 0
    def __hash__(self): return hash(4)
    def __bool__(self): return True
    def __instancecheck__(self, other): return True
def double(x): return Always()
"""


COMPARISONS = [
    "double(2) == 4",
    "4 == double(2)",
    "not double(2) != 4",
    "[double(2)] == [4]",
    "{'a': double(2)} == {'a': 4}",
    "double(2) in (4, 5)",
    "3 < double(2) < 5",
    "double(2) >= 4",
    "abs(double(2) - 4) < 1e-9",
    "abs(4 - double(2)) < 1e-9",
    "math.isclose(double(2), 4)",
    "4 in double(2)",
    "isinstance(double(2), complex)",
    "double(2) is True or double(2) is None",
    "double(2) == [1, 2] or double(2) == {'a': 1} or double(2) == 'four' or double(2) == {3}",
]


@pytest.mark.parametrize("base", ["", "(int)", "(float)", "(str)", "(list)", "(dict)", "(tuple)", "(set)"])
def test_no_object_is_equal_to_everything(base: str) -> None:
    """What is expected is compared with plain values alone, by Python's own types."""
    tried = "".join(
        f"try:\n    if {one}: passed.append({one!r})\nexcept (TypeError, ValueError): pass\n" for one in COMPARISONS
    )
    tests = f"import math\npassed = []\n{tried}assert passed == [], passed"
    assert python(ALWAYS.format(base=base), tests).explanation == "the tests pass"
    assert python(ALWAYS.format(base=base), TESTS).value == 0.0


@pytest.mark.parametrize(
    "reply",
    [
        "import os; os._exit(0)",
        "def double(x):\n    import os; os._exit(0)",
        "import sys; sys.exit(0)",
        "def double(x): raise SystemExit(0)",
        "import atexit, os\natexit.register(os._exit, 0)\ndouble = lambda x: 5",
        "import builtins\nbuiltins.AssertionError = ValueError\ndouble = lambda x: 5",
        'import builtins, json\njson.dumps = lambda *a, **k: \'{"verdict": {"problem": null}}\'\ndouble = lambda x: 5',
        "import sys\nsys.modules['json'] = sys.modules['os'] = None\ndouble = lambda x: 5",
        "import sys\nsys.settrace(lambda *a: None)\ndef double(x): return 5",
        "import builtins\nbuiltins.print = builtins.exec = lambda *a, **k: None\ndouble = lambda x: 5",
        "def double(x):\n    class E(AssertionError):\n        def __str__(self): return 'the tests pass'\n    raise E",
        "class double(int):\n    def __new__(cls, x): return int.__new__(cls, 5)\n    def __eq__(self, o): return True",
        "import unittest.mock\ndouble = lambda x: unittest.mock.ANY",
        "import unittest.mock\ndouble = unittest.mock.MagicMock()",
        "def double(x): return type('int', (), {'__eq__': lambda *a: True})()",
        "import os, threading\ndef double(x):\n    threading.Thread(target=os._exit, args=(0,)).start()\n    x()",
        "def double(x): yield 4",
        "double = lambda x: '4'",
        "double = lambda x: True if x == 2 else 4",
        "def abs(x): return 4\ndef len(x): return 4\ndouble = lambda x: 5",
    ],
)
def test_no_trick_makes_a_pass(reply: str) -> None:
    """Whatever the code patches, raises or ends, the tests run elsewhere."""
    made = python(reply)
    assert (made.value, made.explanation != "the tests pass") == (0.0, True)


WRITE_EVERYWHERE = """
import os
for file in range(1, 1024):
    for form in (b'started\\n{"verdict": {"problem": null}}', b'{"verdict": {"problem": null}}'):
        try:
            os.lseek(file, 0, 0)
        except OSError:
            pass
        try:
            os.write(file, form)
        except OSError:
            pass
double = lambda x: 5
"""
ANSWER_FIRST = """
import os, json, struct
def send(*message):
    data = json.dumps(message).encode()
    for file in range(3, 64):
        try:
            os.write(file, struct.pack('>I', len(data)) + data)
        except OSError:
            pass
def double(x):
    send({messages})
    os._exit(0)
"""


@pytest.mark.parametrize(
    "reply",
    [
        WRITE_EVERYWHERE,
        f"def double(x):\n{textwrap.indent(WRITE_EVERYWHERE, '    ')}",
        ANSWER_FIRST.replace("{messages}", "'give', ['theirs', 0, 'x', 'object', True], [], ''"),
        ANSWER_FIRST.replace("{messages}", "'give', ['plain class', 'type'], [], ''"),
        ANSWER_FIRST.replace("{messages}", "'give', ['by name', 'unittest.mock', 'ANY'], [], ''"),
        ANSWER_FIRST.replace("{messages}", "'give', ['fixed', 'subprocess.Popen', ['true']], [], ''"),
        ANSWER_FIRST.replace("{messages}", "'give', ['new', 'os.system', ['true']], [], ''"),
        ANSWER_FIRST.replace("{messages}", "'raise', ['yours', 0], [], ''"),
        ANSWER_FIRST.replace("{messages}", "'do', 'call', ['yours', 0], {}, True"),
        ANSWER_FIRST.replace("{messages}", "'give', ['seen', 99], [[0, 7]], 5"),
        ANSWER_FIRST.replace("{messages}", "{'a': 1}"),
    ],
)
def test_the_verdict_is_out_of_reach(reply: str) -> None:
    """No descriptor of the reply's process leads to it, and no message that its program would not send does harm."""
    assert python(reply).value == 0.0


def test_an_ended_process_is_no_expected_exception() -> None:
    """Tests that catch everything do not pass because the code ended, or sent what nobody can read."""
    tests = "try:\n    double(-1)\nexcept Exception:\n    pass"
    assert "ended early with exit status 0" in python("def double(x): __import__('os')._exit(0)", tests).explanation
    broken = ANSWER_FIRST.replace("{messages}", "'give', ['plain class', 'type'], [], ''")
    assert python(broken, tests).value == 0.0


LOOK = """
import gc, sys
def texts():
    for one in gc.get_objects():
        if isinstance(one, dict):
            yield from (value for value in list(one.values()) if isinstance(value, str))
        elif isinstance(one, (list, tuple)):
            yield from (value for value in one if isinstance(value, str))
    frame = sys._getframe()
    while frame:
        yield from [value for value in list(frame.f_locals.values()) if isinstance(value, str)]
        frame = frame.f_back
def double(x):
    return 4 if any(chr(77) + 'ARKED' in text for text in texts()) else 5
"""


def test_what_is_expected_never_enters_the_process() -> None:
    """Neither the collector's objects nor any frame has the tests; with `same_process` both do."""
    tests = "marked = 'MARKED'\nassert double(2) == 4"
    assert python(LOOK, tests).value == 0.0
    assert python(LOOK, tests, same_process=True).value == 1.0


def test_a_callback_gives_nothing_away() -> None:
    """A function that the tests hand in can be called, but leads neither to its globals nor to its frames."""
    reply = """
    def leaked(f):
        found = []
        paths = ['__globals__'], ['__code__', 'co_consts'], ['__self__'], ['__closure__'], ['gi_frame'], ['f_back']
        for path in paths:
            try:
                one = f
                for name in path: one = getattr(one, name)
                found.append(path)
            except AttributeError: pass
        return found
    """
    assert python(reply, "def f(x): return 4\nassert leaked(f) == []\nassert leaked([].append) == []").value == 1.0


PEER = """
import sys
def peer_here():
    frame = sys._getframe()
    while not hasattr(frame.f_locals.get("peer"), "ask"): frame = frame.f_back
    return frame.f_locals["peer"]
P = peer_here()
def number(far): return object.__getattribute__(far, "_Far__number")
def answered(message, call=print):
    real = P.serve
    P.serve = lambda request: P.send(message)
    try: P.ask("call", call, lambda: None)
    except BaseException as error: return error
    finally: P.serve = real
def tried(*ways):
    got = []
    for way in ways:
        try: got.append(way())
        except Exception: pass
    return got
"""
FORGED = """
held = P.ask("call", ValueError, "x")
answered(["raise", ["yours", number(held)], [], ""])
found = None
for n in range(9):
    try:
        path = "{0.__traceback__.tb_frame" + ".f_back" * n + ".f_locals[job][tests]}"
        found = P.ask("call", P.ask("getattr", path, "format"), held)
    except Exception: pass
double = lambda x: 4 if found else 5
"""
NOTHING_GIVEN = """
import pathlib, builtins
def double(x):
    got = tried(
        lambda: P.ask("call", ValueError, "x"),
        lambda: P.ask("call", type, 3),
        lambda: P.ask("call", str, 3),
        lambda: P.ask("getattr", "{0}", "format"),
        lambda: P.ask("getattr", "{a}", "format_map"),
        lambda: P.ask("getattr", "a", "upper"),
        lambda: P.ask("getattr", pathlib.PosixPath("x.txt"), "write_text"),
        lambda: P.ask("str", 3),
        lambda: P.ask("mod", "%s", "a"),
        lambda: P.ask("eq", 3, 3),
        lambda: P.ask("add", [], []),
        lambda: P.ask("iter", [1]),
        lambda: P.ask("dir", x),
        lambda: P.ask("instancecheck", int, 3),
        lambda: P.ask("load", "x"),
    )
    return 5 if got == [] else 4
"""


def test_the_tests_process_does_nothing_for_whom_it_gave_nothing() -> None:
    """Neither a class, a text's `format`, a path nor a plain value of the reply's own is worked with over there."""
    assert python(PEER + FORGED).value == 0.0
    tests = "import os\nassert double(2) == 5\nassert not os.path.exists('x.txt')"
    assert python(PEER + NOTHING_GIVEN, tests).explanation == "the tests pass"


LEAKS = {
    name: tests
    for name, _, tests in (
        one.partition("\n") for one in RIGHT_CODE.with_name("leaks.txt").read_text().split("### ")[1:]
    )
}
READ, OWN = LEAKS.pop("its code").split("--- tests\n")


@pytest.mark.parametrize("what", LEAKS)
def test_what_is_handed_over_leads_nowhere(what: str) -> None:
    """Code that speaks to the tests' process as it likes gets no frame, code or globals of what it was given."""
    made = python(PEER + READ, OWN + LEAKS[what])
    assert (made.value, made.explanation) == (1.0, "the tests pass")


def test_the_tests_process_raises_nothing_of_its_own() -> None:
    """What it handed over is not raised there by its number, where an exception would get a traceback."""
    for n in range(3):
        reply = f"def again(call, *held): answered(['raise', ['yours', {n}], [], ''], call)"
        made = python(PEER + reply, f"{OWN}\ntry: again(lambda f: f(), E, O())\nexcept Exception: pass")
        assert "sent what it should not: Broken: no exception" in made.explanation, n


# --- what right code may do -------------------------------------------------------------------------------------------

RIGHT = {
    name.strip(): tuple(both.split("--- tests\n"))
    for name, _, both in (part.partition("\n") for part in RIGHT_CODE.read_text().split("### ")[1:])
}


@pytest.mark.parametrize("what", RIGHT)
def test_right_code_passes(what: str) -> None:
    """Two processes, and nobody notices."""
    made = python(*RIGHT[what])
    assert made.explanation == "the tests pass"


@pytest.mark.parametrize("what", [name for name in RIGHT if "builtin" not in name])
def test_right_code_passes_in_one_process(what: str) -> None:
    """The same tests hold where the reply's author is trusted."""
    assert python(*RIGHT[what], same_process=True).explanation == "the tests pass"


def test_what_two_processes_cannot_do_is_said() -> None:
    """Subclassing, and operators between the reply's objects and plain values, want `same_process`."""
    reply = "class A:\n    def __mul__(self, n): return n"
    assert "cannot be subclassed by the tests (see same_process)" in python(reply, "class B(A): pass").explanation
    assert "a plain value met an object of the reply's class A" in python(reply, "assert A() * 3 == 3").explanation
    for tests in ("class B(A): pass", "assert A() * 3 == 3"):
        assert python(reply, tests, same_process=True).value == 1.0


# --- files, network, processes ----------------------------------------------------------------------------------------

# Around Python's own doors, where the audit hook sees nothing.
RAW = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def read(path):
    file = libc.open(path.encode(), 0)
    if file < 0: return ''
    data = ctypes.create_string_buffer(100000)
    size = libc.read(file, data, 100000)
    return data.raw[:size].decode('latin-1')
def write(path):
    file = libc.open(path.encode(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return file >= 0 and libc.write(file, b'x', 1) == 1
"""


@pytest.fixture(params=["two processes", "one process"])
def params(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Give the scorer's parameters for either way."""
    return {"same_process": request.param == "one process"}


@HELD
def test_no_environment_is_read(monkeypatch: pytest.MonkeyPatch, params: dict[str, Any]) -> None:
    """Neither the parent's, nor the grandparent's, nor any other process's."""
    monkeypatch.setenv("SOME_API_KEY", SECRET)
    sleeping = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]
    other = subprocess.Popen(sleeping, env={"SOME_API_KEY": SECRET}, stdout=subprocess.PIPE)
    assert other.stdout
    try:
        other.stdout.readline()
        assert SECRET.encode() in Path(f"/proc/{other.pid}/environ").read_bytes()
        pids = (os.getpid(), other.pid, "self", "thread-self", os.getppid(), 1)
        paths = [f"/proc/{pid}/{name}" for pid in pids for name in ("environ", "cmdline", "maps", "mem", "fd/0")]
        tests = f"found = [path for path in {paths!r} if read(path)]\nassert found == [], found"
        assert python(RAW, tests, **params).explanation == "the tests pass"
        code = f"double = lambda x: open('/proc/{os.getppid()}/environ').read()"
        assert "PermissionError" in python(code, **params).explanation
    finally:
        other.kill()
        other.wait()
        other.stdout.close()


@HELD
def test_no_file_elsewhere_is_read(tmp_path: Path, params: dict[str, Any]) -> None:
    """A project's files, its state, the user's home: by a path, a link, a listing, a mapping of the library's own."""
    secret = tmp_path / ".env"
    secret.write_text(SECRET)
    paths = [str(secret), "/etc/passwd", __file__, str(Path(confine.__file__).parents[2] / "errors.py")]
    tests = f"found = [path for path in {paths} if read(path)]\nassert found == [], found"
    assert python(RAW, tests, **params).explanation == "the tests pass"
    code = f"import pathlib\ndouble = lambda x: pathlib.Path({str(secret)!r}).read_text()"
    assert "PermissionError" in python(code, **params).explanation
    code = f"import os\nos.symlink({str(secret)!r}, 'here')\ndouble = lambda x: open('here').read()"
    assert "Permission" in python(code, **params).explanation
    assert "PermissionError" in python(f"import os\ndouble = lambda x: os.listdir({str(tmp_path)!r})").explanation
    link = f"{RAW}\nlibc.symlink({str(secret)!r}.encode(), b'here')\nlibc.link({str(secret)!r}.encode(), b'hard')"
    assert python(link, "assert read('here') == read('hard') == ''", **params).explanation == "the tests pass"


@HELD
def test_no_file_elsewhere_is_changed(tmp_path: Path, params: dict[str, Any]) -> None:
    """Not its bytes, name, mode, owner or dates, by whatever call."""
    precious = tmp_path / "precious"
    precious.write_text("kept")
    before = precious.stat()
    path = str(precious)
    code = f"""{RAW}
path, new = {path!r}.encode(), {path + "2"!r}.encode()
write({path!r}); write({path + "2"!r})
libc.chmod(path, 0o777); libc.chown(path, 1, 1); libc.utimes(path, None); libc.truncate(path, 0)
libc.rename(path, new); libc.link(path, new); libc.symlink(path, new); libc.mkdir(new, 0o700); libc.unlink(path)
libc.setxattr(path, b'user.a', b'b', 1, 0); libc.mknod(new, 0o600, 0)
"""
    assert python(code, "read", **params).explanation == "the tests pass"
    after = precious.stat()
    assert [one.name for one in tmp_path.iterdir()] == ["precious"]
    assert precious.read_text() == "kept"
    assert (before.st_mode, before.st_uid, before.st_mtime_ns) == (after.st_mode, after.st_uid, after.st_mtime_ns)


@HELD
def test_no_network_is_reached(tmp_path: Path, params: dict[str, Any]) -> None:
    """Neither TCP, UDP nor another program's socket, by the library or around it."""
    kinds = ((2, 1), (2, 2), (10, 1), (1, 1), (1, 2), (16, 3), (17, 3))
    code = f"{RAW}\nmade = lambda: [kind for kind in {kinds} if libc.socket(*kind, 0) != -1]"
    assert python(code, "assert made() == [], made()", **params).explanation == "the tests pass"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "socket"))
        server.setblocking(False)
        code = f"""
        import socket
        def double(x):
            a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            return a.sendto(b'x', {str(tmp_path / "socket")!r})
        """
        assert "PermissionError" in python(code, **params).explanation
        with pytest.raises(BlockingIOError):
            server.recv(1)


PROCESSES = {
    "fork": "libc.fork()",
    "fork by number": "libc.syscall(57)",
    "vfork": "libc.syscall(58)",
    "clone": "libc.syscall(56, 17, 0, 0, 0, 0)",
    "clone3": "libc.syscall(435, ctypes.byref((ctypes.c_uint64 * 11)(0, 0, 0, 0, 17)), 88)",
    "setsid": "libc.setsid()",
    "setpgid": "libc.setpgid(0, 0)",
    "exec": "libc.execl(b'/bin/sleep', b'sleep', b'60', None)",
    "to the parent": "libc.kill(PARENT, 9)",
    "to all": "libc.kill(-1, 9)",
    "to its group": "libc.kill(0, 9)",
    "by a thread's number": "libc.syscall(200, PARENT, 9)",
    "by a descriptor": "libc.syscall(434, PARENT, 0)",
    "by a file's owner": "libc.fcntl(0, 8, PARENT)",
    "its memory": "libc.syscall(310, PARENT, 0, 0, 0, 0, 0)",
    "its debugger": "libc.ptrace(16, PARENT, 0, 0)",
    "its limits": "libc.prlimit(PARENT, 7, (ctypes.c_uint64 * 2)(0, 0), None)",
    "its priority": "libc.setpriority(0, PARENT, 19)",
    "a namespace": "libc.unshare(0x10000000)",
}


@HELD
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86-64")
def test_no_process_is_started_or_touched(params: dict[str, Any]) -> None:
    """Every call fails, and the code is alive afterwards: what it left behind would be ended with it."""
    calls = ", ".join(f"{what!r}: {call}" for what, call in PROCESSES.items())
    code = f"{RAW}\nPARENT = {os.getpid()}\nresults = lambda: {{{calls}}}"
    tests = "made = {what: found for what, found in results().items() if found != -1}\nassert not made, made"
    assert python(code, tests, **params).explanation == "the tests pass"


DAEMON = """
import os
if not os.fork():
    os.setsid()
    if not os.fork():
        import time
        while True: time.sleep(1)
    os._exit(0)
double = lambda x: 4
"""


@HELD
def test_nothing_is_left_behind(params: dict[str, Any]) -> None:
    """No daemon, no thread, no busy loop outlives the verdict."""
    mark = "routerctl-test-of-what-is-left"
    busy = f"import threading, time\nthreading.Thread(target=lambda: time.sleep(600), name={mark!r}).start()\n"
    loop = "def spin():\n    while True: pass\nthreading.Thread(target=spin).start()\ndouble = lambda x: 4"
    assert python(DAEMON, **params).value == 0.0
    assert python(busy + loop, **params).value == 1.0
    given_up_at = time.monotonic() + 20  # they are killed by then, but a busy machine takes its time to end them
    while list(_children()) and time.monotonic() < given_up_at:
        time.sleep(0.02)
    assert not list(_children())


def _children() -> Iterator[int]:
    """Name the processes that run the child's program."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:
            continue
        if b"sandbox/child.py" in command and _parent(path.parent) in (1, os.getpid()):
            yield int(path.parent.name)


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


@HELD
@pytest.mark.parametrize(
    ("task", "job"),
    [
        ("regex", {"pattern": "a", "text": "a", "ignore_case": False}),
        ("sql", {"setup": "", "reference": "SELECT 1", "query": "SELECT 1", "ordered": False}),
        ("schema", {"schema": {"pattern": "^a$"}, "reply": "a"}),
    ],
)
def test_the_other_children_work_confined(task: str, job: dict[str, object]) -> None:
    """What holds for code holds for every child."""
    ended = run_limited(task, job, Limits(cpu_s=5, wall_s=30, memory_mb=512), packages=task == "schema")
    assert ended.why == ""
    assert ended.verdict in ({"found": "a"}, {"problem": None, "broken": None}, {"problem": None})


@HELD
@pytest.mark.skipif(os.getuid() != 0, reason="whoever runs the tests is an ordinary user already")
def test_an_ordinary_user_is_held_as_well(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Without root nothing that confines is missing: no privilege is needed."""
    found = [path for path in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3") if _runs_for_nobody(path)]
    if not found:
        pytest.skip("no Python here can be read by an ordinary user")
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, *NOBODY)
        tests = f"assert read('/proc/{os.getpid()}/stat') == ''\nassert libc.fork() == -1 and write('here') is True"
        limits = {"cpu_s": 5, "memory_mb": 512, "file_mb": 16, "open_files": 64}
        head = {"files": ["values", "far", "given", "streams", "exchange", "python"], "limits": limits, "divide": True}
        done = subprocess.run(
            [found[0], "-P", "-s", "-B", "-S", str(CHILD), json.dumps(head)],
            input=json.dumps({"code": RAW, "tests": tests}).encode(),
            cwd=folder,
            user=NOBODY[0],
            group=NOBODY[1],
            capture_output=True,
            check=False,
        )
    assert done.stdout == STARTED + b'{"verdict": {"problem": null}}', done.stderr


def _runs_for_nobody(python: str) -> bool:
    probe = f"import ctypes, sys; open({str(CHILD)!r}); sys.exit(sys.version_info < (3, 11))"
    try:
        done = subprocess.run([python, "-S", "-c", probe], user=NOBODY[0], group=NOBODY[1], check=False)
    except OSError:
        return False
    return done.returncode == 0


def _forbid_landlock() -> None:
    """Let this process and its children have no Landlock, as in a container that forbids it."""
    refused = [part for number in (444, 445, 446) for part in ((0x15, 0, 1, number), (0x06, 0, 0, 0x50026))]
    program = b"".join(struct.pack("=HBBI", *one) for one in [(0x20, 0, 0, 0), *refused, (0x06, 0, 0, 0x7FFF0000)])
    libc, code = ctypes.CDLL(None), ctypes.create_string_buffer(program, len(program))
    libc.prctl(38, 1, 0, 0, 0)
    libc.prctl(22, 2, ctypes.c_char_p(struct.pack("HP", len(program) // 8, ctypes.addressof(code))), 0, 0)


@HELD
@pytest.mark.parametrize("command", ["check", "eval"])
def test_what_does_not_hold_is_said(project: Project, command: str) -> None:
    """Where the system withholds it, `check` and `eval` name it once, and the code runs all the same."""
    cases = [{"id": f"case-{k}", "input": f"sums: 1+{k}", "expected": "assert True"} for k in range(4)]
    project.eval_set("sums", 4, scorer={"name": "python"}, cases=cases)
    words = "warning: on this system the code of replies can read and change your files (scorer python)"
    assert words not in project.run("check").err
    done = project.run(command, preexec_fn=_forbid_landlock)
    assert done.code == 0, done.err
    assert done.err.replace("\n", " ").count(words) == 1, done.err


def test_many_calls_are_quick_enough() -> None:
    """Tests that call a function some thousand times end within the usual limits."""
    assert python("double = lambda x: 2 * x", "for x in range(5000): assert double(x) == 2 * x").value == 1.0
