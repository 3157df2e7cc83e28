# Runs one program of an author's and tells its host what came of it. It is the first thing that the interpreter runs,
# confined already: what it does is for the program's comfort and for good messages, never for safety.
import json
import os
import struct
import sys

FILE = "agent.py"


class Host:
    """Messages to the host: their length, four bytes, little endian, and JSON."""

    def __init__(self, limits):
        self.pipe = os.dup(1)
        # What is written past Python's own streams must not be taken for a message.
        os.dup2(2, 1)
        self.limits = limits
        self.lines = 0
        self.bytes = 0
        self.is_cut = False

    def send(self, message):
        # Text may hold half of a surrogate pair, JSON's may not.
        text = json.dumps(message, ensure_ascii=False, allow_nan=False)
        self.write(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode())

    def write(self, body):
        rest = memoryview(struct.pack("<I", len(body)) + body)
        while rest:
            rest = rest[os.write(self.pipe, rest):]

    def log(self, level, line):
        limits = self.limits
        cut = line[: limits["line_bytes"]]
        while len(cut.encode("utf-8", "replace")) > limits["line_bytes"]:
            cut = cut[: len(cut) * 3 // 4]
        self.lines += 1
        if self.lines > limits["lines"] or self.bytes > limits["bytes"]:
            self.is_cut = True
            return
        self.bytes += len(cut.encode("utf-8", "replace"))
        if len(cut) < len(line):
            cut += f"… ({len(line.encode('utf-8', 'replace'))} bytes in all)"
        self.send({"log": {"level": level, "text": cut}})

    def finish(self, message):
        if self.is_cut:
            most, bytes_max = self.limits["lines"], self.limits["bytes"]
            text = f"some lines were dropped: an attempt may print {most} lines and {bytes_max} bytes"
            self.send({"log": {"level": "warn", "text": text}})
        self.send(message)


class Lines:
    """A stream of text whose lines are lines of the execution's log."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, host, level):
        self.host = host
        self.level = level
        self.rest = ""

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            self.host.log(self.level, line)
        if len(self.rest) > self.host.limits["line_bytes"]:
            self.end()
        return len(text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def end(self):
        rest, self.rest = self.rest, ""
        if rest:
            self.host.log(self.level, rest)

    def flush(self):
        pass

    def isatty(self):
        return False

    def writable(self):
        return True

    def readable(self):
        return False


def describe(error):
    """`ValueError: no (line 3)`."""
    line = error.lineno if isinstance(error, SyntaxError) and error.filename == FILE else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == FILE:
            line = trace.tb_lineno
        trace = trace.tb_next
    try:
        message = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception as second:
        message = f"(its message failed with {type(second).__name__})"
    name = type(error).__name__
    text = f"{name}: {message}" if message else name
    return f"{text} (line {line})" if line else text


def failed(code, message):
    return {"failed": {"code": code, "message": message[:4000]}}


def call(request):
    namespace = {"__name__": "agent", "__builtins__": __builtins__}
    exec(compile(request["source"], FILE, "exec", dont_inherit=True), namespace)
    main = namespace.get("main")
    if not callable(main):
        return failed("code_failed", "the program has no function `main(inputs, context)`")
    answer = main(request["inputs"], request["context"])
    if hasattr(answer, "__await__"):
        return failed("code_failed", "`main` is a coroutine; write `def main`, there is nothing to wait for")
    try:
        text = json.dumps(answer, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        return failed("invalid_output", f"the answer cannot be JSON: {error}")
    length = len(text.encode("utf-8", "replace"))
    if length > request["output_bytes"]:
        limit = request["output_bytes"]
        return failed("output_too_large", f"the answer has {length} bytes as JSON; {limit} are allowed")
    return {"result": answer}


def judge(request):
    try:
        if request["check"]:
            compile(request["source"], FILE, "exec", dont_inherit=True)
            return {"result": None}
        return call(request)
    except MemoryError:
        mib = request["memory_bytes"] >> 20
        return failed("out_of_memory", f"the program needs more than its {mib} MiB of memory")
    except SystemExit:
        return failed("code_failed", "the program asked to exit; return a value instead")
    except BaseException as error:
        return failed("code_failed", describe(error))


def start():
    with os.fdopen(int(sys.argv[1]), "rb") as file:
        request = json.load(file)
    host = Host(request["log"])
    sys.stdin = None
    sys.stdout = sys.__stdout__ = Lines(host, "info")
    sys.stderr = sys.__stderr__ = Lines(host, "warn")
    sys.argv = [FILE]
    # What the interpreter has set for itself.
    os.environ.clear()
    message = judge(request)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, Lines):
            stream.end()
    host.finish(message)
    # Nothing of the program's runs after its answer.
    os._exit(0)


start()
