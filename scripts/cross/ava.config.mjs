// For Nodes that read TypeScript themselves.
export default { files: ['__test__/**/*.spec.ts'], extensions: { ts: 'module' }, workerThreads: false, timeout: '600s', nodeArguments: [] }
