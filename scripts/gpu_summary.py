"""The summary of a GPU check: the results in its folder against the targets, as Markdown.

scripts/check-gpu writes it after each step. It is made from nothing but the files in the folder, and a file that is
missing, or a result that a step did not reach, becomes a target that is "not measured", with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]

SMALL_NETWORK = "784-64-10"
WIDE_NETWORKS = ("784-1024-1024-10", "784-4096-4096-10")
KERNEL_SIZE = 4096

# Precision, the ceiling of its arithmetic, and the least share of it that the best kernel reaches.
KERNEL_SHARES = (
    ("f32", "f32", "f32", 0.54),
    ("f16", "f16-matrix", "f16 on matrix units", 0.38),
    ("int8", "int8-dot", "int8", 0.65),
)

# Precision, and how many times as long as PyTorch's graph a wide network may take.
TIMES_GRAPH = (("f32", 1.5), ("f16", 3.0))

KERNEL_TIME_NS = 60_000
SMALL_BATCH_WALL_NS = 60_000
UPLOAD_NS = 700_000

USUAL_PRECISIONS = ("f32", "f16", "int8")


class Missing(Exception):
    """A figure that was not measured; the text says why."""


@dataclass
class Target:
    """One row of the table: what has to hold, what was measured, and whether it holds."""

    what: str
    limit: str
    measured: str
    # None where it was not measured: `measured` says why.
    met: bool | None

    @property
    def verdict(self) -> str:
        return {True: "met", False: "missed", None: "not measured"}[self.met]


class Record:
    """The files of a check, read when they are needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.machine = self.read("machine.json") or {}

    def read(self, name: str) -> Any:
        """A JSON file of the record. None where it is not there."""
        try:
            return json.loads((self.folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    @property
    def sizes(self) -> Json:
        return self.machine.get("sizes", {})

    def step(self, name: str) -> Json:
        """What became of a step. Raises `Missing` where it is not part of this check."""
        for step in self.machine.get("steps", []):
            if step["name"] == name:
                return step
        raise Missing(f"`--sizes {self.sizes['name']}` leaves it out")

    def result(self, name: str, file: str) -> Json:
        """The JSON file of a step. Raises `Missing`, with what became of the step, where there is none."""
        step = self.step(name)
        document = self.read(file)
        if document is None:
            raise Missing(f"{name}: {outcome(step)}")
        return document

    def bench_row(self, network: str, precision: str, batch: int) -> Json:
        """A row of `bench` that was measured on the adapter."""
        name = f"bench {network}"
        document = self.result(name, f"bench-{network}.json")
        for row in document["results"]:
            if row["requested"]["precision"] != precision or row["requested"]["batch"] != batch:
                continue
            if row["status"] != "ok":
                raise Missing(f"{row['status']}: {row['detail']}")
            if row["effective"]["device"] != "gpu":
                raise Missing(f"it ran on the CPU: {row['effective']['reason']}")
            if row["effective"]["batch"] != batch:
                raise Missing(f"the batch was reduced to {row['effective']['batch']:,}")
            return row
        if batch not in self.sizes.get("batches", []):
            raise Missing(f"`--sizes {self.sizes['name']}` leaves it out")
        raise Missing(f"no row: {outcome(self.step(name))}")

    def pytorch_ns(self, network: str, precision: str, batch: int, run: str) -> int:
        """The median of PyTorch, `run` in "eager" or "graph"."""
        document = self.result("pytorch", "pytorch.json")
        if document["status"] != "ok":
            raise Missing(document["detail"])
        for row in document["results"]:
            key = (row["network"], row["precision"], row["batch"], row["run"])
            if key == (network, precision, batch, run):
                if row["status"] != "ok":
                    raise Missing(f"PyTorch: {row['detail']}")
                return row["median_ns"]
        raise Missing(f"no row of PyTorch: {outcome(self.step('pytorch'))}")

    def ceiling(self, name: str, kernels: Json) -> float:
        """A ceiling in operations per second, as `peak` measured it, or else in the run that timed the kernels."""
        for row in (self.read("peak.json") or {"ceilings": []})["ceilings"]:
            if row["name"] == name:
                if row["status"] == "unsupported":
                    raise Missing(row["detail"])
                if row["per_second"]:
                    return row["per_second"]
        if name in kernels["ceilings"]:
            return kernels["ceilings"][name]
        raise Missing(f"the ceiling {name} was not measured")

    def best_kernel(self, size: int, precision: str, ceiling: str) -> Json:
        """The fastest kernel of a precision in a product of size×size×size."""
        name = f"kernels {size}"
        document = self.result(name, f"kernels-{size}.json")
        wanted = [row for row in document["rows"] if (row["precision"], row["ceiling"]) == (precision, ceiling)]
        timed = [row for row in wanted if row["status"] == "ok"]
        if timed:
            best = max(timed, key=lambda row: row["operations_per_second"])
            return {**best, "share": best["operations_per_second"] / self.ceiling(ceiling, document)}
        if wanted:
            raise Missing(f"no kernel was timed: {wanted[0]['detail']}")
        self.ceiling(ceiling, document)
        raise Missing(f"no kernel: {outcome(self.step(name))}")


def outcome(step: Json) -> str:
    """What became of a step, in words."""
    status, detail = step["status"], step["detail"]
    return f"{status}: {detail}" if detail else status


def digits(value: float) -> str:
    """Three digits, or all of those before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def time(nanoseconds: float) -> str:
    """Three digits and a unit."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return f"{digits(nanoseconds / size)} {unit}"
    return f"{nanoseconds:.0f} ns"


def rate(per_second: float, unit: str) -> str:
    """With the prefix that leaves one to three digits before the point."""
    for prefix, size in (("T", 1e12), ("G", 1e9), ("M", 1e6)):
        if per_second >= size:
            break
    return f"{digits(per_second / size)} {prefix}{unit}"


def targets(record: Record) -> list[Target]:
    """Every target, in the order of the summary."""
    found = []
    for what, limit, measure in declared(record):
        try:
            measured, met = measure()
            found.append(Target(what, limit, measured, met))
        except Missing as missing:
            found.append(Target(what, limit, str(missing), None))
    return found


def declared(record: Record) -> Iterator[tuple[str, str, Any]]:
    """What has to hold, its limit, and the function that measures it: text, and whether it holds."""
    for precision, ceiling, words, share in KERNEL_SHARES:
        what = f"kernels alone, {KERNEL_SIZE}³, {words}"
        yield (
            what,
            f"≥ {share:.0%} of the ceiling",
            lambda p=precision, c=ceiling, s=share: kernel_share(record, p, c, s),
        )
    for network in WIDE_NETWORKS:
        for batch in (10_000, 1000):
            for precision, times in TIMES_GRAPH:
                what = f"{network}, batch {batch:,}, {precision}"
                limit = f"≤ {times:g}× PyTorch's graph"
                yield what, limit, lambda n=network, b=batch, p=precision, t=times: against(record, n, b, p, "graph", t)
    for precision in USUAL_PRECISIONS:
        what = f"{SMALL_NETWORK}, batch 10,000, {precision}: kernels"
        yield what, f"≤ {time(KERNEL_TIME_NS)}", lambda p=precision: kernel_time(record, p)
    for batch in (32, 1):
        for precision in USUAL_PRECISIONS:
            what = f"{SMALL_NETWORK}, batch {batch}, {precision}: wall"
            yield what, f"≤ {time(SMALL_BATCH_WALL_NS)}", lambda b=batch, p=precision: wall_time(record, b, p)
    for batch in (10_000, 1000, 32, 1):
        for precision, _ in TIMES_GRAPH:
            what = f"{SMALL_NETWORK}, batch {batch:,}, {precision}"
            yield (
                what,
                "below PyTorch eager",
                lambda b=batch, p=precision: against(record, SMALL_NETWORK, b, p, "eager", 1),
            )
    yield "upload of 10,000 images", f"≤ {time(UPLOAD_NS)}", lambda: upload_time(record)


def kernel_share(record: Record, precision: str, ceiling: str, least: float) -> tuple[str, bool]:
    best = record.best_kernel(KERNEL_SIZE, precision, ceiling)
    reached = rate(best["operations_per_second"], "OP/s")
    return f"{best['share']:.1%} ({reached}, `{best['kernel']}`)", best["share"] >= least


def against(record: Record, network: str, batch: int, precision: str, run: str, times: float) -> tuple[str, bool]:
    ours = record.bench_row(network, precision, batch)["wall_ns"]["median"]
    theirs = record.pytorch_ns(network, precision, batch, run)
    return f"{ours / theirs:.2f}× ({time(ours)}, PyTorch {time(theirs)})", ours <= times * theirs


def kernel_time(record: Record, precision: str) -> tuple[str, bool]:
    row = record.bench_row(SMALL_NETWORK, precision, 10_000)
    if row["gpu_ns"] is None:
        raise Missing("the adapter has no timestamps")
    return time(row["gpu_ns"]["median"]), row["gpu_ns"]["median"] <= KERNEL_TIME_NS


def wall_time(record: Record, batch: int, precision: str) -> tuple[str, bool]:
    wall = record.bench_row(SMALL_NETWORK, precision, batch)["wall_ns"]["median"]
    return time(wall), wall <= SMALL_BATCH_WALL_NS


def upload_time(record: Record) -> tuple[str, bool]:
    upload = record.bench_row(SMALL_NETWORK, "f32", 10_000)["upload_ns"]
    if upload is None:
        raise Missing("no upload was timed")
    return time(upload), upload <= UPLOAD_NS


# ---- the page -------------------------------------------------------------------------------------------


def table(header: list[str], rows: list[list[str]]) -> str:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(header), line(["---"] * len(header)), *map(line, rows)])


def page(folder: Path) -> str:
    """The whole summary of a record."""
    record = Record(folder)
    parts = [*head(record), *result(record), *target_table(record), *peaks(record), *networks(record), *steps(record)]
    return "\n\n".join(parts) + "\n"


def head(record: Record) -> list[str]:
    machine = record.machine
    adapter = machine["adapter"]
    rows = [
        ["adapter", f"{adapter['name']}, {adapter['backend']}, {adapter['kind']}"],
        ["driver", adapter["driver"]],
        ["processor", f"{machine['processors']} cores of {machine['processor']}"],
        ["system", machine["system"]],
        ["fmnist-gpu", f"{machine['tool']['version']}, commit {machine['tool']['commit']}"],
        ["command", f"`{machine['command']}`"],
        ["time", f"{machine['seconds']:.0f} s of at most {machine['limit_seconds']:.0f} s"],
    ]
    parts = [
        f"# GPU check: {adapter['name']}, {machine['date'][:10]}",
        "`scripts/check-gpu` of fmnist-gpu wrote this page. It checks that an adapter computes correct results, and "
        "measures how fast. The files beside this page have all figures.",
        table(["what", "value"], rows),
    ]
    if adapter["kind"] == "software":
        parts.append(
            "This is a software adapter: it runs shaders on the CPU, so its times say nothing about a GPU. The targets are those of a fast GPU."
        )
    if machine["fault_injection"]:
        parts.append("The program was built with the feature `fault-injection`, which a release does not have.")
    return parts


def result(record: Record) -> list[str]:
    """The few sentences that come first."""
    parts = ["## Result"]
    count = {True: 0, False: 0, None: 0}
    for target in targets(record):
        count[target.met] += 1
    lines = [verify_line(record), tests_line(record)]
    lines.append(f"- targets: {count[True]} met, {count[False]} missed, {count[None]} not measured")
    for status in ("failed", "out of time", "skipped", "not run"):
        named = [step["name"] for step in record.machine["steps"] if step["status"] == status]
        if named:
            lines.append(f"- steps {status}: {', '.join(named)}")
    if record.machine["interrupted"]:
        lines.append("- Ctrl-C ended this check early")
    parts.append("\n".join(lines))
    return parts


def verify_line(record: Record) -> str:
    step = record.step("verify")
    return f"- verify: {step['detail'] or step['status']}"


def tests_line(record: Record) -> str:
    count = {"passed": 0, "failed": 0, "ignored": 0}
    for step in record.machine["steps"]:
        for word, tests in (step.get("tests") or {}).items():
            count[word] += tests
    return "- tests: " + ", ".join(f"{tests:,} {word}" for word, tests in count.items() if tests or word != "ignored")


def target_table(record: Record) -> list[str]:
    rows = [[target.what, target.limit, target.measured, target.verdict] for target in targets(record)]
    return [
        "## Targets",
        "A ceiling is the highest rate of one operation, as `fmnist-gpu peak` measured it in this check. The time of a "
        "network is its wall time: from pixels on the device to outputs in host memory, for PyTorch as for fmnist-gpu. "
        "All times are medians.",
        table(["target", "limit", "measured", "result"], rows),
    ]


def peaks(record: Record) -> list[str]:
    parts = ["## Ceilings and kernels"]
    document = record.read("peak.json")
    if document:
        rows = []
        for row in document["ceilings"]:
            unit = "B/s" if row["unit"] == "bytes" else "OP/s"
            rows.append(
                [row["name"], rate(row["per_second"], unit) if row["per_second"] else row["detail"] or row["status"]]
            )
        parts.append(table(["ceiling", "highest rate"], rows))
    rows = []
    for size in record.sizes["kernels"]:
        for precision, ceiling, words, _ in KERNEL_SHARES:
            try:
                best = record.best_kernel(size, precision, ceiling)
                reached = [time(best["median_ns"]), rate(best["operations_per_second"], "OP/s"), f"{best['share']:.1%}"]
                rows.append([f"{size}³", words, *reached, f"`{best['kernel']}`"])
            except Missing as missing:
                rows.append([f"{size}³", words, "–", "–", "–", str(missing)])
    parts.append("The fastest kernel of each precision, in a product of matrices:")
    parts.append(table(["size", "precision", "median", "rate", "of the ceiling", "kernel"], rows))
    return parts


def networks(record: Record) -> list[str]:
    parts = ["## Networks"]
    parts.append(
        "`kernels` is the time on the device alone. `upload` copies the images to the device; it is not part of `wall`. "
        "PyTorch computes f32 without TF32."
    )
    for network in record.sizes["networks"]:
        parts.append(f"### {network}")
        try:
            document = record.result(f"bench {network}", f"bench-{network}.json")
        except Missing as missing:
            parts.append(str(missing))
            continue
        rows = [network_row(record, network, row) for row in document["results"]]
        header = ["batch", "precision", "kernel", "wall", "kernels", "upload", "PyTorch eager", "PyTorch graph"]
        burn = record.read("burn.json")
        if burn:
            header.append("burn")
        parts.append(table(header, [row[: len(header)] for row in rows]))
    return parts


def network_row(record: Record, network: str, row: Json) -> list[str]:
    batch, precision = row["requested"]["batch"], row["requested"]["precision"]
    cells = [f"{batch:,}", row["name"]]
    if row["status"] != "ok":
        return [*cells, f"{row['status']}: {row['detail']}", *["–"] * 6]
    kernel = row["effective"]["kernel"] or row["effective"]["path"]
    if row["effective"]["device"] != "gpu":
        kernel = f"{kernel}, on the CPU"
    gpu = time(row["gpu_ns"]["median"]) if row["gpu_ns"] else "–"
    upload = time(row["upload_ns"]) if row["upload_ns"] else "–"
    cells += [kernel, time(row["wall_ns"]["median"]), gpu, upload]
    for run in ("eager", "graph"):
        try:
            cells.append(time(record.pytorch_ns(network, precision, batch, run)))
        except Missing:
            cells.append("–")
    found = "–"
    for other in (record.read("burn.json") or {"results": []})["results"]:
        if (other["network"], other["batch"], other["precision"]) == (network, batch, precision) and other["median_ns"]:
            found = time(other["median_ns"])
    return [*cells, found]


def steps(record: Record) -> list[str]:
    rows = []
    for step in record.machine["steps"]:
        files = ", ".join(f"`{name}`" for name in step["files"] if (record.folder / name).exists())
        seconds = f"{step['seconds']:.1f} s" if step["seconds"] is not None else "–"
        rows.append([step["name"], seconds, outcome(step), files or "–"])
    return [
        "## Steps",
        "A step has a share of the time, and what the steps before it left over. A step that is out of time was stopped; "
        "its file has what it had measured. `machine.json` has every command with its exit code and its last messages.",
        table(["step", "took", "result", "files"], rows),
    ]
