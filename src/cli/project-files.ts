/**
 * The files of a new project, by their path.
 */

/** `name` is the package's name, `version` the version of busbar that the project starts with. */
export function projectFiles(name: string, version: string): Record<string, string> {
  return {
    'package.json': `${JSON.stringify(manifest(name, version), null, 2)}\n`,
    'tsconfig.json': `${JSON.stringify({ compilerOptions: COMPILER_OPTIONS, include: ['src'] }, null, 2)}\n`,
    'src/app.ts': APP,
    'src/app.test.ts': TEST,
    Dockerfile: DOCKERFILE,
    '.dockerignore': 'node_modules\n.git\n*.test.ts\n',
    '.gitignore': 'node_modules\n',
    'README.md': readme(name),
  }
}

function manifest(name: string, version: string): object {
  return {
    name,
    version: '0.0.0',
    private: true,
    type: 'module',
    engines: { node: '>=22.18' },
    scripts: {
      dev: 'busbar serve src/app.ts --port 3000 --watch',
      start: 'busbar serve src/app.ts',
      test: 'node --test',
      check: 'tsc',
    },
    dependencies: { busbar: `^${version}` },
    devDependencies: { '@types/node': '^22.18.0', typescript: '^5.9.0' },
  }
}

/** Node runs the sources themselves, so the compiler only checks them. */
const COMPILER_OPTIONS = {
  target: 'es2023',
  module: 'nodenext',
  strict: true,
  noUncheckedIndexedAccess: true,
  erasableSyntaxOnly: true,
  verbatimModuleSyntax: true,
  allowImportingTsExtensions: true,
  skipLibCheck: true,
  noEmit: true,
}

const APP = `import { HttpErrorException, Response, type ServerSettings } from 'busbar'
import { Router } from 'busbar/router'

interface Note {
  id: number
  text: string
}

const notes = new Map<number, Note>()

const router = new Router()
  .route('GET', '/', () => Response.text('Hello. POST a note to /notes.\\n'))
  .route('GET', '/notes', () => Response.json([...notes.values()]))
  .route('GET', '/notes/:id', (_request, { id }) => {
    const note = notes.get(Number(id))
    if (note === undefined) throw new HttpErrorException(404)
    return Response.json(note)
  })
  .route('POST', '/notes', async (request) => {
    const sent: unknown = await request.json()
    if (typeof sent !== 'object' || sent === null || !('text' in sent) || typeof sent.text !== 'string') {
      throw new HttpErrorException(422, { details: { text: 'must be a string' } })
    }
    const note = { id: notes.size + 1, text: sent.text }
    notes.set(note.id, note)
    return Response.json(note, 201, { location: \`/notes/\${note.id}\` })
  })

export default router

export const settings: ServerSettings = { accessLog: 'combined' }
`

const TEST = `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HttpServer, Request } from 'busbar'
import app from './app.ts'

// No socket is opened: inject() answers as one would.
const server = new HttpServer(0, app)

test('a note that was sent can be read', async () => {
  const sent = Request.create('POST', '/notes', { headers: { 'content-type': 'application/json' }, body: '{"text":"buy milk"}' })
  const created = await server.inject(sent)
  assert.equal(created.getStatus(), 201)
  const location = created.getHeader('location')
  assert.ok(location)
  const response = await server.inject(Request.create('GET', location))
  assert.deepEqual(await response.json(), { id: 1, text: 'buy milk' })
})

test('a note without a text is refused', async () => {
  const response = await server.inject(Request.create('POST', '/notes', { body: '{}' }))
  assert.equal(response.getStatus(), 422)
})

test('there is no other page', async () => {
  const response = await server.inject(Request.create('GET', '/elsewhere'))
  assert.equal(response.getStatus(), 404)
})
`

const DOCKERFILE = `FROM node:24-alpine
WORKDIR /app
COPY package*.json ./
RUN npm install --omit=dev --ignore-scripts
COPY . .
USER node
ENV PORT=8080
EXPOSE 8080
# Not by npm, which doesn't pass SIGTERM on.
CMD ["node", "node_modules/busbar/dist/cli.js", "serve", "src/app.ts", "--drain-delay", "5"]
`

function readme(name: string): string {
  return `# ${name}

\`\`\`sh
npm install
npm run dev      # http://localhost:3000/, started again after each change
npm test
npm run check    # types
docker build -t ${name} . && docker run -p 8080:8080 ${name}
\`\`\`

\`src/app.ts\` has the routes; it exports the handler, and \`settings\` of the server. Node from version 22.18 on runs TypeScript itself.
`
}
