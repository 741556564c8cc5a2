import { Response } from 'busbar'

export default (request) => Response.text(`Hello, ${request.getClient().getRemoteAddress()}\n`)
