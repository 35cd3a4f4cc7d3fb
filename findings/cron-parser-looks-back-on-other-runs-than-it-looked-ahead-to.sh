#!/usr/bin/env bash
# cron-parser 5.10.6 (npm): prev() does not name the runs that next() named. In New York's repeated hour next() runs
# "30 1 * * *" once and prev() finds two runs; in the skipped hour next() runs "30 2 * * *" at 03:30 and prev() finds
# none that day. Who catches up on missed runs by walking back after an outage runs one job twice and another not at all.
# Expected: the same instants in both directions.
set -euo pipefail

dir="$(mktemp -d)"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund cron-parser@5.10.6

cat >ask.mjs <<'JS'
import parser from 'cron-parser';
const tz = 'America/New_York';
const walk = (expression, from, until, step) => {
  const it = parser.CronExpressionParser.parse(expression, { tz, currentDate: new Date(from) });
  const runs = [];
  for (let i = 0; i < 10; i++) {
    const run = it[step]().toDate();
    if (step === 'next' ? run > new Date(until) : run < new Date(until)) break;
    runs.push(run.toISOString().slice(0, 16));
  }
  return (step === 'next' ? runs : runs.reverse()).join(' ');
};
for (const [expression, begin, end] of [
  ['30 1 * * *', '2026-10-31T12:00:00Z', '2026-11-02T12:00:00Z'],
  ['30 2 * * *', '2026-03-07T12:00:00Z', '2026-03-09T12:00:00Z'],
]) {
  console.log(`${expression} ahead: ${walk(expression, begin, end, 'next')}`);
  console.log(`${expression} back:  ${walk(expression, end, begin, 'prev')}`);
}
JS
seen="$(node ask.mjs)"
echo "$seen"
expected='30 1 * * * ahead: 2026-11-01T05:30 2026-11-02T06:30
30 1 * * * back:  2026-11-01T05:30 2026-11-01T06:30 2026-11-02T06:30
30 2 * * * ahead: 2026-03-08T07:30 2026-03-09T06:30
30 2 * * * back:  2026-03-09T06:30'
[[ "$seen" == "$expected" ]] || { echo "changed: this was seen before:"; echo "$expected"; exit 1; }
