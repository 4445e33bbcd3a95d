// node client.mjs MODULES OPTIONS: does every operation with the official client for Node and tells as JSON how each went.
// options: url, key, files (a folder, see conftest.py); printed: [[operation id, what was done, error or null], …]
import { createRequire } from 'node:module'
import { join } from 'node:path'

const [modules, text] = process.argv.slice(2)
const require = createRequire(`${modules}/x.js`)
const ApiVideoClient = require('@api.video/nodejs-client')
// The client's index does not export this one.
const Authentication = require('@api.video/nodejs-client/lib/api/AdvancedAuthenticationApi').default
const options = JSON.parse(text)
const file = (name) => join(options.files, name)
const told = []

// Does one thing and notes how it went. check: what is true of a good answer.
async function step(operation, what, act, check = () => true) {
  let answer = null
  let error = null
  try {
    answer = await act()
    if (!check(answer)) error = `answered ${JSON.stringify(answer).slice(0, 400)}`
  } catch (failure) {
    error = `${failure} ${JSON.stringify(failure.problemDetails ?? {})}`.slice(0, 400)
  }
  told.push([operation, what, error])
  return answer
}

// Returns the body of an answer that is an error of this status.
async function refused(status, act) {
  try {
    await act()
  } catch (error) {
    if (error.code !== status) throw error
    return error.problemDetails
  }
  throw new Error('it was not refused')
}

async function waitPlayable(id) {
  const deadline = Date.now() + 60_000
  for (;;) {
    const status = await client.videos.getStatus(id)
    if (status.encoding.playable) return status
    if (Date.now() > deadline) throw new Error(JSON.stringify(status))
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

async function progressive(session) {
  const first = await session.uploadPart(file('part1.mp4'))
  const last = await session.uploadLastPart(file('part2.mp4'))
  if (first.videoId !== last.videoId) throw new Error('the parts became two videos')
  return last
}

// An answer without a body is told as an empty text.
const gone = (answer) => !answer || answer === '""'
const client = new ApiVideoClient({ apiKey: options.key, baseUri: options.url, chunkSize: 5 << 20 })
const { videos, uploadTokens, captions, chapters, watermarks, playerThemes, liveStreams, webhooks, summaries, analytics } = client

// Authentication
const authentication = new Authentication(client.httpClient)
const access = await step('POST_auth-api-key', 'exchange a key', () => client.getAccessToken(), (it) => it.accessToken)
await step('POST_auth-refresh', 'renew the access token', () => authentication.refresh({ refreshToken: access.refreshToken }))

// Watermarks, which a video takes when it is created
const mark = await step('POST_watermark', 'upload', () => watermarks.upload(file('mark.png')), (it) => it.watermarkId)
await step('LIST-watermarks', 'list, sorted', () => watermarks.list({ sortBy: 'createdAt', sortOrder: 'asc' }), (it) => it.data.length)

// Videos
const video = await step(
  'POST-video',
  'create with metadata and tags',
  () =>
    videos.create({
      title: 'Journey',
      description: 'A short film',
      _public: true,
      panoramic: false,
      mp4Support: true,
      tags: ['node', 'contract'],
      metadata: [{ key: 'client', value: 'node' }],
    }),
  (it) => it.assets.player && it.tags.length === 2 && it.metadata[0].value === 'node',
)
const id = video.videoId
await step('POST_videos-videoId-source', 'upload in parts', () => videos.upload(id, file('film.mp4')), (it) => it.videoId === id)
await step('GET-video-status', 'until it plays', () => waitPlayable(id), (it) => it.ingest.status === 'ingested')
await step('GET-video', 'read', () => videos.get(id), (it) => it.title === 'Journey' && it.createdAt.getTime() > 0)
await step(
  'PATCH-video',
  'change',
  () => videos.update(id, { title: 'Voyage', tags: ['node', 'changed by node'] }),
  (it) => it.title === 'Voyage' && it.description === 'A short film' && it.tags.length === 2,
)
await step('PATCH-video', 'take a theme off', () => videos.update(id, { playerId: null }))
await step('POST_videos-videoId-thumbnail', 'upload', () => videos.uploadThumbnail(id, file('picture.jpg')), (it) => it.assets.thumbnail)
await step(
  'PATCH_videos-videoId-thumbnail',
  'pick a frame',
  () => videos.pickThumbnail(id, { timecode: '00:00:01.000' }),
  (it) => it.assets.thumbnail,
)
const whole = await step('POST-video', 'create with a watermark and a clip', () =>
  videos.create({
    title: 'Marked',
    watermark: { id: mark.watermarkId, top: '10px', left: '10px' },
    clip: { startTimecode: '0', endTimecode: '2' },
  }),
)
await step(
  'POST_videos-videoId-source',
  'upload in one piece',
  () => videos.upload(whole.videoId, file('small.mp4')),
  (it) => it.videoId === whole.videoId,
)
const parted = await videos.create({ title: 'Of unknown length' })
await step(
  'POST_videos-videoId-source',
  'upload parts of unknown number',
  () => progressive(videos.createUploadProgressiveSession(parted.videoId)),
  (it) => it.videoId === parted.videoId,
)
await step('POST-video', 'copy another video', () => videos.create({ title: 'Copy', source: id }), (it) => it.videoId !== id)
await step(
  'LIST-videos',
  'filter by title, tags and metadata',
  () => videos.list({ title: 'Voy', tags: ['node', 'changed by node'], metadata: { client: 'node' } }),
  (it) => it.data.length === 1 && it.data[0].videoId === id && it.pagination.itemsTotal === 1,
)
await step(
  'LIST-videos',
  'sort and page',
  () => videos.list({ sortBy: 'title', sortOrder: 'asc', currentPage: 2, pageSize: 1 }),
  (it) =>
    it.data.length === 1 &&
    it.pagination.currentPage === 2 &&
    ['self', 'first', 'previous', 'last'].every((rel) => it.pagination.links.some((link) => link.rel === rel)),
)
await step('LIST-tags', 'search', () => client.tags.list({ value: 'BY NOD' }), (it) => it.data[0].videoCount === 1)
await step(
  'GET-video',
  'refuse what is not there',
  () => refused(404, () => videos.get('vi0000000000000000000000')),
  (it) => it.name === 'videoId' && it.status === 404,
)
await step('POST-video', 'refuse an empty title', () => refused(400, () => videos.create({ title: '' })), (it) => it.name === 'title')

// Upload tokens
const { token } = await step('POST_upload-tokens', 'create with a lifetime', () => uploadTokens.createToken({ ttl: 3600 }), (it) => it.ttl === 3600)
const guest = new ApiVideoClient({ baseUri: options.url, chunkSize: 5 << 20 })
await step('GET_upload-tokens', 'list, sorted', () => uploadTokens.list({ sortBy: 'createdAt', sortOrder: 'desc' }), (it) => it.data.length)
await step('GET_upload-tokens-uploadToken', 'read', () => uploadTokens.getToken(token), (it) => it.token === token)
await step(
  'POST_upload',
  'upload in one piece',
  () => guest.videos.uploadWithUploadToken(token, file('small.mp4')),
  (it) => it.videoId && it.title.includes('small.mp4'),
)
await step(
  'POST_upload',
  'upload in parts without naming the video',
  () => guest.videos.uploadWithUploadToken(token, file('film.mp4')),
  (it) => it.videoId,
)
await step('POST_upload', 'upload parts of unknown number', () =>
  progressive(guest.videos.createUploadWithUploadTokenProgressiveSession(token)),
)
await step('DELETE_upload-tokens-uploadToken', 'delete', () => uploadTokens.deleteToken(token), gone)

// Captions and chapters
await step('POST_videos-videoId-captions-language', 'upload', () => captions.upload(id, 'fr', file('captions.vtt')), (it) => it.srclang === 'fr')
await step('PATCH_videos-videoId-captions-language', 'make the default', () => captions.update(id, 'fr', { _default: true }), (it) => it._default)
await step('GET_videos-videoId-captions-language', 'read', () => captions.get(id, 'fr'), (it) => it.languageName === 'Français')
await step('GET_videos-videoId-captions', 'list', () => captions.list({ videoId: id, currentPage: 1, pageSize: 10 }), (it) => it.data.length === 1)
await step('DELETE_videos-videoId-captions-language', 'delete', () => captions.delete(id, 'fr'), gone)
await step('POST_videos-videoId-chapters-language', 'upload', () => chapters.upload(id, 'en', file('chapters.vtt')), (it) => it.language === 'en')
await step('GET_videos-videoId-chapters-language', 'read', () => chapters.get(id, 'en'), (it) => it.src)
await step('GET_videos-videoId-chapters', 'list', () => chapters.list({ videoId: id }), (it) => it.data.length === 1)
await step('DELETE_videos-videoId-chapters-language', 'delete', () => chapters.delete(id, 'en'), gone)

// Player themes
const { playerId } = await step(
  'POST_players',
  'create',
  () => playerThemes.create({ name: 'Night', text: 'rgba(1, 2, 3, .5)', forceLoop: true }),
  (it) => it.playerId && it.forceLoop === true,
)
await step('GET_players-playerId', 'read', () => playerThemes.get(playerId), (it) => it.name === 'Night')
await step('PATCH_players-playerId', 'change', () => playerThemes.update(playerId, { hideTitle: true }), (it) => it.hideTitle)
await step('GET_players', 'list, sorted', () => playerThemes.list({ sortBy: 'createdAt', sortOrder: 'desc' }), (it) => it.data.length)
await step(
  'POST_players-playerId-logo',
  'upload with a link',
  () => playerThemes.uploadLogo(playerId, file('logo.png'), 'https://example.com/'),
  (it) => it.assets.logo && it.assets.link === 'https://example.com/',
)
await step('PATCH-video', 'put a theme on', () => videos.update(id, { playerId }), (it) => it.playerId === playerId)
await step('DELETE_players-playerId-logo', 'delete', () => playerThemes.deleteLogo(playerId), gone)
await step('DELETE_players-playerId', 'delete', () => playerThemes.delete(playerId), gone)

// Live streams
const live = await step(
  'POST_live-streams',
  'create with a restream',
  () => liveStreams.create({ name: 'Concert', restreams: [{ name: 'Far', serverUrl: 'rtmp://example.com/app', streamKey: 'key' }] }),
  (it) => it.streamKey && it.restreams[0].name === 'Far' && it.broadcasting === false,
)
const streamId = live.liveStreamId
await step('GET_live-streams-liveStreamId', 'read', () => liveStreams.get(streamId), (it) => it.name === 'Concert')
await step(
  'PATCH_live-streams-liveStreamId',
  'change',
  () => liveStreams.update(streamId, { name: 'Encore', restreams: [] }),
  (it) => it.name === 'Encore' && it.restreams.length === 0,
)
await step('GET_live-streams', 'find by its key', () => liveStreams.list({ streamKey: live.streamKey }), (it) => it.data[0].liveStreamId === streamId)
await step(
  'POST_live-streams-liveStreamId-thumbnail',
  'upload',
  () => liveStreams.uploadThumbnail(streamId, file('picture.jpg')),
  (it) => it.assets.thumbnail,
)
await step('DELETE_live-streams-liveStreamId-thumbnail', 'delete', () => liveStreams.deleteThumbnail(streamId), (it) => it.liveStreamId === streamId)
await step('PUT_live-streams-liveStreamId-complete', 'complete', () => liveStreams.complete(streamId), gone)
await step('DELETE_live-streams-liveStreamId', 'delete', () => liveStreams.delete(streamId), gone)

// Webhooks
const event = 'video.encoding.quality.completed'
const hook = await step(
  'POST-webhooks',
  'create',
  () => webhooks.create({ events: [event], url: 'https://example.com/hook' }),
  (it) => it.webhookId && it.signatureSecret,
)
await step('GET-Webhook', 'read', () => webhooks.get(hook.webhookId), (it) => it.url === 'https://example.com/hook')
await step('LIST-webhooks', 'filter by event', () => webhooks.list({ events: event }), (it) => it.data.length)
await step('DELETE-webhook', 'delete', () => webhooks.delete(hook.webhookId), gone)

// Summaries
const summary = await step('POST_summaries', 'create', () => summaries.create({ videoId: id }), (it) => it.sourceStatus === 'missing')
await step(
  'PATCH_summaries-summaryId-source',
  'write',
  () => summaries.update(summary.summaryId, { _abstract: 'A film.', takeaways: ['one', 'two'] }),
  (it) => it._abstract === 'A film.',
)
await step('GET_summaries-summaryId-source', 'read', () => summaries.getSummarySource(summary.summaryId), (it) => it.takeaways.length === 2)
await step('GET_summaries', 'filter by video', () => summaries.list({ videoId: id, origin: 'api' }), (it) => it.data.length === 1)
await step('POST_summaries', 'refuse a second one', () => refused(409, () => summaries.create({ videoId: id })))
await step('DELETE_summaries-summaryId', 'delete', () => summaries.delete(summary.summaryId), gone)

// Analytics
const to = new Date()
const from = new Date(to.getTime() - 86_400_000)
await step(
  'GET_aggregated-metrics',
  'count plays of a country',
  () => analytics.getAggregatedMetrics({ metric: 'play', aggregation: 'count', from, to, filterBy: { country: ['FR'], mediaType: 'video' } }),
  (it) => it.context.metric === 'play' && it.data === 0,
)
await step(
  'GET_aggregated-metrics',
  'unique viewers of 10 s',
  () => analytics.getAggregatedMetrics({ metric: 'view', aggregation: 'count', unique: true, viewDuration: '10s' }),
  (it) => it.data === 0,
)
await step('GET_aggregated-metrics', 'most viewers at once', () => analytics.getAggregatedMetrics({ metric: 'ccv', aggregation: 'peak' }))
await step(
  'GET_metrics-breakdown',
  'plays by device',
  () => analytics.getMetricsBreakdown({ metric: 'play', breakdown: 'device-type', filterBy: { mediaType: 'video' } }),
  (it) => it.pagination,
)
await step(
  'GET_metrics-over-time',
  'plays by hour',
  () => analytics.getMetricsOverTime({ metric: 'play', interval: 'hour', filterBy: { mediaType: 'video' } }),
  (it) => it.pagination,
)

// Deleting, and taking it back
await step('DELETE-video', 'delete', () => videos.delete(id), gone)
await step('GET-discarded-video', 'read', () => videos.getDiscarded(id), (it) => it.discarded === true && it.deletesAt)
await step(
  'LIST-discarded-videos',
  'filter by tag',
  () => videos.listDiscarded({ tags: ['changed by node'], sortBy: 'createdAt' }),
  (it) => it.data[0].videoId === id,
)
await step('PATCH-discarded-video', 'restore', () => videos.updateDiscarded(id, { discarded: false }), (it) => it.videoId === id)
await step('DELETE_watermark', 'delete', () => watermarks.delete(mark.watermarkId), gone)

process.stdout.write(JSON.stringify(told))
