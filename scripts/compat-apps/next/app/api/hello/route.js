export const dynamic = 'force-dynamic'

export async function GET(request) {
  return Response.json({ path: new URL(request.url).pathname, agent: request.headers.get('user-agent') })
}

/** Sends the body back letter by letter. */
export async function POST(request) {
  const text = await request.text()
  const encoder = new TextEncoder()
  async function* letters() {
    for (const letter of text) {
      await new Promise((resolve) => setTimeout(resolve, 1))
      yield encoder.encode(letter)
    }
  }
  return new Response(ReadableStream.from(letters()))
}
