/**
 * Dates in header fields. RFC 9110 §5.6.7.
 */

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `Sun, 06 Nov 1994 08:49:37 GMT`, the form that is sent today. */
const FIXDATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT$/
/** `Sunday, 06-Nov-94 08:49:37 GMT`, obsolete. */
const RFC850 = /^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (\d\d)-([A-Z][a-z]{2})-(\d\d) (\d\d):(\d\d):(\d\d) GMT$/
/** `Sun Nov  6 08:49:37 1994`, obsolete. */
const ASCTIME = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4})$/

/** Unix time in milliseconds; null for what is no date. */
export function parseHttpDate(text: string): number | null {
  let match = FIXDATE.exec(text)
  if (match !== null) return timeOf(Number(match[3]), match[2]!, match[1]!, match[4]!, match[5]!, match[6]!)
  match = RFC850.exec(text)
  if (match !== null) return timeOf(fullYear(Number(match[3])), match[2]!, match[1]!, match[4]!, match[5]!, match[6]!)
  match = ASCTIME.exec(text)
  return match === null ? null : timeOf(Number(match[6]), match[1]!, match[2]!, match[3]!, match[4]!, match[5]!)
}

/** Unix time in milliseconds as it is sent: whole seconds. */
export function formatHttpDate(time: number): string {
  return new Date(time).toUTCString()
}

/** Two digits that look more than 50 years ahead are of the century before. */
function fullYear(digits: number): number {
  const now = new Date().getUTCFullYear()
  const year = now - (now % 100) + digits
  return year > now + 50 ? year - 100 : year
}

function timeOf(year: number, monthName: string, day: string, hour: string, minute: string, second: string): number | null {
  const month = MONTHS.indexOf(monthName)
  const date = new Date(0)
  date.setUTCFullYear(year, month, Number(day))
  const isRight = month >= 0 && date.getUTCMonth() === month && Number(hour) < 24 && Number(minute) < 60 && Number(second) <= 60
  // A leap second is the last of its minute: computers know no other.
  return isRight ? date.setUTCHours(Number(hour), Number(minute), Math.min(Number(second), 59)) : null
}
