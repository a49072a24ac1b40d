#!/usr/bin/env bash
# Times a sweep of 100 000 runs whole, killed (-9) three times and resumed, and in three shards, and
# compares the bytes. Usage: experiments/scripts/sweep-100k.sh [pipesd]
set -euo pipefail
cd "$(dirname "$0")/../.."
pipesd=$(realpath "${1:-target/release/pipesd}")
plan=experiments/plans/sweep-100k.toml
out=$(mktemp -d)
child=
trap '[ -z "$child" ] || kill -9 "$child" 2>/dev/null || true; rm -rf "$out"' EXIT
TIMEFORMAT='   %R s, of which CPU %U s'

echo "== whole, $(nproc) cores"
time "$pipesd" sweep $plan --out "$out/whole"

echo "== the same on one core"
time "$pipesd" sweep $plan --out "$out/one" --jobs 1
cmp "$out/whole/rows.csv" "$out/one/rows.csv"

lines() { if [ -e "$out/killed/rows.csv" ]; then wc -l <"$out/killed/rows.csv"; else echo 0; fi; }

echo "== killed three times, resumed"
for part in 20 45 70; do
    "$pipesd" sweep $plan --out "$out/killed" &
    child=$!
    while [ "$(lines)" -le $((part * 1000)) ] && kill -0 "$child" 2>/dev/null; do
        sleep 0.05
    done
    if kill -9 "$child" 2>/dev/null; then
        wait "$child" 2>/dev/null || true
        echo "   killed after $(lines) lines"
    else
        wait "$child" || { echo "   the sweep failed by itself"; exit 1; }
        echo "   too late: it had ended by itself, with $(lines) lines"
    fi
    child=
done
time "$pipesd" sweep $plan --out "$out/killed"
cmp "$out/whole/rows.csv" "$out/killed/rows.csv"

echo "== three shards, merged"
for shard in 1 2 3; do
    time "$pipesd" sweep $plan --out "$out/shard$shard" --shard $shard/3
done
time "$pipesd" sweep $plan --out "$out/merged" --merge "$out"/shard{1,2,3}
cmp "$out/whole/rows.csv" "$out/merged/rows.csv"

echo "== summary of what is there"
time "$pipesd" sweep $plan --out "$out/whole" --json >"$out/summary.json"
echo "all the same: $(sha256sum <"$out/whole/rows.csv" | cut -c -16), $(wc -c <"$out/whole/rows.csv") bytes"
