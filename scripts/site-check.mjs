// Looks at the pages of the site (npm run docs) in a headless browser, at the widths of a desktop and of a phone.
//
// Usage: node scripts/site-check.mjs [--screenshots DIRECTORY]    fails when a page logs an error, lacks a file, or is wider than the screen
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Response, serve } from 'busbar'
import { WebSocket } from 'ws'

const SIZES = { desktop: [1280, 900, false], phone: [390, 844, true] }
const BROWSERS = [process.env['CHROMIUM'], '/usr/bin/chromium', '/usr/bin/google-chrome']
const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--remote-debugging-port=0',
]
const site = fileURLToPath(new URL('../target/site/', import.meta.url))
const shots = process.argv[2] === '--screenshots' ? process.argv[3] : undefined

const browserPath = BROWSERS.find((path) => path !== undefined && existsSync(path))
if (browserPath === undefined) {
  console.log('the pages were not looked at: there is no Chromium (environment variable CHROMIUM)')
  process.exit(0)
}
if (!existsSync(site)) throw new Error('there is no site yet: npm run docs')

/** A session of Chrome's DevTools protocol. */
class Browser {
  #socket
  #next = 1
  #answers = new Map()
  onEvent = () => {}

  static async start(path, profile) {
    const browser = new Browser()
    browser.process = spawn(path, [...FLAGS, `--user-data-dir=${profile}`], { stdio: ['ignore', 'ignore', 'pipe'] })
    const url = await new Promise((resolve, reject) => {
      let told = ''
      browser.process.once('exit', () => reject(new Error(`the browser ended: ${told}`)))
      browser.process.stderr.on('data', (bytes) => {
        told += bytes
        const found = /DevTools listening on (\S+)/.exec(told)
        if (found !== null) resolve(found[1])
      })
    })
    browser.#socket = new WebSocket(url)
    browser.#socket.on('message', (data) => browser.#take(JSON.parse(String(data))))
    await new Promise((resolve) => browser.#socket.once('open', resolve))
    return browser
  }

  #take({ id, result, error, method, params }) {
    if (id === undefined) return this.onEvent(method, params)
    const { resolve, reject } = this.#answers.get(id)
    this.#answers.delete(id)
    if (error === undefined) resolve(result)
    else reject(new Error(error.message))
  }

  call(method, params = {}, sessionId = this.sessionId) {
    const id = this.#next++
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }))
    return new Promise((resolve, reject) => this.#answers.set(id, { resolve, reject }))
  }

  async openPage() {
    const { targetId } = await this.call('Target.createTarget', { url: 'about:blank' }, undefined)
    const { sessionId } = await this.call('Target.attachToTarget', { targetId, flatten: true }, undefined)
    this.sessionId = sessionId
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await this.call(`${domain}.enable`)
  }

  async close() {
    const ended = new Promise((resolve) => this.process.once('exit', resolve))
    await this.call('Browser.close', {}, undefined)
    await ended
  }
}

const server = await serve('127.0.0.1:0', (request) =>
  Response.file(decodeURIComponent(request.getPath()), { root: site, index: 'index.html' }))
const profile = mkdtempSync(join(tmpdir(), 'busbar-site-'))
const browser = await Browser.start(browserPath, profile)
const faults = []
let place = ''
let isLoaded = () => {}
browser.onEvent = (method, params) => {
  if (method === 'Page.loadEventFired') isLoaded()
  if (method === 'Runtime.exceptionThrown') faults.push(`${place}: ${params.exceptionDetails.text}`)
  if (method === 'Log.entryAdded' && params.entry.level === 'error') faults.push(`${place}: ${params.entry.text} ${params.entry.url ?? ''}`)
  if (method === 'Network.requestWillBeSent' && !/^(http:\/\/127\.0\.0\.1:|data:|about:)/.test(params.request.url)) {
    faults.push(`${place}: asks for ${params.request.url}`)
  }
}

const TEXT_WIDTH = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'
const pages = readdirSync(site, { recursive: true }).filter((path) => path.endsWith('.html'))
try {
  await browser.openPage()
  for (const [name, [width, height, mobile]] of Object.entries(SIZES)) {
    await browser.call('Emulation.setDeviceMetricsOverride', { width, height, mobile, deviceScaleFactor: 1 })
    for (const page of pages) {
      place = `${page} (${name})`
      const loaded = new Promise((resolve) => (isLoaded = resolve))
      await browser.call('Page.navigate', { url: `${server.url}${page}` })
      await loaded
      const { result } = await browser.call('Runtime.evaluate', { expression: TEXT_WIDTH })
      if (result.value > 0) faults.push(`${place}: is ${result.value} pixels wider than the screen`)
      if (shots !== undefined) {
        mkdirSync(shots, { recursive: true })
        const { data } = await browser.call('Page.captureScreenshot')
        writeFileSync(join(shots, `${name}-${page.replaceAll('/', '-')}.png`), Buffer.from(data, 'base64'))
      }
    }
  }
} finally {
  await browser.close()
  await server.stop()
  // Helpers of the browser may write to it for a moment longer.
  rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })
}
for (const fault of faults) console.error(fault)
console.log(`${pages.length} pages at ${Object.keys(SIZES).length} widths, ${faults.length} faults`)
process.exit(faults.length > 0 ? 1 : 0)
