"""scikit-optimize on the problems of `examples/tuner_regret.rs`.

Reads the requests (JSON) on stdin and writes one JSON document on stdout: the versions, and for each
variant and request the recommended point and the noise-free value there. The variants:

default    gp_minimize as it comes (gp_hedge, xi = 0.01, learned noise) from the given starts; result.x
minimum    the same runs, recommending skopt.expected_minimum(result), the minimum of its model
ei         as default, with acq_func="EI"
paper      EI with xi = 0.1 from one random start (the tuner of the paper); result.x

    python3 -m venv .venv && .venv/bin/pip install scikit-optimize==0.10.2
    cargo run --release --example tuner_regret -- --python .venv/bin/python
"""

import json
import math
import os
import sys
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # matrices of 16 rows gain nothing from threads

import numpy  # noqa: E402
import scipy  # noqa: E402
import sklearn  # noqa: E402
import skopt  # noqa: E402

warnings.filterwarnings("ignore")  # convergence and repeated points: the rival's own affair


def branin(x):
    bend = x[1] - 5.1 / (4 * math.pi**2) * x[0] ** 2 + 5 / math.pi * x[0] - 6
    return bend**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x[0]) + 10


def camel(x):
    u, v = x[0] ** 2, x[1] ** 2
    return (4 - 2.1 * u + u**2 / 3) * u + x[0] * x[1] + (4 * v - 4) * v


def bowl(x):
    return (x[0] - 0.7) ** 2 + (x[1] - 0.3) ** 2


FUNCTIONS = {
    "bowl": bowl,
    "bowl, 3 % noise": bowl,
    "branin": branin,
    "six-hump camel": camel,
}


def minimise(request, starts, **options):
    function = FUNCTIONS[request["problem"]]
    noise = iter(request["noise"])  # the noise of evaluation i is the same for every method
    return skopt.gp_minimize(
        lambda x: function(x) + next(noise),
        [(float(lower), float(upper)) for lower, upper in request["sides"]],
        x0=starts,
        n_initial_points=0,
        n_calls=len(request["noise"]),
        random_state=request["seed"],
        **options,
    )


def main():
    requests = json.load(sys.stdin)
    answers = []
    for number, request in enumerate(requests):
        print(f"\rscikit-optimize {number}/{len(requests)}", end="", file=sys.stderr, flush=True)
        default = minimise(request, request["starts"])
        ei = minimise(request, request["starts"], acq_func="EI")
        paper = minimise(request, [request["random_start"]], acq_func="EI", xi=0.1)
        for result in (default, ei, paper):
            assert len(result.func_vals) == len(request["noise"])
        points = {
            "default": default.x,
            "minimum": skopt.expected_minimum(default, random_state=request["seed"])[0],
            "ei": ei.x,
            "paper": paper.x,
        }
        for variant, point in points.items():
            point = [float(x) for x in point]
            value = FUNCTIONS[request["problem"]](point)
            answers.append(
                {
                    "problem": request["problem"],
                    "seed": request["seed"],
                    "variant": variant,
                    "point": point,
                    "value": value,
                }
            )
    print(file=sys.stderr)
    modules = (skopt, sklearn, scipy, numpy)
    versions = {module.__name__: module.__version__ for module in modules}
    json.dump({"versions": versions, "answers": answers}, sys.stdout)


if __name__ == "__main__":
    main()
