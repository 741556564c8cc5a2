/**
 * busbar/websocket: WebSockets by the package `ws`.
 */
export { webSocket } from './websocket.ts'
export type { WebSocketHandler } from './websocket.ts'
export type { WebSocketListener } from './accept.ts'
export type { WebSocketSettings } from './websocket-settings.ts'
