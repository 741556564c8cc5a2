/**
 * Counts the instructions of the native side of a request under callgrind, and compares them with the numbers in
 * instructions.json: more than 2 % above them fails. `--update` replaces them.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { releaseEnv } from '../scripts/release-env.mjs'

const KEPT = new URL('instructions.json', import.meta.url)
const FEW = 500
const MANY = 2500
/** Per cent above the kept numbers that are allowed. */
const ALLOWED = 2

const run = (command, ...args) => execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], env: releaseEnv() })

if (spawnSync('valgrind', ['--version']).error !== undefined) {
  console.log('valgrind is not installed: instructions are not counted')
  process.exit(0)
}

const messages = run('cargo', 'bench', '-q', '-p', 'reactor', '--bench', 'instructions', '--no-run', '--locked', '--message-format=json')
const artifact = messages.trim().split('\n').map((line) => JSON.parse(line))
  .find((message) => message.reason === 'compiler-artifact' && message.target.name === 'instructions')
const compiler = run('rustc', '--version').trim()

/** Instructions of a whole run. */
function count(work, rounds) {
  const { status, stderr } = spawnSync(
    'valgrind',
    ['--tool=callgrind', '--callgrind-out-file=/dev/null', artifact.executable, work, String(rounds)],
    { encoding: 'utf8' },
  )
  const collected = /Collected\s*:\s*(\d+)/.exec(stderr)
  if (status !== 0 || collected === null) throw new Error(`${work} failed under valgrind:\n${stderr}`)
  return Number(collected[1])
}

const works = run(artifact.executable).trim().split('\n')
const counted = Object.fromEntries(
  works.map((work) => [work, Math.round((count(work, MANY) - count(work, FEW)) / (MANY - FEW))]),
)

if (process.argv.includes('--update')) {
  writeFileSync(KEPT, `${JSON.stringify({ compiler, instructions: counted }, null, 2)}\n`)
}
const kept = JSON.parse(readFileSync(KEPT, 'utf8'))
console.log('instructions a round      now      kept')
let isWorse = false
for (const [work, now] of Object.entries(counted)) {
  const before = kept.instructions[work]
  const change = (100 * (now - before)) / before
  console.log(`${work.padEnd(18)}${String(now).padStart(11)}${String(before).padStart(10)}  ${change >= 0 ? '+' : ''}${change.toFixed(2)} %`)
  // A work without a kept number can't be compared, so it fails, too.
  isWorse ||= !(change <= ALLOWED)
}
if (isWorse && kept.compiler !== compiler) {
  console.log(`the kept numbers are of ${kept.compiler}, these of ${compiler}: not compared`)
} else if (isWorse) {
  console.log(`more than ${ALLOWED} % above what is kept: say in the commit why, and run it with --update`)
  process.exitCode = 1
}
