/**
 * Draws the works of a report: CPU per request of each server, as bars. One SVG a work, for light pages and dark ones.
 */
import { mkdirSync, writeFileSync } from 'node:fs'

/** Where the pictures are written. */
const FOLDER = 'docs/benchmarks'

const STYLE = `.text{fill:#1f2328}.faint{fill:#59636e}.line{stroke:#d1d9e0}.bar{fill:#afb8c1}.own{fill:#0969da}
@media (prefers-color-scheme:dark){.text{fill:#f0f6fc}.faint{fill:#9198a1}.line{stroke:#3d444d}.bar{fill:#656c76}.own{fill:#4493f8}}`
/** Pixels. */
const [WIDTH, NAMES, VALUES, ROW, TOP] = [760, 170, 70, 20, 44]

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')

/** The picture of one work: its rows `{ name, cpu }`, CPU in microseconds, the fastest first. */
export function plot(title, rows, versions) {
  const sorted = rows.filter(({ cpu }) => Number.isFinite(cpu)).toSorted((a, b) => a.cpu - b.cpu)
  const room = WIDTH - NAMES - VALUES
  const highest = Math.max(...sorted.map(({ cpu }) => cpu))
  const bars = sorted.map(({ name, cpu }, at) => {
    const y = TOP + at * ROW
    const width = Math.max(1, (cpu / highest) * room).toFixed(1)
    const isOwn = name === 'busbar'
    return `<text x="${NAMES - 8}" y="${y + 14}" text-anchor="end" class="text"${isOwn ? ' font-weight="600"' : ''}>${escaped(name)}</text>
<rect x="${NAMES}" y="${y + 3}" width="${width}" height="${ROW - 6}" rx="2" class="${isOwn ? 'own' : 'bar'}"/>
<text x="${(NAMES + Number(width) + 6).toFixed(1)}" y="${y + 14}" class="faint">${cpu.toFixed(cpu < 100 ? 2 : 0)} µs</text>`
  })
  const named = sorted.flatMap(({ name }) => (versions[name] ? [`${name} ${versions[name]}`] : [])).join(', ')
  const height = TOP + sorted.length * ROW + 30
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="CPU time per request: ${escaped(title)}">
<style>${STYLE}</style>
<text x="${NAMES}" y="24" font-size="15" font-weight="600" class="text">${escaped(title)}: CPU per request; shorter is better</text>
<line x1="${NAMES}" y1="36" x2="${WIDTH - 10}" y2="36" class="line"/>
${bars.join('\n')}
<text x="${NAMES}" y="${height - 10}" font-size="10" class="faint">${escaped(named)}</text>
</svg>
`
}

/** Writes the picture of each work; gives their paths. */
export function writePlots({ works, versions }) {
  const folder = new URL(`../${FOLDER}/`, import.meta.url)
  mkdirSync(folder, { recursive: true })
  return Object.entries(works).map(([title, rows]) => {
    const path = `${title.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}.svg`
    writeFileSync(new URL(path, folder), plot(title, rows, versions))
    return `${FOLDER}/${path}`
  })
}
