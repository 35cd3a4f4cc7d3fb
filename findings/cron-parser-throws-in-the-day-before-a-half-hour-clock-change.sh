#!/usr/bin/env bash
# cron-parser 5.10.6 (npm), which BullMQ and others schedule jobs with, can't say when a daily job runs next, once the
# last run before Lord Howe Island sets its clocks back by half an hour is over: next() throws "Invalid expression, loop
# limit exceeded" for "0 9 * * *" until shortly before the clocks change, 16 hours later. For "0 * * * *" it names a time that has
# already passed. So the daily schedule ends with an error after its run of the day before, and the hourly one runs twice.
# Expected: 09:00 of the next day (22:30 UTC), and 15:00 UTC, the first full hour after the question.
set -euo pipefail

dir="$(mktemp -d)"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund cron-parser@5.10.6

cat >ask.mjs <<'JS'
import parser from 'cron-parser';
const tz = 'Australia/Lord_Howe';
const ask = (expression, from) => {
  try {
    const next = parser.CronExpressionParser.parse(expression, { tz, currentDate: new Date(from) }).next();
    return next.toDate().toISOString();
  } catch (e) {
    return e.message;
  }
};
// 2026-04-05 02:00 +11:00 becomes 01:30 +10:30, at 15:00 UTC of the day before.
for (const [expression, from] of [
  ['0 9 * * *', '2026-04-03T22:20:00Z'],
  ['0 9 * * *', '2026-04-04T14:20:00Z'],
  ['0 9 * * *', '2026-04-04T15:05:00Z'],
  ['0 * * * *', '2026-04-04T14:20:00Z'],
]) console.log(`${expression} after ${from}: ${ask(expression, from)}`);
JS
seen="$(node ask.mjs)"
echo "$seen"
expected='0 9 * * * after 2026-04-03T22:20:00Z: Invalid expression, loop limit exceeded
0 9 * * * after 2026-04-04T14:20:00Z: Invalid expression, loop limit exceeded
0 9 * * * after 2026-04-04T15:05:00Z: 2026-04-04T22:30:00.000Z
0 * * * * after 2026-04-04T14:20:00Z: 2026-04-04T14:00:00.000Z'
[[ "$seen" == "$expected" ]] || { echo "changed: this was seen before:"; echo "$expected"; exit 1; }
