// A reporter for mocha: a line of JSON for each test.
const { appendFileSync } = require('node:fs')

module.exports = function reporter(runner) {
  const tell = (test, result) => appendFileSync(process.env.COMPAT_RESULTS, `${JSON.stringify({ name: test.fullTitle(), result })}\n`)
  runner.on('pass', (test) => tell(test, 'passed'))
  runner.on('fail', (test, error) => {
    tell(test, 'failed')
    console.log(`failed: ${test.fullTitle()}: ${error.stack}`)
  })
  runner.on('pending', (test) => tell(test, 'skipped'))
}
