/**
 * busbar/router: routes by method and path.
 */
export { Router } from './router.ts'
export type { RouterSettings } from './router-settings.ts'
export { MatchedRoute } from './route.ts'
export type { RouteFunction, RouteHandler, RouteMatch, RouteMethod } from './route.ts'
export type { PathParameters } from './path-parameters.ts'
