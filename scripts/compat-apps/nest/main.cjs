// An application of Nest without a compiler: its decorators are called as functions. `main.cjs express` or `main.cjs fastify`.
require('reflect-metadata')
const { Body, Controller, Get, HttpException, Module, Param, Post, StreamableFile, UseGuards } = require('@nestjs/common')
const { NestFactory } = require('@nestjs/core')
const { Readable } = require('node:stream')

class HelloController {
  hello() { return 'Hello from Nest' }
  one(id) { return { id } }
  made(body) { return { got: body } }
  refused() { throw new HttpException('no tea', 418) }
  file() { return new StreamableFile(Readable.from(['a', 'b', 'c'])) }
  guarded() { return 'never' }
}
class Nobody {
  canActivate() { return false }
}

/** Decorates a method, whose parameters have decorators too. */
function decorate(name, decorators, parameters = []) {
  const { prototype } = HelloController
  parameters.forEach((parameter, at) => parameter(prototype, name, at))
  for (const decorator of decorators) decorator(prototype, name, Object.getOwnPropertyDescriptor(prototype, name))
}
Controller()(HelloController)
decorate('hello', [Get()])
decorate('one', [Get('items/:id')], [Param('id')])
decorate('made', [Post('items')], [Body()])
decorate('refused', [Get('refused')])
decorate('file', [Get('file')])
decorate('guarded', [Get('guarded'), UseGuards(Nobody)])
class AppModule {}
Module({ controllers: [HelloController] })(AppModule)

async function main(platform) {
  const { FastifyAdapter } = platform === 'fastify' ? require('@nestjs/platform-fastify') : {}
  const given = FastifyAdapter === undefined ? [] : [new FastifyAdapter()]
  const app = await NestFactory.create(AppModule, ...given, { logger: false })
  app.enableShutdownHooks()
  await app.listen(Number(process.env.PORT), '127.0.0.1')
}
void main(process.argv[2])
