#!/usr/bin/env bash
# Fetches what the model backends are built with into `.deps/`, with a line for each step: a CPU libtorch,
# CMake and libclang, from PyPI, each file checked against the checksum below. Running it again does what
# is missing and no more. `.cargo/config.toml` reads the paths that it writes.
#
# A libtorch of your own is taken as it is: LIBTORCH=<folder> (2.13.0), or LIBTORCH_USE_PYTORCH=1 for that of
# an installed PyTorch 2.13.0, which has CUDA. Set them for cargo, too.
set -euo pipefail
cd "$(dirname "$0")"

deps=$PWD/.deps
# Wheels: name in .deps, requirement, SHA-256.
torch=(torch torch==2.13.0 60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7)
cudart=(cudart nvidia-cuda-runtime==13.0.96 7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548)
cupti=(cupti nvidia-cuda-cupti==13.0.85 4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8)
cmake=(cmake cmake==3.31.6 1c8b05df0602365da91ee6a3336fe57525b137706c4ab5675498f662ae1dbcec)
clang=(libclang libclang==18.1.1 c533091d8a3bbf7460a00cb6c1a71da93bffe148f172c7d03b1c31fbf8aa2a0b)

say() { printf 'setup: %-9s %s\n' "$1" "$2"; }
fail() {
    printf 'setup: error: %s\n' "$@" >&2
    exit 1
}

# The system's part: a C++ compiler and a Python with pip.
if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
    fail "the wheels below are for Linux on x86-64, this is $(uname -s) on $(uname -m)." \
        "Install libtorch 2.13.0, CMake and libclang yourself, and set LIBTORCH, CMAKE and LIBCLANG_PATH."
fi
missing=()
command -v g++ >/dev/null || missing+=(g++)
command -v make >/dev/null || missing+=(make)
python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
if [ ${#missing[@]} -gt 0 ]; then
    if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
        fail "missing: ${missing[*]}. This is no root shell of a Debian system: install them, then run again."
    fi
    say system "installing ${missing[*]}"
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}"
fi
say system "g++ $(g++ -dumpversion), $(python3 --version)"

# wheel NAME REQUIREMENT SHA256 MEMBER...: those members of a wheel (a folder ends in /), into .deps/NAME.
wheel() {
    local name=$1 requirement=$2 sha=$3
    shift 3
    local folder=$deps/$name stamp="$requirement $sha $*"
    if [ "$(cat "$folder/.complete" 2>/dev/null)" = "$stamp" ]; then
        say "$name" "$requirement is there"
        return
    fi
    say "$name" "fetching $requirement"
    local work
    rm -rf "$folder"
    mkdir -p "$deps"
    work=$(mktemp -d "$deps/fetch.XXXXXX")
    printf '%s --hash=sha256:%s\n' "$requirement" "$sha" >"$work/wanted.txt"
    # The wheel for this platform, whatever Python this is; pip compares the checksum.
    if ! python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
        --only-binary :all: --python-version 3.11 --implementation cp \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 \
        --platform manylinux2014_x86_64 --platform manylinux_2_25_x86_64 \
        --platform manylinux2010_x86_64 --dest "$work" -r "$work/wanted.txt"; then
        rm -rf "$work"
        fail "$requirement was not fetched, or is not what it was (see above)."
    fi
    python3 - "$work" "$@" <<'PY'
import pathlib, sys, zipfile

work, wanted = pathlib.Path(sys.argv[1]), sys.argv[2:]
(wheel,) = work.glob("*.whl")
with zipfile.ZipFile(wheel) as archive:
    for member in archive.infolist():
        if any(member.filename == w or w.endswith("/") and member.filename.startswith(w) for w in wanted):
            archive.extract(member, work / "out")
            mode = member.external_attr >> 16 & 0o777
            if mode:
                (work / "out" / member.filename).chmod(mode)
PY
    [ -d "$work/out" ] || fail "$requirement has none of: $*"
    printf '%s\n' "$stamp" >"$work/out/.complete"
    mv "$work/out" "$folder"
    rm -rf "$work"
}

wheel "${cmake[@]}" cmake/data/
wheel "${clang[@]}" libclang-18.1.1.data/platlib/clang/native/libclang.so
if [ -n "${LIBTORCH:-}" ] || [ -n "${LIBTORCH_USE_PYTORCH:-}" ]; then
    say torch "yours: ${LIBTORCH:-the installed PyTorch} (LIBTORCH, LIBTORCH_USE_PYTORCH)"
    libtorch=
else
    wheel "${torch[@]}" torch/lib/libtorch_cpu.so torch/lib/libc10.so torch/lib/libgomp.so.1 \
        torch/include/
    wheel "${cudart[@]}" nvidia/cu13/lib/libcudart.so.13
    wheel "${cupti[@]}" nvidia/cu13/lib/libcupti.so.13
    libtorch=$deps/torch/torch
    # libtorch_cpu.so names these two, for its profiler; without a GPU they say that there is none.
    ln -sf ../../../cudart/nvidia/cu13/lib/libcudart.so.13 "$libtorch/lib/libcudart.so.13"
    ln -sf ../../../cupti/nvidia/cu13/lib/libcupti.so.13 "$libtorch/lib/libcupti.so.13"
    # The wheel's own libtorch.so is empty and needs the CUDA half: this one is empty and needs the other.
    if [ ! -e "$libtorch/lib/libtorch.so" ]; then
        say torch "linking libtorch.so for the CPU"
        g++ -shared -x c++ /dev/null -o "$libtorch/lib/libtorch.so" -Wl,-soname,libtorch.so \
            -L"$libtorch/lib" -Wl,--no-as-needed -ltorch_cpu -Wl,-rpath,'$ORIGIN' \
            -Wl,--allow-shlib-undefined
    fi
fi

# For cargo. The libclang wheel has no headers of its own: the compiler's serve.
{
    echo "# Written by setup.sh."
    echo "[env]"
    [ -z "$libtorch" ] || echo "LIBTORCH = \"$libtorch\""
    echo "CMAKE = \"$deps/cmake/cmake/data/bin/cmake\""
    echo "LIBCLANG_PATH = \"$deps/libclang/libclang-18.1.1.data/platlib/clang/native\""
    echo "BINDGEN_EXTRA_CLANG_ARGS = \"-isystem $(g++ -print-file-name=include)\""
    echo "CMAKE_PROJECT_INCLUDE = \"$PWD/hw/llama.cmake\""
} >"$deps/cargo.toml.new"
# An unchanged file keeps its time: cargo builds nothing anew.
if cmp -s "$deps/cargo.toml.new" "$deps/cargo.toml"; then
    rm "$deps/cargo.toml.new"
else
    mv "$deps/cargo.toml.new" "$deps/cargo.toml"
fi
say done "cargo run --release --features live,models -- doctor   tells what is there"
