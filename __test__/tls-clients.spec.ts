/**
 * Clients that others have written. A test whose client isn't installed is skipped.
 */
import { execFile, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Agent, request as fetchOnce } from 'undici'
import { Response, silentLogger } from '../src/index.ts'
import { LAST_GET, temporaryDirectory, until } from './support.ts'
import { authority, openTls } from './tls-support.ts'

const run = promisify(execFile)

function testWith(command: string, ...args: string[]): typeof test {
  const isThere = spawnSync(command, args).status === 0
  if (!isThere) console.error(`  (no ${command}: its tests are skipped)`)
  return (isThere ? test : test.skip) as typeof test
}

const openssl = testWith('openssl', 'version')
const curl = testWith('curl', '--version')
const go = testWith('go', 'version')
// `java` compiles source files by `javac`'s library.
const java = testWith('javac', '-version')

async function authorityFile(t: ExecutionContext): Promise<string> {
  const path = join(await temporaryDirectory(t), 'ca.pem')
  writeFileSync(path, authority.cert)
  return path
}

/** Runs `openssl s_client` with a request; returns what it prints, and whether it has succeeded. */
async function sClient(t: ExecutionContext, port: number, ...args: string[]): Promise<string> {
  const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'localhost', '-ign_eof', ...args])
  t.teardown(() => child.kill())
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('latin1').on('data', (piece: string) => (text += piece))
  child.stdin.on('error', () => {})
  child.stdin.write(LAST_GET)
  await new Promise((resolve) => child.once('close', resolve))
  return text
}

openssl('openssl gets the certificate verified, and an answer', async (t) => {
  const { port } = await openTls(t)
  const text = await sClient(t, port, '-CAfile', await authorityFile(t), '-verify_return_error')
  t.regex(text, /Verify return code: 0 \(ok\)/)
  t.regex(text, /Secure Renegotiation IS|TLSv1\.3/)
  t.regex(text, /Compression: NONE/)
  t.regex(text, /\r\n\r\ndone/)
})

openssl('openssl that refuses the certificate says so by an alert, which is counted', async (t) => {
  const { server, port } = await openTls(t)
  await sClient(t, port, '-verify_return_error', '-tls1_2')
  await until(() => Object.keys(server.getRefusals()).length > 0)
  t.deepEqual(server.getRefusals(), { BUSBAR_TLS_ALERT_UNKNOWN_CA: 1 })
})

for (const version of ['-tls1', '-tls1_1']) {
  openssl(`openssl is not served with ${version}`, async (t) => {
    const { port, infos } = await openTls(t)
    t.regex(await sClient(t, port, version, '-cipher', 'ALL:@SECLEVEL=0'), /protocol version|alert/)
    t.deepEqual(infos, [])
  })
}

openssl('no cipher suite is offered that lacks forward secrecy or authenticated encryption', async (t) => {
  const { port, infos } = await openTls(t)
  const { stdout } = await run('openssl', ['ciphers', '-tls1_2', '-s', 'ALL:COMPLEMENTOFALL:@SECLEVEL=0'])
  const suites = stdout.trim().split(':').filter((name) => !name.startsWith('TLS_'))
  const weak = suites.filter((name) => !/^ECDHE-(ECDSA|RSA)-.*(GCM|CHACHA20)/.test(name))
  t.true(weak.length > 10)
  const text = await sClient(t, port, '-tls1_2', '-cipher', `${weak.join(':')}:@SECLEVEL=0`)
  t.regex(text, /handshake failure/)
  t.deepEqual(infos, [])
})

openssl('openssl cannot renegotiate', async (t) => {
  const { port } = await openTls(t)
  const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-tls1_2', '-legacy_renegotiation'])
  t.teardown(() => child.kill())
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('latin1').on('data', (piece: string) => (text += piece))
  child.stdin.on('error', () => {})
  await until(() => text.includes('Verify return code'))
  child.stdin.write('R\n')
  await new Promise((resolve) => child.once('close', resolve))
  t.regex(text, /RENEGOTIATING[^]*(no renegotiation|alert)/i)
})

openssl('a KeyUpdate of the client is followed', async (t) => {
  const { port } = await openTls(t)
  const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-tls1_3'])
  t.teardown(() => child.kill())
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('latin1').on('data', (piece: string) => (text += piece))
  await until(() => text.includes('Verify return code'))
  // K asks for a KeyUpdate of the server as well.
  child.stdin.write('K\n')
  await until(() => text.includes('KEYUPDATE'))
  child.stdin.write(LAST_GET.replaceAll('\r\n', '\n').replaceAll('\n', '\r\n'))
  await until(() => text.includes('done'))
  t.pass()
})

curl('curl verifies the certificate and speaks HTTP/1.1', async (t) => {
  const { port } = await openTls(t, {}, async (request) => Response.text(`${request.getMethod()} ${(await request.text()).length}`))
  const ca = await authorityFile(t)
  const url = `https://localhost:${port}/`
  const { stdout } = await run('curl', ['-sS', '--cacert', ca, '--resolve', `localhost:${port}:127.0.0.1`, url, '-w', ' %{ssl_verify_result}'])
  t.is(stdout, 'GET 0 0')
  const { stdout: posted } = await run('curl', ['-sS', '--cacert', ca, '--resolve', `localhost:${port}:127.0.0.1`, url, '--data', 'x'.repeat(100_000)])
  t.is(posted, 'POST 100000')
})

test('undici reuses its connection', async (t) => {
  const { port, infos } = await openTls(t)
  const dispatcher = new Agent({ connections: 1, connect: { ca: authority.cert, servername: 'localhost' } })
  t.teardown(() => dispatcher.destroy())
  for (let round = 0; round < 3; round++) {
    const { body, statusCode } = await fetchOnce(`https://127.0.0.1:${port}/`, { dispatcher })
    t.is(statusCode, 200)
    t.is(await body.text(), 'done')
  }
  t.is(new Set(infos).size, 1, 'connections')
})

const PROGRAM = `package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

func main() {
	pem, _ := os.ReadFile(os.Args[2])
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config := &tls.Config{RootCAs: roots, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	client := &http.Client{Transport: transport}
	for i := 0; i < 2; i++ {
		response, err := client.Post(os.Args[1], "text/plain", strings.NewReader(strings.Repeat("x", 300000)))
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		fmt.Println(response.StatusCode, len(body), response.TLS.Version == tls.VersionTLS13, response.TLS.DidResume)
	}
}
`

go('the client of Go verifies, posts and resumes', async (t) => {
  const { port, infos } = await openTls(t, {}, async (request) => Response.text(await request.text()), { bodySizeLimit: 1_000_000 })
  const directory = join(await temporaryDirectory(t), 'client')
  mkdirSync(directory)
  writeFileSync(join(directory, 'main.go'), PROGRAM)
  writeFileSync(join(directory, 'go.mod'), 'module client\n\ngo 1.20\n')
  const { stdout } = await run('go', ['run', '.', `https://127.0.0.1:${port}/`, await authorityFile(t)], { cwd: directory })
  t.is(stdout, '200 300000 true false\n200 300000 true true\n')
  t.deepEqual(infos.map((info) => info?.isResumed()), [false, true])
  t.true(infos.every((info) => info?.getKeyExchangeGroup()?.includes('X25519')))
})

const JAVA_PROGRAM = `import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class Client {
    public static void main(String[] args) throws Exception {
        KeyStore roots = KeyStore.getInstance(KeyStore.getDefaultType());
        roots.load(null, null);
        try (FileInputStream file = new FileInputStream(args[1])) {
            roots.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(roots);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        for (HttpClient.Version version : HttpClient.Version.values()) {
            // Each has connections of its own; the context keeps the sessions.
            for (int round = 0; round < 2; round++) {
                HttpClient client = HttpClient.newBuilder().sslContext(context).version(version).build();
                HttpRequest request = HttpRequest.newBuilder(URI.create(args[0]))
                    .POST(HttpRequest.BodyPublishers.ofString("x".repeat(300000))).build();
                HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
                String protocol = response.sslSession().get().getProtocol();
                System.out.println(response.statusCode() + " " + response.body().length() + " " + response.version() + " " + protocol);
            }
        }
    }
}
`

java('the client of Java verifies, posts by HTTP/1.1 and HTTP/2, and resumes', async (t) => {
  const { port, infos } = await openTls(t, {}, async (request) => Response.text(await request.text()), { bodySizeLimit: 1_000_000 })
  const path = join(await temporaryDirectory(t), 'Client.java')
  writeFileSync(path, JAVA_PROGRAM)
  const { stdout } = await run('java', [path, `https://localhost:${port}/`, await authorityFile(t)])
  const lines = ['HTTP_1_1', 'HTTP_2'].flatMap((version) => [`200 300000 ${version} TLSv1.3`, `200 300000 ${version} TLSv1.3`])
  t.deepEqual(stdout.trim().split('\n'), lines)
  t.deepEqual(infos.map((info) => info?.getApplicationLayerProtocol()), [null, null, 'h2', 'h2'])
  t.true(infos[1]!.isResumed())
})

openssl('a certificate of X.509 version 1 is refused, and the log says what to do', async (t) => {
  const folder = await temporaryDirectory(t)
  const [key, csr, cert] = ['key', 'csr', 'cert'].map((name) => join(folder, name)) as [string, string, string]
  await run('openssl', ['req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=old', '-keyout', key, '-out', csr])
  await run('openssl', ['x509', '-req', '-in', csr, '-signkey', key, '-out', cert])
  const { stdout } = await run('openssl', ['x509', '-in', cert, '-noout', '-text'])
  // Newer releases of openssl make version 3 in any case.
  if (!stdout.includes('Version: 1 ')) return t.pass()
  const message = /it is of X\.509 version 1, and has to be of version 3/
  await t.throwsAsync(openTls(t, { cert, key }), { code: 'BUSBAR_TLS_CERTIFICATE', message })
  const lines: string[] = []
  const logger = { ...silentLogger, debug: (line: string) => void lines.push(line) }
  const { port } = await openTls(t, { clientAuth: 'require', ca: authority.cert }, undefined, { debug: true, logger })
  await sClient(t, port, '-cert', cert, '-key', key)
  await until(() => lines.some((line) => message.test(line)))
  t.pass()
})
