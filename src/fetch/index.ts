/**
 * busbar/fetch: servers of applications that answer the web's `Request` with the web's `Response`.
 */
export { fromFetch } from './from-fetch.ts'
export type { FromFetchSettings } from './from-fetch.ts'
export { serve } from './serve.ts'
export type { FetchServerSettings } from './serve.ts'
export { contextOf } from './context-of.ts'
export type { FetchAddress, FetchApplication, FetchContext, FetchFunction, FetchResult } from '../handler/fetch-application.ts'
