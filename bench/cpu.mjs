/**
 * CPU time of a process in nanoseconds, as the kernel counts it for each thread.
 */
import { readFileSync, readdirSync } from 'node:fs'

/** User plus system time of all threads, and of the main thread, which runs the JavaScript. */
export function cpuTime(pid) {
  let all = 0
  let main = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const [time] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')
    all += Number(time)
    if (Number(thread) === pid) main = Number(time)
  }
  return { all, main }
}

/** Private memory of a process, in KiB. */
export function privateMemory(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  return Number(/RssAnon:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN)
}
