#!/bin/sh
# Trains the default recipe with five seeds and measures each model on the test split, in every
# precision, on the CPU path at batch 1,000: the table in data/README.md.
#
#   scripts/seeds.sh [FIRST LAST]     seeds 1 to 5 unless told otherwise
set -eu
cd "$(dirname "$0")/.."
first=${1:-1}
last=${2:-5}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

# The columns of `bench --format csv` are found by name. A comma inside quotes is no separator.
accuracies='
    { n = split($0, part, "\""); line = ""
      for (i = 1; i <= n; i++) { if (i % 2 == 0) gsub(",", ";", part[i]); line = line part[i] }
      split(line, field, ",") }
    NR == 1 { for (i in field) column[field[i]] = i; next }
    { print field[column["requested_precision"]], 100 * field[column["accuracy"]] }'

cargo build --release --quiet
for seed in $(seq "$first" "$last"); do
    model=$folder/seed-$seed.safetensors
    begin=$(date +%s)
    cargo run --release --quiet -- train --seed "$seed" --output "$model" >"$folder/out" 2>"$folder/log" ||
        { cat "$folder/log" >&2; exit 1; }
    end=$(date +%s)
    validation=$(sed -n 's/.*validation accuracy \([0-9.]*\).*/\1/p' "$folder/out" | tail -n 1)
    cargo run --release --quiet -- bench --adapter cpu --model "$model" --batch 1000 --scheme dynamic-tensor --format csv \
        >"$folder/bench.csv"
    # seed, seconds, validation, then pairs of precision and accuracy
    echo "$seed" "$((end - begin))" "$validation" \
        "$(awk "$accuracies" "$folder/bench.csv" | tr '\n' ' ')" >>"$folder/all"
done

awk '
    { line = sprintf("seed %s: trained in %s s, validation %.2f %%, test", $1, $2, 100 * $3)
      for (i = 4; i < NF; i += 2) {
          name = $i; value = $(i + 1)
          line = line sprintf("  %s %.2f %%", name, value)
          if (!(name in sum)) { order[++names] = name; least[name] = most[name] = value }
          sum[name] += value
          if (value < least[name]) least[name] = value
          if (value > most[name]) most[name] = value
      }
      print line }
    END { for (i = 1; i <= names; i++) { name = order[i]
          printf "%s: mean %.2f %%, range %.2f to %.2f %%\n", \
              name, sum[name] / NR, least[name], most[name] } }' "$folder/all"
