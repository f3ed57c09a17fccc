#!/usr/bin/env python3
"""Prints the tables of testbed-results.md from what `safer testbed table FILE --csv` printed.

    testbed_tables.py recommended.csv paper.csv recommended2.csv paper2.csv

The first two are Table 1 of the presets, the others Table 2.
"""
import csv
import math
import sys

PAPER = ["weight", "gradient", "weight-x-gradient", "gradcam++", "ig", "gig", "idgi", "smoothgrad", "vargrad", "hsic"]
OURS = ["perturbation", "ablation", "weight-x-jacobian", "fisher", "weight-x-fisher", "hessian-trace", "block-influence"]
REFERENCES = ["random", "depth", "best-order", "linear", "reparametrised", "monte-carlo", "ceiling"]
FORMATS = {"exact": lambda x: f"{100 * x:.0f}", "settled": lambda x: f"{100 * x:.0f}", "tau-b": lambda x: f"{x:.2f}"}


def read(file):
    with open(file, newline="") as lines:
        return list(csv.DictReader(lines))


def table(rows, columns, measure):
    show = FORMATS[measure]
    cells, networks = {}, {}
    for row in rows:
        key = row["family"].removeprefix("moons-"), f"{row['noise']} {row['on']}"
        networks[key] = row["networks"]
        value = float(row[measure])
        if not math.isnan(value):
            cells[key, row["criterion"]] = value
    print("| family | noise on | networks | " + " | ".join(columns) + " |")
    print("| --- | --- | ---: |" + " ---: |" * len(columns))
    for key in networks:
        shown = [show(cells[key, c]) if (key, c) in cells else "-" for c in columns]
        print(f"| {key[0]} | {key[1]} | {networks[key]} | " + " | ".join(shown) + " |")
    averages = []
    for c in columns:
        values = [cells[key, c] for key in networks if (key, c) in cells]
        averages.append(show(sum(values) / len(values)) if len(values) == len(networks) else "-")
    print("| average | | | " + " | ".join(averages) + " |\n")


def reductions(recommended, paper):
    print("| reduction | paper, exact % | tau-b | recommended, exact % | tau-b |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for mine, theirs in zip(recommended, paper):
        print(f"| {mine['reduction']} | {100 * float(theirs['exact']):.0f} | {float(theirs['tau-b']):.2f} "
              f"| {100 * float(mine['exact']):.0f} | {float(mine['tau-b']):.2f} |")


def main():
    recommended, paper, recommended2, paper2 = map(read, sys.argv[1:5])
    for title, rows, columns, measure in [
        ("Exactly right orders, %: ours, and the references", recommended, OURS + REFERENCES, "exact"),
        ("Right on all settled pairs, %: ours, and the references", recommended, OURS + REFERENCES, "settled"),
        ("Kendall's tau-b: ours, and the references", recommended, OURS + REFERENCES, "tau-b"),
        ("The paper's ten, preset `paper` (linf): exactly right orders, %", paper, PAPER, "exact"),
        ("The paper's ten, preset `paper`: tau-b", paper, PAPER, "tau-b"),
        ("The paper's ten, preset `recommended` (l2): exactly right orders, %", recommended, PAPER, "exact"),
        ("The paper's ten, preset `recommended`: tau-b", recommended, PAPER, "tau-b"),
    ]:
        print(f"## {title}\n")
        table(rows, columns, measure)
    print("## Reductions\n")
    reductions(recommended2, paper2)


if __name__ == "__main__":
    main()
