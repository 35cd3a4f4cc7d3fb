#!/usr/bin/env bash
# cron 4.4.0 (npm), getNextDateFrom: in the half hour that Lord Howe Island repeats, the next run after an instant lies
# before that instant: after 15:00 UTC comes 14:45 UTC, whose next is 15:00 UTC again. Who steps from run to run never
# leaves the repeated half hour, and every step looks like a run.
# Expected: each next run is later than the instant that was asked about (15:15 UTC).
set -euo pipefail

dir="$(mktemp -d)"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund cron@4.4.0

cat >ask.mjs <<'JS'
import { CronTime } from 'cron';
const tz = 'Australia/Lord_Howe';
const time = new CronTime('*/15 * * * *', tz);
// 2026-04-05 02:00 +11:00 becomes 01:30 +10:30, at 15:00 UTC of the day before.
let at = new Date('2026-04-04T14:20:00Z');
const steps = [];
for (let i = 0; i < 6; i++) {
  at = time.getNextDateFrom(at, tz).toJSDate();
  steps.push(at.toISOString().slice(11, 16));
}
console.log(steps.join(' '));
JS
seen="$(node ask.mjs)"
echo "$seen"
expected='14:30 14:45 15:00 14:45 15:00 14:45'
[[ "$seen" == "$expected" ]] || { echo "changed: this was seen before: $expected"; exit 1; }
