/**
 * The files of a directory as a handler.
 *
 *   path ──► decoded, no dotfile ──► in memory, and looked at within `revalidate`? ──► response
 *                                └──► opened ──► short: kept in memory; long: sent by `Response.file`
 *                                            └──► missing: the fallback, for pages, else 404
 *
 * Ranges and conditions are answered by `Response.file`.
 */
import { codingsFor } from '../body/file-answer.ts'
import type { FileBody } from '../body/file-body.ts'
import type { FileSettings } from '../body/file-settings.ts'
import { OptionError } from '../core/errors.ts'
import type { RequestHandler } from '../handler/handler.ts'
import { preferredForm } from '../http/accept.ts'
import { eachField } from '../http/fields.ts'
import type { FieldsInit } from '../http/fields.ts'
import { HttpErrorException } from '../http/http-error.ts'
import type { Request } from '../message/request.ts'
import { Response, replaceLines } from '../message/response.ts'
import { filePath } from './file-path.ts'
import { FileMemory, loadFile } from './file-memory.ts'
import type { LoadedFile } from './file-memory.ts'

/** Settings of a `DocumentRoot`: those of `Response.file`, but for `root` and `getOnly`, and its own. */
export interface DocumentRootSettings extends Omit<FileSettings, 'root' | 'getOnly'> {
  /** Names of the file that stands for a directory, in order of preference. Default: `index.html`, `index.htm`. */
  readonly index?: string | readonly string[] | undefined
  /**
   * Path of the file, below the root, that answers GET and HEAD of clients that accept HTML where there is no other: for
   * applications that do their routing in the browser. Default: a missing file is a 404.
   */
  readonly fallback?: string | undefined
  /** Whether files and directories are served whose names begin with a dot. Default: false, but `/.well-known/` is. */
  readonly dotfiles?: boolean | undefined
  /** Bytes of memory for the content of files up to 64 KiB; 0 for none. Default: 16 MiB. */
  readonly memory?: number | undefined
}

const ALLOW = 'GET, HEAD, OPTIONS'
const MEMORY = 16 * 1024 * 1024
const INDEX = ['index.html', 'index.htm']

/** Fields of requests that `Response.file` evaluates. */
const CONDITIONS = ['range', 'if-none-match', 'if-modified-since', 'if-match', 'if-unmodified-since']

/**
 * Serves the files below a directory. There is no listing: a directory without an index is a 404, and one that is asked
 * for without a slash is redirected to the form with it.
 *
 * @example await serve(8080, new DocumentRoot('public', { maxAge: 3600, precompressed: true }))
 */
export class DocumentRoot implements RequestHandler {
  readonly #settings: FileSettings
  readonly #fallback: string | null
  readonly #fallbackSettings: FileSettings
  readonly #servesDotfiles: boolean
  readonly #memory: FileMemory

  /**
   * @param root the directory; a relative path is resolved where the process runs
   */
  constructor(root: string | URL, settings: DocumentRootSettings = {}) {
    if ((typeof root !== 'string' && !(root instanceof URL)) || root === '') throw new OptionError('root', root, 'a directory as a string or a URL')
    if (typeof settings !== 'object' || settings === null) throw new OptionError('settings', settings, 'an object such as { maxAge }')
    const { fallback, dotfiles = false, memory = MEMORY, index = INDEX, ...file } = settings
    for (const name of ['root', 'getOnly']) if (name in file) throw new OptionError('a DocumentRoot', name, 'made without it')
    if (typeof dotfiles !== 'boolean') throw new OptionError('dotfiles', dotfiles, 'true or false')
    if (!Number.isInteger(memory) || memory < 0) throw new OptionError('memory', memory, 'a whole number of bytes, at least 0')
    this.#settings = { ...file, root, index }
    // Checks the settings now, not at the first request.
    Response.file('/', this.#settings)
    this.#fallback = fallback === undefined ? null : checkFallback(fallback)
    // A page at the address of another must not be kept when that appears.
    this.#fallbackSettings = { ...this.#settings, maxAge: undefined, headers: uncached(file.headers) }
    this.#servesDotfiles = dotfiles
    this.#memory = new FileMemory(memory, file.revalidate ?? 1)
  }

  /**
   * Answers a request with the file of its path.
   *
   * @example (request) => assets.handleRequest(request)
   */
  handleRequest(request: Request): Response | Promise<Response> {
    const method = request.getMethod()
    if (method === 'OPTIONS') return new Response(204, { allow: ALLOW })
    if (method !== 'GET' && method !== 'HEAD') throw new HttpErrorException(405, { headers: { allow: ALLOW } })
    const path = filePath(request.getPath(), this.#servesDotfiles)
    const codings = this.#settings.precompressed === true ? codingsFor(request, null, { precompressed: true }) : null
    const key = codings === null ? path : `${path}\0${codings.join()}`
    const known = this.#memory.get(key)
    if (known !== undefined) return this.#answer(request, known)
    return this.#load(key, path, codings ?? [null], this.#settings).then(
      (file) => this.#answer(request, file),
      (error: unknown) => this.#answerMissing(request, codings ?? [null], error),
    )
  }

  #load(key: string, path: string, codings: Parameters<FileBody['open']>[0], settings: FileSettings): Promise<LoadedFile> {
    return this.#memory.load(key, () => loadFile(path, settings, codings))
  }

  #answer(request: Request, file: LoadedFile): Response {
    const { bytes, lines, path, settings } = file
    if (file.isDirectory && !path.endsWith('/')) return redirectToSlash(request)
    if (bytes === null || CONDITIONS.some((name) => request.hasHeader(name))) return Response.file(path, settings)
    const response = new Response(200)
    replaceLines(response, 200, lines)
    response.setBody(bytes)
    return response
  }

  async #answerMissing(request: Request, codings: Parameters<FileBody['open']>[0], error: unknown): Promise<Response> {
    const isMissing = error instanceof HttpErrorException && error.status === 404
    if (!isMissing || this.#fallback === null || !acceptsHtml(request)) throw error
    const key = `\0${codings.join()}`
    const file = this.#memory.get(key) ?? (await this.#load(key, this.#fallback, codings, this.#fallbackSettings))
    return this.#answer(request, file)
  }
}

/** The same fields, with which a client asks again before it uses its copy. */
function uncached(headers: FieldsInit | undefined): [string, string][] {
  const pairs: [string, string][] = [['cache-control', 'no-cache']]
  eachField(headers ?? [], (name, value) => {
    if (name.toLowerCase() !== 'cache-control') pairs.push([name, String(value)])
  })
  return pairs
}

/** Whether a client asks for a page by name, as browsers do when the address changes. */
function acceptsHtml(request: Request): boolean {
  const accept = request.getHeaderLine('accept')
  return accept !== null && /text\/html|application\/xhtml\+xml/i.test(accept) && preferredForm(accept) === 'html'
}

/** Relative, because a prefix may have been taken off the path; with `./`, since a name may have a colon. */
function redirectToSlash(request: Request): Response {
  const path = request.getPath()
  const query = request.getQuery()
  const name = path.slice(path.lastIndexOf('/') + 1)
  return Response.redirect(`./${name}/${query === '' ? '' : `?${query}`}`, 308)
}

function checkFallback(fallback: string): string {
  if (typeof fallback !== 'string' || fallback === '' || fallback.includes('\0')) {
    throw new OptionError('fallback', fallback, 'the path of a file below the root')
  }
  return fallback.startsWith('/') ? fallback : `/${fallback}`
}
