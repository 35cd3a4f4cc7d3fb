#!/usr/bin/env bash
# Writes all generated files anew, with the tools that scripts/tools/go.mod pins.
# Run it after a change to api/openapi.yaml or to a .proto file, and commit what
# it writes: ./scripts/test.sh fails when they differ.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools="$(./scripts/tools.sh oapi-codegen)"
PATH="$tools:$PATH" go generate ./...
