#!/usr/bin/env bash
# All checks of the project: formatting, lints, docs, tests, with and without the live testbed and its
# model backends. Needs Rust; `setup.sh` fetches what the backends are built with (a C++ compiler from Debian,
# if it is missing). Chromium looks at the report: on Debian it is installed if it is missing;
# PIPESD_SKIP_BROWSER=1 does without.
set -euo pipefail
cd "$(dirname "$0")"

step() { printf '\n== %s\n' "$*"; "$@"; }

have_browser() {
    local name
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        if command -v "$name" >/dev/null; then return 0; fi
    done
    return 1
}

install_browser() {
    if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
        echo "error: no Chromium on the PATH, and this is no root shell of a Debian system." >&2
        echo "Install it (Debian: apt-get install chromium), or set PIPESD_SKIP_BROWSER=1 to leave out" >&2
        echo "the tests that look at the report in a browser." >&2
        return 1
    fi
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium
}

if [ "${PIPESD_SKIP_BROWSER:-}" != 1 ] && ! have_browser; then
    step install_browser
fi
step ./setup.sh
step cargo fmt --all --check
step cargo clippy --workspace --all-targets --features pipesd/models --locked -- -D warnings
# What the README's first command builds, and the testbed without models: nothing of them may be missed.
step cargo clippy --locked -- -D warnings
step cargo clippy -p pipesd -p pipesd-hw --all-targets --features pipesd/live --locked -- -D warnings
RUSTDOCFLAGS="-D warnings" step cargo doc --workspace --features pipesd/models --no-deps \
    --document-private-items --locked
step cargo test --workspace --features pipesd/models --locked
# `./test.sh long`: live timings, alone, against a link that is not ours. Without root and the kernel's tbf
# it says that it is skipped (`iproute2` has ip and tc).
if [ "${1:-}" = long ]; then
    step cargo test --release -p pipesd --features pipesd/live --test user --locked -- --ignored --nocapture kernel
fi
