// node upload.mjs MODULES OPTIONS: uploads a file with tus-js-client and prints what became of it as JSON.
// options: endpoint, file, headers, metadata, chunkSize, parallelUploads, abortAt (bytes), terminate (then), previous (an address)
import { createReadStream, statSync } from 'node:fs'
import { createRequire } from 'node:module'

const [modules, text] = process.argv.slice(2)
const tus = createRequire(`${modules}/x.js`)('tus-js-client')
const options = JSON.parse(text)
const said = { progress: 0, videoId: null }

const upload = new tus.Upload(createReadStream(options.file), {
  endpoint: options.endpoint,
  uploadUrl: options.previous ?? null,
  headers: options.headers ?? {},
  metadata: options.metadata ?? {},
  uploadSize: options.parallelUploads ? null : statSync(options.file).size,
  chunkSize: options.chunkSize ?? Infinity,
  parallelUploads: options.parallelUploads ?? 1,
  uploadDataDuringCreation: options.uploadDataDuringCreation ?? false,
  retryDelays: [0, 200, 500, 1000, 2000],
  onAfterResponse: (request, response) => {
    said.videoId = response.getHeader('Video-Id') ?? said.videoId
  },
  onProgress: (sent) => {
    said.progress = sent
    if (options.abortAt && sent >= options.abortAt) {
      options.abortAt = null
      upload.abort(options.terminate ?? false).then(() => finish({ aborted: true }))
    }
  },
  onError: (error) => finish({ error: String(error) }),
  onSuccess: () => finish({ done: true }),
})

function finish(how) {
  process.stdout.write(JSON.stringify({ ...said, ...how, url: upload.url }), () => process.exit(0))
}

upload.start()
