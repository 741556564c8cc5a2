/**
 * busbar/hono: what Hono asks of each runtime.
 */
export { getConnInfo } from './conn-info.ts'
export { upgradeWebSocket } from './upgrade-web-socket.ts'
