#!/usr/bin/env bash
# Times a sweep of 100 000 runs whole, killed (-9) three times and resumed, and in three shards, and
# compares the bytes. Usage: experiments/scripts/sweep-100k.sh [pipesd]
set -euo pipefail
cd "$(dirname "$0")/../.."
pipesd=$(realpath "${1:-target/release/pipesd}")
plan=experiments/plans/sweep-100k.toml
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
TIMEFORMAT='   %R s, of which CPU %U s'

echo "== whole, $(nproc) cores"
time "$pipesd" sweep $plan --out "$out/whole"

echo "== the same on one core"
time "$pipesd" sweep $plan --out "$out/one" --jobs 1
cmp "$out/whole/rows.csv" "$out/one/rows.csv"

echo "== killed three times, resumed"
for part in 20 45 70; do
    "$pipesd" sweep $plan --out "$out/killed" &
    until [ "$(wc -l 2>/dev/null <"$out/killed/rows.csv" || echo 0)" -gt $((part * 1000)) ]; do
        sleep 0.05
    done
    kill -9 $! && wait $! 2>/dev/null || true
    echo "   killed after $(wc -l <"$out/killed/rows.csv") lines"
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
