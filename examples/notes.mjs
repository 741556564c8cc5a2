// An application with all that most have: routes, validation, sessions by cookie, CORS, compression, events, WebSockets,
// uploads and static files.
//
//   npm install ws && npx busbar serve examples/notes.mjs
//
//   POST   /session            { "name": "ada" }                     logs in, and sets a cookie
//   DELETE /session                                                  logs out
//   GET    /notes?q=milk                                             the notes, those with a word alone
//   POST   /notes              { "title": "…", "text": "…" }         a new note
//   GET, PUT, DELETE /notes/:id
//   POST   /notes/:id/file     multipart/form-data with one file     attaches a file, up to 10 MB
//   GET    /notes/:id/file
//   GET    /events                                                   what happens to notes, as an event stream
//   GET    /live                                                     the same, and commands, on a WebSocket
import { randomUUID } from 'node:crypto'
import { EventEmitter, on } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Attribute, CookieAttributes, CorsMiddleware, ErrorPagesMiddleware, HttpErrorException, Response, ResponseCookie, stack } from 'busbar'
import { Router } from 'busbar/router'
import { webSocket } from 'busbar/websocket'

/** The origin of the page that uses the application. */
const ORIGIN = 'https://notes.example'
const COOKIE = 'session'
const LARGEST_FILE = 10_000_000

/** The session of a request. */
const Session = new Attribute('session')

/** The application, with data of its own. */
export function makeNotes() {
  const notes = new Map()
  const sessions = new Map()
  const changes = new EventEmitter().setMaxListeners(0)
  const directory = mkdtempSync(join(tmpdir(), 'notes-'))

  function changed(kind, { id, title }) {
    changes.emit('change', { kind, id, title })
  }

  function noteOf(id) {
    const note = notes.get(id)
    if (note === undefined) throw new HttpErrorException(404)
    return note
  }

  /** Middleware: only for those who have logged in. */
  function needsSession(request, next) {
    const session = sessions.get(request.getCookie(COOKIE)?.getValue())
    if (session === undefined) throw new HttpErrorException(401)
    request.setAttribute(Session, session)
    return next(request)
  }

  const logIn = async (request) => {
    const { name } = valid(await request.json(), { name: isShort })
    const id = randomUUID()
    sessions.set(id, { id, name })
    const response = Response.json({ name }, 201)
    response.setCookie(new ResponseCookie(COOKIE, id, CookieAttributes.default().withPath('/').withSameSite('Lax').withMaxAge(86_400)))
    return response
  }

  const logOut = (request) => {
    sessions.delete(request.getAttribute(Session).id)
    const response = new Response(204)
    response.setCookie(new ResponseCookie(COOKIE, '', CookieAttributes.default().withPath('/').withMaxAge(0)))
    return response
  }

  const list = (request) => {
    const word = request.getQueryParameter('q')?.toLowerCase() ?? ''
    return Response.json([...notes.values()].filter(({ title, text }) => `${title} ${text}`.toLowerCase().includes(word)))
  }

  const create = async (request) => {
    const { title, text } = valid(await request.json(), { title: isShort, text: isText })
    const note = { id: String(notes.size + 1), title, text, author: request.getAttribute(Session).name, file: null }
    notes.set(note.id, note)
    changed('created', note)
    return Response.json(note, 201, { location: `/notes/${note.id}` })
  }

  const replace = async (request, { id }) => {
    const note = Object.assign(noteOf(id), valid(await request.json(), { title: isShort, text: isText }))
    changed('changed', note)
    return Response.json(note)
  }

  const remove = async (_request, { id }) => {
    const note = noteOf(id)
    notes.delete(id)
    changed('removed', note)
    if (note.file !== null) await rm(join(directory, id), { force: true })
    return new Response(204)
  }

  /** The file is written while it arrives: a slow disk slows the client. */
  const attach = async (request, { id }) => {
    const note = noteOf(id)
    request.getBody().increaseSizeLimit(LARGEST_FILE + 10_000)
    for await (const part of request.parts({ files: 1, fileSize: LARGEST_FILE })) {
      if (!part.isFile()) continue
      const file = await open(join(directory, id), 'w')
      try {
        await file.writeFile(part)
      } finally {
        await file.close()
      }
      note.file = part.getFilename()
      changed('changed', note)
      return Response.json(note, 201)
    }
    throw new HttpErrorException(422, { details: ['file'] })
  }

  const download = (_request, { id }) => {
    const { file } = noteOf(id)
    if (file === null) throw new HttpErrorException(404)
    const headers = { 'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(file)}`, 'content-type': 'application/octet-stream' }
    return Response.file(id, { root: directory, headers })
  }

  /** Ends when the client leaves, and when the server stops. */
  async function* events(request) {
    const signal = AbortSignal.any([request.getSignal(), request.getStopSignal()])
    yield 'retry: 1000\n\n'
    try {
      for await (const [change] of on(changes, 'change', { signal })) yield `event: ${change.kind}\ndata: ${JSON.stringify(change)}\n\n`
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  const live = webSocket(
    (socket, request) => {
      const { name } = request.getAttribute(Session)
      const tell = (change) => socket.send(JSON.stringify(change))
      changes.on('change', tell)
      socket.on('close', () => changes.off('change', tell))
      socket.on('message', (data) => changes.emit('change', { kind: 'said', name, text: String(data).slice(0, 1000) }))
    },
    { maxPayload: 4096 },
  )

  const router = new Router()
    .route('POST', '/session', logIn)
    .route('DELETE', '/session', logOut, needsSession)
    .route('GET', '/notes', list)
    .route('POST', '/notes', create, needsSession)
    .route('GET', '/notes/:id', (_request, { id }) => Response.json(noteOf(id)))
    .route('PUT', '/notes/:id', replace, needsSession)
    .route('DELETE', '/notes/:id', remove, needsSession)
    .route('POST', '/notes/:id/file', attach, needsSession)
    .route('GET', '/notes/:id/file', download)
    .route('GET', '/events', (request) => new Response(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' }, events(request)))
    .route('GET', '/live', live, needsSession)

  return {
    handler: stack(router, new CorsMiddleware({ origin: ORIGIN, credentials: true }), new ErrorPagesMiddleware()),
    close: () => rm(directory, { recursive: true, force: true }),
  }
}

const isShort = (value) => typeof value === 'string' && value.trim() !== '' && value.length <= 200
const isText = (value) => typeof value === 'string' && value.length <= 100_000

/** The fields of an object that rules name; a 422 whose page names those that are wrong. */
function valid(given, rules) {
  const fields = Object(given)
  const wrong = Object.keys(rules).filter((name) => !rules[name](fields[name]))
  if (wrong.length > 0) throw new HttpErrorException(422, { details: wrong })
  return Object.fromEntries(Object.keys(rules).map((name) => [name, fields[name]]))
}

export const settings = { compression: true }

const { handler } = makeNotes()
export default handler
