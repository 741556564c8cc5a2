/**
 * The output: a table for each work.
 */

/** The median. */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

const fixed = (number, digits = 2) => (Number.isFinite(number) ? number.toFixed(digits) : '-')

/** Columns of equal width, the first one left-aligned. */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  const line = (row) => row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]) : cell.padStart(widths[at]))).join('  ')
  return rows.map(line).join('\n')
}

/** Results of one work: medians over the rounds, and each server beside the others. */
export function summary(rounds) {
  const rows = [...rounds].map(([name, results]) => ({
    name,
    cpu: median(results.map(({ cpu }) => cpu)),
    least: Math.min(...results.map(({ cpu }) => cpu)),
    main: median(results.map(({ main }) => main)),
    rate: median(results.map(({ rate }) => rate)),
    errors: results.reduce((sum, { errors }) => sum + errors, 0),
  }))
  const of = (name) => rows.find((row) => row.name === name)?.cpu ?? Number.NaN
  const others = rows.filter(({ name }) => !name.includes('busbar') && name !== 'bare epoll').map(({ cpu }) => cpu)
  const best = others.length === 0 ? Number.NaN : Math.min(...others)
  return rows.map((row) => ({
    ...row,
    toNode: row.cpu / (['node:http', 'node:http2', "Node's http"].map(of).find(Number.isFinite) ?? Number.NaN),
    toBest: row.cpu / best,
    toBare: row.cpu / of('bare epoll'),
  }))
}

/** The table of one work as text. */
export function workTable({ name: title, bytes }, rows) {
  const unit = bytes === undefined ? [] : ['MiB/CPU s']
  const head = [title, ...unit, 'us/req', 'least', 'JS thread', 'req/s', 'busy', '/ node', '/ best peer', '/ bare', 'errors']
  const body = rows.map((row) => [
    row.name,
    ...(bytes === undefined ? [] : [fixed(bytes / 1024 ** 2 / (row.cpu / 1e6), 0)]),
    fixed(row.cpu),
    fixed(row.least),
    fixed(row.main),
    fixed(row.rate, 0),
    fixed((row.cpu * row.rate) / 1e6),
    fixed(row.toNode),
    fixed(row.toBest),
    fixed(row.toBare),
    String(row.errors),
  ])
  return table([head, ...body])
}
