/**
 * Draws the works of a report: CPU per request of each server, as bars. One SVG for light pages and one for dark ones.
 */
import { writeFileSync } from 'node:fs'

const THEMES = {
  light: { text: '#1f2328', faint: '#59636e', line: '#d1d9e0', own: '#0969da', bar: '#afb8c1' },
  dark: { text: '#f0f6fc', faint: '#9198a1', line: '#3d444d', own: '#4493f8', bar: '#656c76' },
}
/** Pixels. */
const [WIDTH, NAMES, VALUES, ROW, TITLE, GAP] = [760, 150, 70, 20, 30, 14]
/** Works in one picture; the table has all. */
const MOST_WORKS = 6

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

function bars(title, rows, top, { text, faint, own, bar }) {
  const room = WIDTH - NAMES - VALUES
  const highest = Math.max(...rows.map(({ cpu }) => cpu))
  const drawn = rows.map(({ name, cpu }, at) => {
    const y = top + TITLE + at * ROW
    const width = Math.max(1, (cpu / highest) * room).toFixed(1)
    const isOwn = name === 'busbar'
    return `<text x="${NAMES - 8}" y="${y + 14}" text-anchor="end" fill="${text}"${isOwn ? ' font-weight="600"' : ''}>${escaped(name)}</text>
<rect x="${NAMES}" y="${y + 3}" width="${width}" height="${ROW - 6}" rx="2" fill="${isOwn ? own : bar}"/>
<text x="${(NAMES + Number(width) + 6).toFixed(1)}" y="${y + 14}" fill="${faint}">${cpu.toFixed(1)} µs</text>`
  })
  return `<text x="${NAMES}" y="${top + 20}" fill="${text}" font-weight="600">${escaped(title)}</text>\n${drawn.join('\n')}`
}

/** The picture of a report's works: `{ name: [{ name, cpu }] }`, CPU in microseconds. */
export function plot(works, versions, theme) {
  const colours = THEMES[theme]
  let top = 44
  const parts = []
  for (const [title, rows] of Object.entries(works).slice(0, MOST_WORKS)) {
    const sorted = rows.filter(({ cpu }) => Number.isFinite(cpu)).toSorted((a, b) => a.cpu - b.cpu)
    if (sorted.length === 0) continue
    parts.push(bars(title, sorted, top, colours))
    top += TITLE + sorted.length * ROW + GAP
  }
  const named = Object.entries(versions).filter(([, version]) => version !== null).map(([name, version]) => `${name} ${version}`).join(', ')
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top + 24}" width="${WIDTH}" height="${top + 24}" font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="CPU time per request of HTTP servers">
<text x="${NAMES}" y="24" fill="${colours.text}" font-size="15" font-weight="600">CPU per request; shorter is better</text>
<line x1="${NAMES}" y1="36" x2="${WIDTH - 10}" y2="36" stroke="${colours.line}"/>
${parts.join('\n')}
<text x="${NAMES}" y="${top + 12}" fill="${colours.faint}" font-size="10">${escaped(named)}</text>
</svg>
`
}

/** Writes docs/benchmark-light.svg and docs/benchmark-dark.svg; gives their paths. */
export function writePlots({ works, versions }) {
  return Object.keys(THEMES).map((theme) => {
    const path = `docs/benchmark-${theme}.svg`
    writeFileSync(new URL(`../${path}`, import.meta.url), plot(works, versions, theme))
    return path
  })
}
