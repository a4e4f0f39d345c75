"""Joins what a run wrote into a directory to a report in Markdown: report.py DIRECTORY"""
import json
import pathlib
import re
import sys

directory = pathlib.Path(sys.argv[1])


def lines(name):
    """The figures of a benchmark: microseconds, figure and unit by the line's name."""
    figures = {}
    path = directory / name
    if path.exists():
        for line in path.read_text().splitlines():
            match = re.match(r"(.{50,}?) +([\d.]+) us +([\d.]+) (\S+) *(.*)", line)
            if match:
                figures[match[1].strip()] = (float(match[2]), float(match[3]), match[4], match[5])
    return figures


parts = [path.read_text() for path in sorted(directory.glob("part-*/conformance.txt"))]
started = len(list(directory.glob("check-*.log")))
counts = [re.search(r"(\d+) passed, (\d+) failed in ([\d.]+) s", part) for part in parts]
ours = {**lines("bench.txt"), **lines("training.txt")}
theirs = lines("bench-pytorch.txt")
versions = (directory / "bench-pytorch.txt").read_text().splitlines()[0] if theirs else ""
print("# " + (parts[0].splitlines()[0] if parts else "No process of the conformance cases ended") + "\n")
passed, failed = (sum(int(count[i]) for count in counts) for i in (1, 2))
seconds = max((float(count[3]) for count in counts), default=0)
print(f"Conformance: {passed} passed, {failed} failed in {seconds} s; {len(parts)} of {started} processes ended.")
for tool in ("memcheck", "racecheck"):
    path = directory / f"{tool}.txt"
    if path.exists():
        text = path.read_text()
        end = re.findall(r"=+ (?:ERROR|RACECHECK) SUMMARY: .*", text) or ["it did not end in time"]
        cases = sum(int(n) for n in re.findall(r"^(\d+) passed by (?!no kernel)", text, re.M))
        print(f"compute-sanitizer {tool}, {cases} kernel cases: {end[-1].strip('= ')}.")
quickstart = directory / "quickstart.txt"
if quickstart.exists():
    print("Quickstart: " + re.search(r"^accuracy +.*", quickstart.read_text(), re.M)[0] + ".")
print(f"\nBeside PyTorch {versions}; more than 1 is faster than it.\n")
print("| | us | figure | PyTorch | ratio | kernels |\n|---|---:|---:|---:|---:|---|")
for name, (micros, figure, unit, kernels) in ours.items():
    peer = theirs.get(name)
    beside = f"{peer[0]:,.1f} us | {peer[0] / micros:.2f}" if peer else " | "
    print(f"| {name} | {micros:,.1f} | {figure:,.1f} {unit} | {beside} | {kernels} |")
table = {n: {"micros": v[0], "figure": v[1], "unit": v[2], "kernels": v[3]} for n, v in ours.items()}
(directory / "report.json").write_text(json.dumps({"quern": table, "pytorch": theirs}, indent=1))
