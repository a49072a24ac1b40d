#!/usr/bin/env python3
"""Prints what the shipped profiles' and scenarios' fitted values are fitted by (README, "Where the numbers
come from"), by the files in traces/ as they are. Nothing is written: a value goes into a file by hand, with
its source. Order: level and slope first, as all others stand on them.

    calibrate.py level            HumanEval's acceptance level on Vanilla at the four rates of Fig. 5
    calibrate.py slope [ROUNDS]   GSM8K's acceptance curve on Table 1's S1 column, beside the rounds' likelihood
    calibrate.py floor            the floor under an exchange, on Fig. 5's Vanilla and HSL at 80 Mbit/s
    calibrate.py pads             the padded draft step of S2 and S3, on both data sets' Vanilla cells
    calibrate.py s4               the mean rate of S4, on each data set's own Vanilla cell

Options: --pipesd PATH (default: target/release/pipesd), --seeds N (runs of ten prompts for each value).
ROUNDS is a CSV file of serial rounds with a token threshold (columns draft_len, accepted). The published
values are the paper's (Table 1, Fig. 5).

A cell's deviation is taken as a share of the published value. Its standard deviation has two parts: that of
ten prompts by chance (of our own runs of ten prompts), and 4 % between sessions of the same set-up
(sessions of the authors differ by 3 to 5 %).
"""

import argparse
import json
import math
import statistics
import subprocess
import sys

SESSION_SD = 0.04
TABLE1 = {
    ("humaneval", "s1-laptop"): {"vanilla": 194, "hsl": 155, "edgellm": 153, "pipesd": 129},
    ("gsm8k", "s1-laptop"): {"vanilla": 193, "hsl": 174, "edgellm": 169, "pipesd": 145},
    ("humaneval", "s2-phone"): {"vanilla": 225},
    ("gsm8k", "s2-phone"): {"vanilla": 318},
    ("humaneval", "s3-iot"): {"vanilla": 306},
    ("gsm8k", "s3-iot"): {"vanilla": 402},
    ("humaneval", "s4-dynamic"): {"vanilla": 160},
    ("gsm8k", "s4-dynamic"): {"vanilla": 234},
}
FIG5 = {
    "vanilla": {10: 306.6, 20: 193.5, 40: 115.6, 80: 95.2},
    "hsl": {10: 243.7, 20: 154.8, 40: 100.8, 80: 86.0},
}
# The authors' result files: GSM8K in S2 to S4 ran with N = 6, not 4.
GSM8K_LENGTH = "draft_length=6"


class Runs:
    """Runs of ten prompts of 130 tokens, as the paper's cells rest on."""

    def __init__(self, pipesd, seeds):
        self.pipesd, self.seeds = pipesd, seeds

    def tpt(self, profile, scenario, method, sets=()):
        """Mean and standard deviation (of ten prompts by chance) of the time per token [ms]."""
        if not scenario.endswith(".toml"):
            scenario = f"traces/scenarios/{scenario}.toml"
        command = [self.pipesd, "simulate", "--profile", f"traces/profiles/{profile}.toml"]
        command += ["--scenario", scenario]
        command += ["--method", method, "--tokens", "1300", "--seeds", str(self.seeds), "--json"]
        for setting in sets:
            command += ["--set", setting]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode != 0:
            sys.exit(f"{' '.join(command)}\n{run.stderr}")
        tpt = json.loads(run.stdout)["tpt_ms"]
        return tpt["mean"], tpt["sd"]

    def deviation(self, published, *where):
        """(ours / published - 1, its standard deviation)."""
        mean, sd = self.tpt(*where)
        return mean / published - 1, math.hypot(sd / published, SESSION_SD)


def log_density(deviation, sd):
    """Of a deviation, as a normal one, but for a constant."""
    return -0.5 * (deviation / sd) ** 2 - math.log(sd)


def grid(low, high, step):
    return [round(low + step * i, 6) for i in range(round((high - low) / step) + 1)]


def vertex(points):
    """Where a parabola through the best of (x, y) and its neighbours has its maximum."""
    best = max(range(len(points)), key=lambda i: points[i][1])
    if best in (0, len(points) - 1):
        return points[best][0]
    (x0, y0), (x1, y1), (x2, y2) = points[best - 1 : best + 2]
    curve = (y0 - y1) / (x0 - x1) - (y1 - y2) / (x1 - x2)
    slope = (y0 - y2) / (x0 - x2)
    return x1 - slope * (x0 - x2) / (2 * curve)


def level(runs, _):
    print("intercept  deviation at 10, 20, 40, 80 Mbit/s           mean")
    means = []
    for intercept in grid(2.0, 2.5, 0.05):
        deviations = []
        for rate, published in FIG5["vanilla"].items():
            sets = [f"acceptance_intercept={intercept}", f"uplink_mbps={rate}"]
            where = ("humaneval", "s1-laptop", "vanilla", sets)
            deviations.append(runs.deviation(published, *where)[0])
        means.append((intercept, -(statistics.mean(deviations) ** 2)))
        shown = "  ".join(f"{100 * d:+6.1f} %" for d in deviations)
        print(f"{intercept:9.2f}  {shown}   {100 * statistics.mean(deviations):+.2f} %")
    print(f"the mean deviation is zero at {vertex(means):.2f}")


def rounds_likelihood(path, intercepts, slopes):
    command = ["cargo", "run", "--release", "-q", "-p", "pipesd-sim", "--example"]
    command += ["rounds_likelihood", "--", "traces/profiles/gsm8k.toml", path, "threshold=0.7"]
    command += ["intercepts=" + ",".join(map(str, intercepts))]
    command += ["slopes=" + ",".join(map(str, slopes))]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(run.stderr)
    rows = [line.split() for line in run.stdout.splitlines()[1:]]
    return {(float(a), float(b)): float(value) for a, b, value in rows}


def slope(runs, rounds):
    intercepts, slopes = grid(0.7, 1.4, 0.1), grid(0.0, 1.4, 0.1)
    of_rounds = rounds_likelihood(rounds, intercepts, slopes) if rounds else {}
    cells = TABLE1["gsm8k", "s1-laptop"]
    print("slope  intercept  " + "  ".join(f"{m:>8}" for m in cells) + "    cells   rounds     both")
    found = []
    for a1 in slopes:
        for a0 in intercepts:
            sets = [f"acceptance_intercept={a0}", f"acceptance_slope={a1}"]
            deviations = [
                runs.deviation(published, "gsm8k", "s1-laptop", method, sets)
                for method, published in cells.items()
            ]
            of_cells = sum(log_density(*deviation) for deviation in deviations)
            both = of_cells + of_rounds.get((a0, a1), 0.0)
            found.append((both, a1, a0, of_cells, of_rounds.get((a0, a1), 0.0), deviations))
    best = max(found)
    for both, a1, a0, of_cells, of_round, deviations in found:
        if both < best[0] - 3.0:
            continue
        shown = "  ".join(f"{100 * d:+6.1f} %" for d, _ in deviations)
        mark = " <-" if a1 == best[1] and a0 == best[2] else ""
        print(f"{a1:5.1f}  {a0:9.1f}  {shown}  {of_cells:7.2f}  {of_round:7.2f}  {both:7.2f}{mark}")
    total = sum(math.exp(f[0] - best[0]) for f in found)
    mean = [sum(math.exp(f[0] - best[0]) * f[i] for f in found) / total for i in (1, 2)]
    print(f"most likely: slope {best[1]}, intercept {best[2]}; mean over likelihood "
          f"{mean[0]:.2f}, {mean[1]:.2f}; rows within 3 log units are shown")


def floor(runs, _):
    """Two cells, two unknowns: Newton's method on simulated runs."""

    def deviations(base, per_mb):
        sets = ["uplink_mbps=80", f"exchange_floor_ms={base}", f"exchange_floor_per_mb_ms={per_mb}"]
        means = [runs.tpt("humaneval", "s1-laptop", method, sets)[0] for method in FIG5]
        return [mean / FIG5[method][80] - 1 for mean, method in zip(means, FIG5)]

    print("floor [ms], per MB [ms], deviation of Vanilla, HSL at 80 Mbit/s")
    without = deviations(0, 0)
    print(f"{0:8.1f}  {0:8.1f}  " + "  ".join(f"{100 * d:+6.2f} %" for d in without))
    base, per_mb = 50.0, 100.0
    for _step in range(3):
        here = deviations(base, per_mb)
        print(f"{base:8.1f}  {per_mb:8.1f}  " + "  ".join(f"{100 * d:+6.2f} %" for d in here))
        more = [deviations(base + 4, per_mb), deviations(base, per_mb + 8)]
        slopes = [[(m[i] - here[i]) / d for m, d in zip(more, (4, 8))] for i in (0, 1)]
        determinant = slopes[0][0] * slopes[1][1] - slopes[0][1] * slopes[1][0]
        base -= (here[0] * slopes[1][1] - here[1] * slopes[0][1]) / determinant
        per_mb -= (here[1] * slopes[0][0] - here[0] * slopes[1][0]) / determinant
    print(f"zero at {base:.1f} ms and {per_mb:.1f} ms per MB")


def pads(runs, _):
    for scenario, low, high in (("s2-phone", 60, 110), ("s3-iot", 130, 200)):
        print(f"{scenario}: pad [ms], deviation of Vanilla on HumanEval, GSM8K, log-likelihood")
        points = []
        for pad in grid(low, high, 5):
            deviations = []
            for profile in ("humaneval", "gsm8k"):
                sets = [f"padded_draft_ms={pad}"]
                sets += [GSM8K_LENGTH] if profile == "gsm8k" else []
                published = TABLE1[profile, scenario]["vanilla"]
                where = (profile, scenario, "vanilla", sets)
                deviations.append(runs.deviation(published, *where))
            total = sum(log_density(*deviation) for deviation in deviations)
            points.append((pad, total))
            shown = "  ".join(f"{100 * d:+6.1f} %" for d, _ in deviations)
            print(f"{pad:6.1f}  {shown}  {total:7.2f}")
        print(f"most likely: {vertex(points):.1f} ms")


def s4(runs, _):
    for profile in ("humaneval", "gsm8k"):
        published = TABLE1[profile, "s4-dynamic"]["vanilla"]
        print(f"{profile}: mean rate [Mbit/s], deviation of Vanilla")
        points = []
        for rate in grid(20, 40, 2):
            sets = [f"uplink_mean_mbps={rate}"]
            sets += [GSM8K_LENGTH] if profile == "gsm8k" else []
            deviation, _ = runs.deviation(published, profile, "s4-dynamic", "vanilla", sets)
            points.append((rate, -(deviation**2)))
            print(f"{rate:6.1f}  {100 * deviation:+6.1f} %")
        print(f"zero at {vertex(points):.1f} Mbit/s")


def main():
    steps = {"level": level, "slope": slope, "floor": floor, "pads": pads, "s4": s4}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=steps)
    parser.add_argument("rounds", nargs="?", help="CSV file of serial rounds (slope)")
    parser.add_argument("--pipesd", default="target/release/pipesd")
    parser.add_argument("--seeds", type=int, default=100)
    typed = parser.parse_args()
    steps[typed.step](Runs(typed.pipesd, typed.seeds), typed.rounds)


if __name__ == "__main__":
    main()
