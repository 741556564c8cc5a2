/**
 * CPU time of a process, from the kernel's own account of each of its threads in nanoseconds.
 */
import { readFileSync, readdirSync } from 'node:fs'

/** User and system time together: of all threads, and of the main one, which runs the JavaScript. */
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

/** Memory of its own that a process holds, in KiB. */
export function privateMemory(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  return Number(/RssAnon:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN)
}
