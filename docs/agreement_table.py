#!/usr/bin/env python3
"""Prints how each criterion's ranking agrees with measured ones, from what `safer measure ... --csv` printed.

    agreement_table.py resnet8-gaussian.csv resnet8-zero.csv ...

A row a criterion, a column a file: Kendall's tau-b with the measured order by probabilities, as ranks have it.
"""
import csv
import math
import sys


def tau_b(a, b):
    pairs = [(i, j) for i in range(len(a)) for j in range(i)]
    sign = lambda x: (x > 0) - (x < 0)
    same = sum(sign(a[i] - a[j]) * sign(b[i] - b[j]) for i, j in pairs)
    untied = [sum(x[i] != x[j] for i, j in pairs) for x in (a, b)]
    return same / math.sqrt(untied[0] * untied[1]) if all(untied) else math.nan


def main():
    columns = {}
    for file in sys.argv[1:]:
        with open(file, newline="") as lines:
            rows = list(csv.DictReader(lines))
        truth = [float(row["rank"]) for row in rows]
        columns[f"{rows[0]['model']} {rows[0]['noise']}"] = {
            name.removeprefix("rank by ").split(" ")[0]: tau_b([float(row[name]) for row in rows], truth)
            for name in rows[0]
            if name.startswith("rank by ")
        }
    print("| criterion | " + " | ".join(columns) + " |")
    print("| --- |" + " ---: |" * len(columns))
    for criterion in next(iter(columns.values())):
        print(f"| `{criterion}` | " + " | ".join(f"{column[criterion]:.2f}" for column in columns.values()) + " |")


if __name__ == "__main__":
    main()
