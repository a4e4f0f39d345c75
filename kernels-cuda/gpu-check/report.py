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


conformance = (directory / "conformance.txt").read_text()
ours = {**lines("bench.txt"), **lines("training.txt")}
theirs = lines("bench-pytorch.txt")
versions = (directory / "bench-pytorch.txt").read_text().splitlines()[0] if theirs else ""
print("# " + conformance.splitlines()[0] + "\n")
print("Conformance: " + re.search(r"\d+ passed, .*", conformance)[0] + ".")
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
